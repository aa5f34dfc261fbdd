"""Who pays and leaves is remembered with the payment, which may be paid a while after it was begun."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payment", sa.Column("leaves", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "payment_leaves",
        "payment",
        ["settled_at"],
        sqlite_where=sa.text("leaves"),
        postgresql_where=sa.text("leaves"),
    )


def downgrade() -> None:
    op.drop_index("payment_leaves", "payment")
    op.drop_column("payment", "leaves")
