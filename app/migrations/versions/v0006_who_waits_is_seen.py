"""When a page that waits was last there stands apart; what was closed with its lot is found by an index."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INSTANT = app.core.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "waiting_seen",
        sa.Column("waiting_id", sa.String(length=36), primary_key=True),
        sa.Column("seen_at", _INSTANT, nullable=False),
    )
    op.create_index("waiting_seen_at", "waiting_seen", ["seen_at"])
    op.execute("INSERT INTO waiting_seen (waiting_id, seen_at) SELECT id, seen_at FROM waiting")
    op.drop_column("waiting", "seen_at")
    op.create_index(
        "slot_state_closed_with_lot",
        "slot_state",
        ["lot_id"],
        sqlite_where=sa.text("state = 'closed' AND NOT closing"),
        postgresql_where=sa.text("state = 'closed' AND NOT closing"),
    )


def downgrade() -> None:
    op.drop_index("slot_state_closed_with_lot", "slot_state")
    op.add_column("waiting", sa.Column("seen_at", _INSTANT, nullable=True))
    op.execute(
        "UPDATE waiting SET seen_at = coalesce("
        "(SELECT seen_at FROM waiting_seen WHERE waiting_id = waiting.id), joined_at)"
    )
    op.drop_table("waiting_seen")
