"""What a slot is stands beside its state, so that a free one is found over all lots by one index."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# As they were numbered when this was written.
_SIZES = ("motorcycle", "compact", "car", "large", "van", "bus", "truck")


def upgrade() -> None:
    # SQLite adds no column without a default; a kind that is no kind is found by nobody.
    op.add_column("slot_state", sa.Column("kind", sa.SmallInteger(), nullable=False, server_default="-1"))
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(name) for name in ("id", "size", "premium", "accessible", "charging")
    ]
    slot, state = sa.table("slot", *columns), sa.table("slot_state", sa.column("slot_id"), sa.column("kind"))
    kind: Any = sa.case({size: number * 8 for number, size in enumerate(_SIZES)}, value=slot.c.size)
    for worth, name in ((4, "premium"), (2, "accessible"), (1, "charging")):
        kind = kind + sa.cast(slot.c[name], sa.Integer) * worth
    of_slot = sa.select(kind).where(slot.c.id == state.c.slot_id).scalar_subquery()
    op.execute(sa.update(state).values(kind=of_slot))
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("slot_state", "kind", server_default=None)
    op.create_index(
        "slot_state_free_kind",
        "slot_state",
        ["kind", "lot_id", "rank"],
        sqlite_where=sa.text("state = 'free'"),
        postgresql_where=sa.text("state = 'free'"),
    )


def downgrade() -> None:
    op.drop_index("slot_state_free_kind", "slot_state")
    op.drop_column("slot_state", "kind")
