"""Screens that are paired with a lot, and the codes of those that wait to be."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = app.core.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "display",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("digest", sa.String(length=64), nullable=False, unique=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("lot_id", _KEY, sa.ForeignKey("lot.id", ondelete="CASCADE"), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("paired_at", _INSTANT, nullable=False),
        sa.Column("paired_by", sa.String(length=120), nullable=False),
        sa.Column("last_seen_at", _INSTANT, nullable=True),
    )
    op.create_index("ix_display_lot_id", "display", ["lot_id"])
    op.create_table(
        "pairing_code",
        sa.Column("digest", sa.String(length=64), primary_key=True),
        sa.Column("code", sa.String(length=8), nullable=False, unique=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
    )
    op.create_index("ix_pairing_code_address", "pairing_code", ["address"])


def downgrade() -> None:
    op.drop_table("pairing_code")
    op.drop_table("display")
