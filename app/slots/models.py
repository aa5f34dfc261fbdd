"""What SQL holds of lots, areas and slots.

``slot`` is metadata and rarely written; what changes all day is one narrow row in ``slot_state``.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from app.core.db import BigKey


class Size(StrEnum):
    """What fits into a slot; a car unless said otherwise."""

    MOTORCYCLE = "motorcycle"
    COMPACT = "compact"
    CAR = "car"
    LARGE = "large"
    VAN = "van"
    BUS = "bus"
    TRUCK = "truck"


class State(StrEnum):
    """What a slot is. ``held`` is kept for somebody for a minute; outside it shows as reserved."""

    FREE = "free"
    RESERVED = "reserved"
    OCCUPIED = "occupied"
    CLOSED = "closed"
    HELD = "held"


# One digit a slot: in Redis, on the wire and in a replica.
STATE_CODES: dict[State, int] = {
    State.FREE: 0,
    State.RESERVED: 1,
    State.OCCUPIED: 2,
    State.CLOSED: 3,
    State.HELD: 4,
}
STATES = tuple(STATE_CODES)


def public_code(code: int) -> int:
    """The state as everyone may see it: a held slot shows as reserved."""
    return STATE_CODES[State.RESERVED] if code == STATE_CODES[State.HELD] else code


# Its place here is part of a number in SQL: new sizes come last.
_SIZES = tuple(Size)


def kind_number(size: str, *, premium: bool, accessible: bool, charging: bool) -> int:
    """What a slot is, wherever it is, as one number, by which a free one is found over all lots."""
    return _SIZES.index(Size(size)) * 8 + premium * 4 + accessible * 2 + charging


def kind_of(number: int) -> dict[str, Any]:
    """What :func:`kind_number` was made of."""
    return {
        "size": str(_SIZES[number // 8]),
        "premium": bool(number & 4),
        "accessible": bool(number & 2),
        "charging": bool(number & 1),
    }


def _words(values: type[StrEnum]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class Lot(SQLModel, table=True):
    """A place where one parks. Geometry is in metres around the outline's centroid, turned for the page."""

    __tablename__ = "lot"

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    code: str = Field(unique=True, max_length=64)
    name: str = Field(max_length=120)
    address: str = Field(default="", max_length=200)
    time_zone: str = Field(default="UTC", max_length=64)
    currency: str = Field(default="EUR", max_length=3)
    latitude: float | None = None
    longitude: float | None = None
    outline: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    map_angle_deg: float = 0.0
    gate_x: float | None = None
    gate_y: float | None = None
    gate_heading_deg: float | None = None
    gate_name: str = Field(default="", max_length=60)
    attribution: str = Field(default="", max_length=200)
    entities_are_plates: bool = False
    exclusive: bool = True
    closed: bool = False
    check_in_required: bool = Field(default=False, description="who does not arrive in time loses the slot")
    arrival_grace_s: int = 900
    layout_version: int = Field(default=1, description="grows with every change of what the map shows")
    order_version: int = Field(default=1, description="grows when ranks are given anew")


class Area(SQLModel, table=True):
    """A part of a lot with a letter on a sign."""

    __tablename__ = "area"
    __table_args__ = (UniqueConstraint("lot_id", "code"),)

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    code: str = Field(max_length=32)
    name: str = Field(default="", max_length=120)
    level: int = 0
    premium: bool = False
    sign_x: float | None = None
    sign_y: float | None = None
    sign_upright: bool = False


class Slot(SQLModel, table=True):
    """One place for one vehicle. Its status is not here."""

    __tablename__ = "slot"
    __table_args__ = (
        UniqueConstraint("lot_id", "name"),
        UniqueConstraint("lot_id", "position"),
        UniqueConstraint("lot_id", "rank"),
        CheckConstraint(f"size IN ({_words(Size)})", name="slot_size"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    identifier: str = Field(unique=True, max_length=120)
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    area_id: int = Field(sa_column=Column(BigKey, ForeignKey("area.id"), nullable=False))
    name: str = Field(max_length=64)
    position: int = Field(description="its number in the lot, from 0; those behind a deleted one move up")
    rank: int = Field(description="its place in the drivers' order; 0 is nearest the entrance")
    size: str = Field(default=Size.CAR, max_length=16)
    premium: bool = False
    accessible: bool = False
    charging: bool = False
    location: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    latitude: float | None = None
    longitude: float | None = None
    outline: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    revision: int = Field(default=1, description="grows with every change of the metadata; the ETag")


class SlotClass(SQLModel, table=True):
    """Slots that are given out alike: the same area, size, premium, accessible and charging."""

    __tablename__ = "slot_class"
    __table_args__ = (
        UniqueConstraint("lot_id", "number"),
        UniqueConstraint("lot_id", "area_id", "size", "premium", "accessible", "charging"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    number: int = Field(sa_column=Column(SmallInteger, nullable=False))
    area_id: int = Field(sa_column=Column(BigKey, ForeignKey("area.id"), nullable=False))
    size: str = Field(max_length=16)
    premium: bool
    accessible: bool
    charging: bool


class SlotState(SQLModel, table=True):
    """The truth of what a slot is now. ``version`` grows by one with every change, and orders them."""

    __tablename__ = "slot_state"
    __table_args__ = (
        CheckConstraint(f"state IN ({_words(State)})", name="slot_state_state"),
        Index(
            "slot_state_free",
            "lot_id",
            "class_number",
            "rank",
            sqlite_where=text("state = 'free'"),
            postgresql_where=text("state = 'free'"),
        ),
        Index(
            "slot_state_free_kind",
            "kind",
            "lot_id",
            "rank",
            sqlite_where=text("state = 'free'"),
            postgresql_where=text("state = 'free'"),
        ),
        Index("slot_state_lot", "lot_id"),
        Index(
            "slot_state_closed_with_lot",
            "lot_id",
            sqlite_where=text("state = 'closed' AND NOT closing"),
            postgresql_where=text("state = 'closed' AND NOT closing"),
        ),
    )

    slot_id: int = Field(sa_column=Column(BigKey, ForeignKey("slot.id"), primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    class_number: int = Field(sa_column=Column(SmallInteger, nullable=False))
    kind: int = Field(sa_column=Column(SmallInteger, nullable=False), description="see kind_number")
    rank: int
    state: str = Field(default=State.FREE, max_length=16)
    version: int = Field(default=1, sa_column=Column(BigInteger, nullable=False))
    reservation_id: str | None = Field(
        default=None, max_length=36, description="who has it: a reservation, or a hold where it is held"
    )
    closing: bool = Field(
        default=False, description="it closes when it comes free, or is closed whatever its lot is"
    )


class StatusOutbox(SQLModel, table=True):
    """Changes of a slot's status that Redis may not have seen yet."""

    __tablename__ = "status_outbox"
    __table_args__ = (
        Index("status_outbox_created", "created_at_us", "lot_id"),
        # Never the same number twice: who believes a row done would delete the next one that has it.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    slot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    created_at_us: int = Field(sa_column=Column(BigInteger, nullable=False))
