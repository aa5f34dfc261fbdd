"""What SQL holds of bookings."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, text
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class Reservation(SQLModel, table=True):
    """A booking that runs. One a slot, and one an entity where the lot is exclusive."""

    __tablename__ = "reservation"
    __table_args__ = (
        Index(
            "reservation_entity",
            "entity",
            unique=True,
            sqlite_where=text("exclusive"),
            postgresql_where=text("exclusive"),
        ),
        Index("reservation_lot", "lot_id", "start_at"),
        Index(
            "reservation_arrive_by",
            "arrive_by",
            sqlite_where=text("arrive_by IS NOT NULL"),
            postgresql_where=text("arrive_by IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True, max_length=36)
    slot_id: int = Field(sa_column=Column(BigKey, ForeignKey("slot.id"), nullable=False, unique=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    tariff_id: int = Field(sa_column=Column(BigKey, ForeignKey("tariff.id"), nullable=False))
    size: str = Field(default="car", max_length=16)
    premium: bool
    codes: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False), description="of offers that were given"
    )
    entity: str = Field(max_length=120, description="as it is compared")
    entity_given: str = Field(max_length=120, description="as it was given, for showing")
    exclusive: bool = True
    source: str = Field(max_length=16)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expected_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    start_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    arrived_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    arrive_by: datetime | None = Field(
        default=None,
        sa_column=Column(UtcDateTime, nullable=True),
        description="past it, and not arrived, it is a no-show; nothing where nobody checks in, or has",
    )


class Ending(StrEnum):
    """How a booking came to its end."""

    RELEASED = "released"
    NO_SHOW = "no-show"


class ReservationHistory(SQLModel, table=True):
    """A booking that has ended, with its fee as it was fixed in the transaction that ended it."""

    __tablename__ = "reservation_history"
    __table_args__ = (
        Index("reservation_history_slot", "slot_id", "ended_at"),
        Index("reservation_history_entity", "entity", "ended_at"),
        Index("reservation_history_lot", "lot_id", "ended_at"),
    )

    id: str = Field(primary_key=True, max_length=36)
    slot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    lot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    tariff_id: int = Field(sa_column=Column(BigKey, nullable=False))
    size: str = Field(default="car", max_length=16)
    premium: bool
    codes: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    entity: str = Field(max_length=120)
    entity_given: str = Field(max_length=120)
    exclusive: bool
    source: str = Field(max_length=16)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expected_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    start_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    arrived_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    ended_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ended_time_given: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    ending: str = Field(default=Ending.RELEASED, max_length=16)
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    lines: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))


class ReservationMove(SQLModel, table=True):
    """A booking that an attendant has moved to another slot. ``number`` counts a booking's moves, from 1."""

    __tablename__ = "reservation_move"
    __table_args__ = (Index("reservation_move_from", "from_slot_id"),)

    reservation_id: str = Field(primary_key=True, max_length=36)
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    from_slot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    to_slot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    moved_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Hold(SQLModel, table=True):
    """A slot that is kept for a browser until it answers; unbilled, and without an entity. One a browser.

    ``browser`` and ``address`` are digests: nothing here says who it is.
    """

    __tablename__ = "hold"
    __table_args__ = (Index("hold_until", "until"), Index("hold_address", "address"))

    id: str = Field(primary_key=True, max_length=36)
    slot_id: int = Field(sa_column=Column(BigKey, ForeignKey("slot.id"), nullable=False, unique=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    browser: str = Field(max_length=64, unique=True)
    address: str = Field(max_length=64)
    held_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class WaitingState(StrEnum):
    """Where somebody on a waiting list stands; ``passed``: was offered a slot, and did not answer."""

    WAITING = "waiting"
    OFFERED = "offered"
    SERVED = "served"
    PASSED = "passed"
    LEFT = "left"


_IN_LINE = text("state IN ('waiting', 'offered')")
_WAITS = text("state = 'waiting'")
_HAS_HOLD = text("hold_id IS NOT NULL")
_IS_OVER = text("state NOT IN ('waiting', 'offered')")


class Waiting(SQLModel, table=True):
    """Somebody who waits for a slot of a kind in a full lot. One place a browser; the earliest is first."""

    __tablename__ = "waiting"
    __table_args__ = (
        Index("waiting_line", "lot_id", "joined_at", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index("waiting_browser", "browser", unique=True, sqlite_where=_IN_LINE, postgresql_where=_IN_LINE),
        Index("waiting_address", "address", sqlite_where=_IN_LINE, postgresql_where=_IN_LINE),
        Index("waiting_hold", "hold_id", sqlite_where=_HAS_HOLD, postgresql_where=_HAS_HOLD),
        Index("waiting_joined", "joined_at", sqlite_where=_IS_OVER, postgresql_where=_IS_OVER),
    )

    id: str = Field(primary_key=True, max_length=36)
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    size: str = Field(max_length=16)
    premium: bool | None = None
    accessible: bool = False
    charging: bool = False
    browser: str = Field(max_length=64)
    address: str = Field(max_length=64)
    state: str = Field(default=WaitingState.WAITING, max_length=16)
    joined_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    offered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    hold_id: str | None = Field(default=None, max_length=36)


class WaitingSeen(SQLModel, table=True):
    """When the page that waits was last there.

    It stands apart: who gives a slot away passes over a place in the line that somebody writes just then.
    """

    __tablename__ = "waiting_seen"
    __table_args__ = (Index("waiting_seen_at", "seen_at"),)

    waiting_id: str = Field(primary_key=True, max_length=36)
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class StoredAnswer(SQLModel, table=True):
    """What a request with an idempotency key was answered, written in the booking's own transaction."""

    __tablename__ = "stored_answer"
    __table_args__ = (Index("stored_answer_created", "created_at"),)

    caller: str = Field(primary_key=True, max_length=64)
    action: str = Field(primary_key=True, max_length=16)
    key: str = Field(primary_key=True, max_length=255)
    request_digest: str = Field(max_length=64)
    answer: Any = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class BookingBatch(SQLModel, table=True):
    """A transaction of bookings, so that who missed the answer to its commit can find out what became of it.

    Whoever wants to know writes the same row as ``abandoned``: then it was not committed, and never will be.
    """

    __tablename__ = "booking_batch"
    __table_args__ = (Index("booking_batch_created", "created_at"),)

    id: str = Field(primary_key=True, max_length=36)
    abandoned: bool = False
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
