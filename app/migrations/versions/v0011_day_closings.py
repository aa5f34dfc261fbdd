"""Closed days, which are only ever added to; and the ways into payments, refunds and the ledger by time."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = app.core.db.UtcDateTime(timezone=True)
_INDEXES = (
    ("payment_begun", "payment", ["created_at", "id"]),
    ("payment_lot_begun", "payment", ["lot_id", "created_at", "id"]),
    ("refund_settled", "refund", ["settled_at"]),
    ("ledger_entry_movement", "ledger_entry", ["movement"]),
)


def upgrade() -> None:
    op.create_table(
        "day_closing",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("lot_id", _KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("counted_minor", sa.BigInteger(), nullable=True),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.UniqueConstraint("lot_id", "day", "provider", "currency"),
    )
    _only_added("day_closing")
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)
    op.create_index(
        "refund_pending",
        "refund",
        ["created_at"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )


def _only_added(table: str) -> None:
    """Whoever changes or removes a row is refused, also by hand."""
    if op.get_context().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_{act.lower()} BEFORE {act} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is only ever added to'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION '{table} is only ever added to'; END $$"
    )
    for name, acts, each in (("rows", "UPDATE OR DELETE", "ROW"), ("all", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_only_added_{name} BEFORE {acts} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION {table}_is_only_added_to()"
        )


def downgrade() -> None:
    op.drop_index("refund_pending", "refund")
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    op.drop_table("day_closing")
    if op.get_context().dialect.name != "sqlite":
        op.execute("DROP FUNCTION day_closing_is_only_added_to()")
