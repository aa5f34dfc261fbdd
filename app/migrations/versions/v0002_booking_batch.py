"""What became of a transaction whose commit was not answered; outbox rows never share a number."""

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
    if op.get_context().dialect.name == "sqlite":
        _make_outbox_again(sqlite_autoincrement=True)


def downgrade() -> None:
    op.drop_index("booking_batch_created", "booking_batch")
    op.drop_table("booking_batch")
    if op.get_context().dialect.name == "sqlite":
        _make_outbox_again(sqlite_autoincrement=False)


def _make_outbox_again(*, sqlite_autoincrement: bool) -> None:
    """With its rows: Redis has yet to hear of them."""
    kept = {"sqlite_autoincrement": sqlite_autoincrement}
    with op.batch_alter_table("status_outbox", recreate="always", table_kwargs=kept):
        pass
