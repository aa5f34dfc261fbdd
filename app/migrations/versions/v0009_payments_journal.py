"""What was accepted while SQL was away, and what became of it."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INSTANT = app.core.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "journal_entry",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("payment_id", sa.String(length=36), nullable=False),
        sa.Column("reservation_id", sa.String(length=36), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("accepted_at", _INSTANT, nullable=False),
        sa.Column("posted_at", _INSTANT, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('posted', 'known', 'paid-twice', 'not-charged', 'no-booking')",
            name="journal_entry_outcome",
        ),
    )
    op.create_index("ix_journal_entry_payment_id", "journal_entry", ["payment_id"])


def downgrade() -> None:
    op.drop_table("journal_entry")
