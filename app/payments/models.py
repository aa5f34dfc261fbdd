"""What SQL holds of prices, payments and the money that moved."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from app.core.db import BigKey, UtcDateTime


class TariffVersion(SQLModel, table=True):
    """Rate lines for a lot, or an area of it, from an instant on. It never changes: a change is a new one.

    ``time_zone`` is the lot's, so that a fee can be reckoned from this alone.
    """

    __tablename__ = "tariff"
    __table_args__ = (
        # Two versions of one number would be two truths; NULL is equal to nothing, so 0 stands for no area.
        Index("tariff_version", "lot_id", text("coalesce(area_id, 0)"), "version", unique=True),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, ForeignKey("lot.id"), nullable=False))
    area_id: int | None = Field(default=None, sa_column=Column(BigKey, ForeignKey("area.id"), nullable=True))
    version: int = 1
    currency: str = Field(max_length=3)
    time_zone: str = Field(max_length=64)
    lines: str = Field(sa_column=Column(Text, nullable=False), description="as tariffs.documents writes them")
    valid_from: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    created_by: str = Field(default="", max_length=120)


class PaymentState(StrEnum):
    """Where a payment stands. The first is not settled; of the others only ``paid`` has moved money."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


class Payment(SQLModel, table=True):
    """One attempt to pay for a booking. ``id`` is derived from the booking and ``ordinal``, and is the
    provider's idempotency key: however often the same attempt is sent, it is one.

    ``bill`` is canonical JSON of what it pays for, for its receipt.
    """

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("reservation_id", "ordinal"),
        Index(
            "payment_pending",
            "reservation_id",
            unique=True,
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("payment_lot", "lot_id", "settled_at"),
        Index("payment_leaves", "settled_at", sqlite_where=text("leaves"), postgresql_where=text("leaves")),
        Index("payment_begun", "created_at", "id"),
        Index("payment_lot_begun", "lot_id", "created_at", "id"),
        CheckConstraint("state IN ('pending', 'paid', 'failed', 'expired')", name="payment_state"),
        CheckConstraint(
            "amount_minor > 0 AND refunded_minor BETWEEN 0 AND amount_minor", name="payment_amount"
        ),
    )

    id: str = Field(primary_key=True, max_length=36)
    reservation_id: str = Field(max_length=36, index=True)
    lot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    ordinal: int
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    refunded_minor: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    provider: str = Field(max_length=16)
    means: str = Field(max_length=80, description="a token of the provider's; never a card's number")
    charge: str = Field(default="", max_length=120, description="the provider's own name for it")
    state: str = Field(default=PaymentState.PENDING, max_length=16)
    reason: str = Field(default="", max_length=200, description="why it was declined, for the payer")
    # The address of a provider's own page is long. SQLite holds any length, whatever its schema says.
    next_url: str = Field(
        default="", sa_column=Column(String(500).with_variant(Text(), "postgresql"), nullable=False)
    )
    return_url: str = Field(default="", max_length=500, description="where its payer comes back to")
    leaves: bool = Field(default=False, description="once it is paid, its booking is to be ended as of then")
    bill: str = Field(sa_column=Column(Text, nullable=False))
    by: str = Field(default="", max_length=120, description="the attendant who took it")
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class RefundState(StrEnum):
    """Where a refund stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Refund(SQLModel, table=True):
    """A part of a payment that is given back. ``number`` counts them, from 1."""

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("payment_id", "number"),
        Index("refund_settled", "settled_at"),
        Index(
            "refund_pending",
            "created_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        CheckConstraint("state IN ('pending', 'done', 'failed')", name="refund_state"),
        CheckConstraint("amount_minor > 0", name="refund_amount"),
    )

    id: str = Field(primary_key=True, max_length=36)
    payment_id: str = Field(max_length=36, index=True)
    number: int
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    state: str = Field(default=RefundState.PENDING, max_length=16)
    reason: str = Field(max_length=200)
    by: str = Field(max_length=120)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    settled_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime, nullable=True))


class PaymentTask(SQLModel, table=True):
    """What is still to be asked of a provider: of a payment, or (``refund_id``) of a refund.

    A worker takes one by moving ``due_at``: of several who try one changes the row.
    """

    __tablename__ = "payment_task"
    __table_args__ = (Index("payment_task_due", "due_at"),)

    id: str = Field(primary_key=True, max_length=36, description="the payment's, or the refund's")
    payment_id: str = Field(max_length=36)
    refund_id: str | None = Field(default=None, max_length=36)
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    attempts: int = 0
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class PostingOutcome(StrEnum):
    """What became of a payment that was accepted while SQL was away."""

    POSTED = "posted"
    KNOWN = "known"  # it had been written down before all the same
    PAID_TWICE = "paid-twice"  # the money is in the till, and what is too much is to be given back
    NOT_CHARGED = "not-charged"  # it was paid otherwise meanwhile: the card was left alone
    NO_BOOKING = "no-booking"  # this database does not know the booking: somebody has to look


class JournalEntry(SQLModel, table=True):
    """A payment that was accepted while SQL was away, once it is posted: found here, it is not posted again.

    ``payment_id``: the payment that it became, or the one that it was for.
    """

    __tablename__ = "journal_entry"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('posted', 'known', 'paid-twice', 'not-charged', 'no-booking')",
            name="journal_entry_outcome",
        ),
    )

    id: str = Field(primary_key=True, max_length=36)
    payment_id: str = Field(max_length=36, index=True)
    reservation_id: str = Field(max_length=36)
    provider: str = Field(max_length=16)
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    by: str = Field(max_length=120)
    accepted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    posted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    outcome: str = Field(max_length=16)


class WebhookEvent(SQLModel, table=True):
    """A provider's event that was taken up: sent again, it is not."""

    __tablename__ = "webhook_event"

    provider: str = Field(primary_key=True, max_length=16)
    event: str = Field(primary_key=True, max_length=120)
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class LedgerEntry(SQLModel, table=True):
    """One side of a movement of money; those of one ``movement`` sum to zero. Added, never changed."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index("ledger_entry_at", "at"),
        Index("ledger_entry_account", "account", "at"),
        Index("ledger_entry_movement", "movement"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    movement: str = Field(max_length=36, description="a payment's or a refund's identifier")
    account: str = Field(max_length=80)
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(max_length=3)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Receipt(SQLModel, table=True):
    """What a payment was for, as canonical JSON: the same to the byte for ever."""

    __tablename__ = "receipt"

    number: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    payment_id: str = Field(max_length=36, unique=True)
    body: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class DayClosing(SQLModel, table=True):
    """What one till of a lot took in a day, when somebody closed the day. Added, never changed.

    ``provider`` is ``cash`` or ``terminal`` at the desk, else the card provider's name. ``counted_minor`` is
    what lay in the drawer: of cash alone. A day in which nothing was paid has a row of no cash.
    """

    __tablename__ = "day_closing"
    __table_args__ = (UniqueConstraint("lot_id", "day", "provider", "currency"),)

    id: int | None = Field(default=None, sa_column=Column(BigKey, primary_key=True))
    lot_id: int = Field(sa_column=Column(BigKey, nullable=False))
    day: date = Field(sa_column=Column(Date, nullable=False), description="by the lot's own clock")
    provider: str = Field(max_length=16)
    currency: str = Field(max_length=3)
    count: int
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    refunded_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    counted_minor: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    by: str = Field(max_length=120)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
