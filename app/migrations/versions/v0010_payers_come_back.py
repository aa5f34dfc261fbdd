"""Where a payer comes back to is kept, so that a provider is told the same whenever it is told."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "payment", sa.Column("return_url", sa.String(length=500), nullable=False, server_default="")
    )
    if op.get_context().dialect.name != "sqlite":
        # The address of a provider's own page is long; SQLite holds any length as it is.
        op.alter_column("payment", "next_url", type_=sa.Text())


def downgrade() -> None:
    op.drop_column("payment", "return_url")
    if op.get_context().dialect.name != "sqlite":
        op.alter_column("payment", "next_url", type_=sa.String(length=500))
