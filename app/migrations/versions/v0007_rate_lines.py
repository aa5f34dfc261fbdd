"""A tariff is made of rate lines; a booking knows its size and the offers that were given for it."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = app.core.db.UtcDateTime(timezone=True)
_OLD = ("increment_s", "price_minor", "premium_price_minor")


def upgrade() -> None:
    for table in ("reservation", "reservation_history"):
        op.add_column(table, sa.Column("size", sa.String(length=16), nullable=False, server_default="car"))
        op.add_column(table, sa.Column("codes", sa.JSON(), nullable=False, server_default="[]"))
        op.execute(
            f"UPDATE {table} SET size = (SELECT slot.size FROM slot WHERE slot.id = {table}.slot_id)"  # noqa: S608
            f" WHERE EXISTS (SELECT 1 FROM slot WHERE slot.id = {table}.slot_id)"
        )
    op.add_column(
        "tariff", sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC")
    )
    op.add_column("tariff", sa.Column("lines", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("tariff", sa.Column("valid_from", _INSTANT, nullable=True))
    op.add_column("tariff", sa.Column("created_by", sa.String(length=120), nullable=False, server_default=""))
    op.execute("UPDATE tariff SET valid_from = created_at")
    op.execute("UPDATE tariff SET time_zone = (SELECT lot.time_zone FROM lot WHERE lot.id = tariff.lot_id)")
    _write_lines()
    # The index that comes below refuses more than this constraint, to which two without an area differ.
    if op.get_context().dialect.name != "sqlite":
        op.drop_constraint("tariff_lot_id_area_id_version_key", "tariff")
    with op.batch_alter_table("tariff", copy_from=_as_it_is_now()) as tariff:
        tariff.alter_column("valid_from", existing_type=_INSTANT, nullable=False)
        # Who forgets them is told so.
        tariff.alter_column("time_zone", existing_type=sa.String(length=64), server_default=None)
        tariff.alter_column("lines", existing_type=sa.Text(), server_default=None)
        for name in _OLD:
            tariff.drop_column(name)
    op.create_index(
        "tariff_version", "tariff", ["lot_id", sa.text("coalesce(area_id, 0)"), "version"], unique=True
    )


def _as_it_is_now() -> sa.Table:
    """The old and the new columns, without the constraints that go.

    SQLite makes the table anew. It can't be read from the database: those have no names there.
    """
    return sa.Table(
        "tariff",
        sa.MetaData(),
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("lot_id", _KEY, sa.ForeignKey("lot.id"), nullable=False),
        sa.Column("area_id", _KEY, sa.ForeignKey("area.id"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("premium_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"),
        sa.Column("lines", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("valid_from", _INSTANT, nullable=True),
        sa.Column("created_by", sa.String(length=120), nullable=False, server_default=""),
    )


def _write_lines() -> None:
    """The old prices, each as two lines: one for standard slots, one for premium ones."""
    tariff: Any = sa.table("tariff", *(sa.column(name) for name in ("id", "lines", *_OLD)))
    connection = op.get_bind()
    for row in connection.execute(sa.select(tariff)).mappings():
        length = {"increment_s": row["increment_s"], "per_s": row["increment_s"]}
        lines = [
            {"kind": "per-increment", "premium": False, "price_minor": row["price_minor"], **length},
            {
                "kind": "per-increment",
                "name": "premium",
                "premium": True,
                "price_minor": row["premium_price_minor"],
                **length,
            },
        ]
        text = json.dumps(lines, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        connection.execute(sa.update(tariff).where(tariff.c.id == row["id"]).values(lines=text))


def downgrade() -> None:
    raise NotImplementedError("prices by rate lines can't be told as one price for each increment")
