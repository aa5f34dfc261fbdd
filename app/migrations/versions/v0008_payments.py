"""Payments, refunds, the ledger, receipts, and the audit trail. Two of them are only ever added to."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = app.core.db.UtcDateTime(timezone=True)
_ONLY_ADDED = ("ledger_entry", "audit_entry", "audit_seal", "receipt")


def upgrade() -> None:
    op.create_table(
        "payment",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("reservation_id", sa.String(length=36), nullable=False),
        sa.Column("lot_id", _KEY, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("means", sa.String(length=80), nullable=False),
        sa.Column("charge", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("next_url", sa.String(length=500), nullable=False),
        sa.Column("bill", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("settled_at", _INSTANT, nullable=True),
        sa.UniqueConstraint("reservation_id", "ordinal"),
        sa.CheckConstraint("state IN ('pending', 'paid', 'failed', 'expired')", name="payment_state"),
        sa.CheckConstraint(
            "amount_minor > 0 AND refunded_minor BETWEEN 0 AND amount_minor", name="payment_amount"
        ),
    )
    op.create_index("ix_payment_reservation_id", "payment", ["reservation_id"])
    op.create_index("payment_lot", "payment", ["lot_id", "settled_at"])
    op.create_index(
        "payment_pending",
        "payment",
        ["reservation_id"],
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("payment_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("settled_at", _INSTANT, nullable=True),
        sa.UniqueConstraint("payment_id", "number"),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="refund_state"),
        sa.CheckConstraint("amount_minor > 0", name="refund_amount"),
    )
    op.create_index("ix_refund_payment_id", "refund", ["payment_id"])
    op.create_table(
        "payment_task",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("payment_id", sa.String(length=36), nullable=False),
        sa.Column("refund_id", sa.String(length=36), nullable=True),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
    )
    op.create_index("payment_task_due", "payment_task", ["due_at"])
    op.create_table(
        "webhook_event",
        sa.Column("provider", sa.String(length=16), primary_key=True),
        sa.Column("event", sa.String(length=120), primary_key=True),
        sa.Column("received_at", _INSTANT, nullable=False),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("movement", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
    )
    op.create_index("ledger_entry_at", "ledger_entry", ["at"])
    op.create_index("ledger_entry_account", "ledger_entry", ["account", "at"])
    op.create_table(
        "receipt",
        sa.Column("number", _KEY, primary_key=True),
        sa.Column("payment_id", sa.String(length=36), nullable=False, unique=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("who", sa.String(length=120), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("ix_audit_entry_subject", "audit_entry", ["subject"])
    op.create_table(
        "audit_seal",
        sa.Column("number", _KEY, primary_key=True, autoincrement=False),
        sa.Column("entry_id", _KEY, nullable=False, unique=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
    )
    for table in _ONLY_ADDED:
        _only_added(table)


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
    for table in reversed(
        (
            "payment",
            "refund",
            "payment_task",
            "webhook_event",
            "ledger_entry",
            "receipt",
            "audit_entry",
            "audit_seal",
        )
    ):
        op.drop_table(table)
        if table in _ONLY_ADDED and op.get_context().dialect.name != "sqlite":
            op.execute(f"DROP FUNCTION {table}_is_only_added_to()")
