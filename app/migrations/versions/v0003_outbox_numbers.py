"""Rows of the outbox never share a number, not even one after the other."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_outbox_again(sqlite_autoincrement=True)


def downgrade() -> None:
    _make_outbox_again(sqlite_autoincrement=False)


def _make_outbox_again(*, sqlite_autoincrement: bool) -> None:
    """With its rows: Redis has yet to hear of them. PostgreSQL never gives a number twice."""
    if op.get_context().dialect.name != "sqlite":
        return
    kept = {"sqlite_autoincrement": sqlite_autoincrement}
    with op.batch_alter_table("status_outbox", recreate="always", table_kwargs=kept):
        pass
