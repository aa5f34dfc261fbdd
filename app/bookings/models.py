"""What SQL holds of bookings."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, text
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
    )

    id: str = Field(primary_key=True, max_length=36)
    slot_id: int = Field(sa_column=Column(BigKey, ForeignKey("slot.id"), nullable=False, unique=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    tariff_id: int = Field(sa_column=Column(BigKey, ForeignKey("tariff.id"), nullable=False))
    premium: bool
    entity: str = Field(max_length=120, description="as it is compared")
    entity_given: str = Field(max_length=120, description="as it was given, for showing")
    exclusive: bool = True
    source: str = Field(max_length=16)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expected_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    start_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    arrived_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


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
    premium: bool
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
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    lines: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))


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
