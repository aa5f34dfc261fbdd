"""What became of a transaction whose commit was not answered."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "booking_batch",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("booking_batch_created", "booking_batch", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("booking_batch_created", "booking_batch")
    op.drop_table("booking_batch")
