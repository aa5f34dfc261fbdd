"""Lots, slots, bookings, prices and accounts."""

import sqlalchemy as sa
from alembic import op

import app.core.db

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('attendant', 'operator')", name="account_role"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("incarnation", sa.String(length=36), nullable=False),
        sa.Column("signing_key", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name="installation_is_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "lot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("map_angle_deg", sa.Float(), nullable=False),
        sa.Column("gate_x", sa.Float(), nullable=True),
        sa.Column("gate_y", sa.Float(), nullable=True),
        sa.Column("gate_heading_deg", sa.Float(), nullable=True),
        sa.Column("gate_name", sa.String(length=60), nullable=False),
        sa.Column("attribution", sa.String(length=200), nullable=False),
        sa.Column("entities_are_plates", sa.Boolean(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("layout_version", sa.Integer(), nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code"),
    )
    op.create_table(
        "reservation_history",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tariff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=False),
        sa.Column("entity", sa.String(length=120), nullable=False),
        sa.Column("entity_given", sa.String(length=120), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expected_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("start_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended_time_given", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reservation_history", schema=None) as batch_op:
        batch_op.create_index("reservation_history_entity", ["entity", "ended_at"], unique=False)
        batch_op.create_index("reservation_history_lot", ["lot_id", "ended_at"], unique=False)
        batch_op.create_index("reservation_history_slot", ["slot_id", "ended_at"], unique=False)

    op.create_table(
        "status_outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("status_outbox", schema=None) as batch_op:
        batch_op.create_index("status_outbox_created", ["created_at_us", "lot_id"], unique=False)

    op.create_table(
        "stored_answer",
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "action", "key"),
    )
    with op.batch_alter_table("stored_answer", schema=None) as batch_op:
        batch_op.create_index("stored_answer_created", ["created_at"], unique=False)

    op.create_table(
        "area",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=False),
        sa.Column("sign_x", sa.Float(), nullable=True),
        sa.Column("sign_y", sa.Float(), nullable=True),
        sa.Column("sign_upright", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lot_id"],
            ["lot.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lot_id", "code"),
    )
    op.create_table(
        "session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_account_id"), ["account_id"], unique=False)

    op.create_table(
        "sign_in_link",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identifier", sa.String(length=120), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("area_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("size", sa.String(length=16), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=False),
        sa.Column("accessible", sa.Boolean(), nullable=False),
        sa.Column("charging", sa.Boolean(), nullable=False),
        sa.Column("location", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "size IN ('motorcycle', 'compact', 'car', 'large', 'van', 'bus', 'truck')", name="slot_size"
        ),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.id"],
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"],
            ["lot.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identifier"),
        sa.UniqueConstraint("lot_id", "name"),
        sa.UniqueConstraint("lot_id", "position"),
        sa.UniqueConstraint("lot_id", "rank"),
    )
    op.create_table(
        "slot_class",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("area_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("size", sa.String(length=16), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=False),
        sa.Column("accessible", sa.Boolean(), nullable=False),
        sa.Column("charging", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.id"],
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"],
            ["lot.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lot_id", "area_id", "size", "premium", "accessible", "charging"),
        sa.UniqueConstraint("lot_id", "number"),
    )
    op.create_table(
        "tariff",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("area_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("increment_s", sa.Integer(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("premium_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("increment_s > 0 AND price_minor >= 0 AND premium_price_minor >= 0"),
        sa.ForeignKeyConstraint(
            ["area_id"],
            ["area.id"],
        ),
        sa.ForeignKeyConstraint(
            ["lot_id"],
            ["lot.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lot_id", "area_id", "version"),
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tariff_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("premium", sa.Boolean(), nullable=False),
        sa.Column("entity", sa.String(length=120), nullable=False),
        sa.Column("entity_given", sa.String(length=120), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("created_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expected_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("start_at", app.core.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", app.core.db.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["lot_id"],
            ["lot.id"],
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"],
            ["slot.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tariff_id"],
            ["tariff.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slot_id"),
    )
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.create_index(
            "reservation_entity",
            ["entity"],
            unique=True,
            sqlite_where=sa.text("exclusive"),
            postgresql_where=sa.text("exclusive"),
        )
        batch_op.create_index("reservation_lot", ["lot_id", "start_at"], unique=False)

    op.create_table(
        "slot_state",
        sa.Column("slot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lot_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("class_number", sa.SmallInteger(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.String(length=36), nullable=True),
        sa.CheckConstraint(
            "state IN ('free', 'reserved', 'occupied', 'closed', 'held')", name="slot_state_state"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"],
            ["slot.id"],
        ),
        sa.PrimaryKeyConstraint("slot_id"),
    )
    with op.batch_alter_table("slot_state", schema=None) as batch_op:
        batch_op.create_index(
            "slot_state_free",
            ["lot_id", "class_number", "rank"],
            unique=False,
            sqlite_where=sa.text("state = 'free'"),
            postgresql_where=sa.text("state = 'free'"),
        )
        batch_op.create_index("slot_state_lot", ["lot_id"], unique=False)


def downgrade() -> None:

    with op.batch_alter_table("slot_state", schema=None) as batch_op:
        batch_op.drop_index("slot_state_lot")
        batch_op.drop_index(
            "slot_state_free",
            sqlite_where=sa.text("state = 'free'"),
            postgresql_where=sa.text("state = 'free'"),
        )

    op.drop_table("slot_state")
    with op.batch_alter_table("reservation", schema=None) as batch_op:
        batch_op.drop_index("reservation_lot")
        batch_op.drop_index(
            "reservation_entity", sqlite_where=sa.text("exclusive"), postgresql_where=sa.text("exclusive")
        )

    op.drop_table("reservation")
    op.drop_table("tariff")
    op.drop_table("slot_class")
    op.drop_table("slot")
    op.drop_table("sign_in_link")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_account_id"))

    op.drop_table("session")
    op.drop_table("area")
    with op.batch_alter_table("stored_answer", schema=None) as batch_op:
        batch_op.drop_index("stored_answer_created")

    op.drop_table("stored_answer")
    with op.batch_alter_table("status_outbox", schema=None) as batch_op:
        batch_op.drop_index("status_outbox_created")

    op.drop_table("status_outbox")
    with op.batch_alter_table("reservation_history", schema=None) as batch_op:
        batch_op.drop_index("reservation_history_slot")
        batch_op.drop_index("reservation_history_lot")
        batch_op.drop_index("reservation_history_entity")

    op.drop_table("reservation_history")
    op.drop_table("lot")
    op.drop_table("installation")
    op.drop_table("account")
