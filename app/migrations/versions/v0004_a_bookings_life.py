"""Arrivals that are waited for, slots held for a minute, who waits for one, and slots that are to close."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = app.core.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "lot", sa.Column("check_in_required", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("lot", sa.Column("arrival_grace_s", sa.Integer(), nullable=False, server_default="900"))
    op.add_column("slot_state", sa.Column("closing", sa.Boolean(), nullable=False, server_default=sa.false()))
    # They were closed one by one: closed with a lot, and without this, there are none yet.
    op.execute("UPDATE slot_state SET closing = true WHERE state = 'closed'")
    op.add_column("reservation", sa.Column("arrive_by", _INSTANT, nullable=True))
    op.create_index(
        "reservation_arrive_by",
        "reservation",
        ["arrive_by"],
        sqlite_where=sa.text("arrive_by IS NOT NULL"),
        postgresql_where=sa.text("arrive_by IS NOT NULL"),
    )
    op.add_column(
        "reservation_history",
        sa.Column("ending", sa.String(length=16), nullable=False, server_default="released"),
    )
    op.create_table(
        "reservation_move",
        sa.Column("reservation_id", sa.String(length=36), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("from_slot_id", _KEY, nullable=False),
        sa.Column("to_slot_id", _KEY, nullable=False),
        sa.Column("moved_at", _INSTANT, nullable=False),
    )
    op.create_index("reservation_move_from", "reservation_move", ["from_slot_id"])
    op.create_table(
        "hold",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("slot_id", _KEY, sa.ForeignKey("slot.id"), nullable=False, unique=True),
        sa.Column("lot_id", _KEY, sa.ForeignKey("lot.id"), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False, unique=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("held_at", _INSTANT, nullable=False),
        sa.Column("until", _INSTANT, nullable=False),
    )
    op.create_index("hold_until", "hold", ["until"])
    op.create_index("hold_address", "hold", ["address"])
    op.create_table(
        "waiting",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("lot_id", _KEY, sa.ForeignKey("lot.id"), nullable=False),
        sa.Column("size", sa.String(length=16), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=True),
        sa.Column("accessible", sa.Boolean(), nullable=False),
        sa.Column("charging", sa.Boolean(), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("joined_at", _INSTANT, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.Column("offered_at", _INSTANT, nullable=True),
        sa.Column("hold_id", sa.String(length=36), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'offered', 'served', 'passed', 'left')", name="waiting_state"
        ),
    )
    for name, columns, where, unique in (
        ("waiting_line", ["lot_id", "joined_at", "id"], "state = 'waiting'", False),
        ("waiting_browser", ["browser"], "state IN ('waiting', 'offered')", True),
        ("waiting_address", ["address"], "state IN ('waiting', 'offered')", False),
        ("waiting_hold", ["hold_id"], "hold_id IS NOT NULL", False),
        ("waiting_joined", ["joined_at"], "state NOT IN ('waiting', 'offered')", False),
    ):
        op.create_index(
            name,
            "waiting",
            columns,
            unique=unique,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("waiting")
    op.drop_table("hold")
    op.drop_table("reservation_move")
    op.drop_column("reservation_history", "ending")
    op.drop_index("reservation_arrive_by", "reservation")
    op.drop_column("reservation", "arrive_by")
    op.drop_column("slot_state", "closing")
    op.drop_column("lot", "arrival_grace_s")
    op.drop_column("lot", "check_in_required")
