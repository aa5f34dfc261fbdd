"""Looking through payments: by page, newest first, and what of them is still to be given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.models import AuditEntry
from app.core.db import UtcDateTime
from app.payments.models import LedgerEntry, Payment, PaymentState, Refund, RefundState
from app.payments.records import LEDGER, PAYMENT, RECEIPT, REFUND

_AUDIT = AuditEntry.__table__  # type: ignore[attr-defined]
PAGE = 50
MOST_PENDING = 50
LONGEST_PLACE = 80
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class After:
    """Where a page begins: behind this payment, in the order of newest first."""

    created_at: datetime
    payment: str

    def text(self) -> str:
        return f"{(self.created_at - _EPOCH) // _MICROSECOND}.{self.payment}"

    @classmethod
    def of(cls, payment: Payment) -> "After":
        return cls(payment.created_at, payment.id)

    @classmethod
    def read(cls, text: str) -> "After":
        """ValueError where the text is none of :meth:`text`."""
        at, _, payment = text[:LONGEST_PLACE].partition(".")
        if not (at.isascii() and at.isdigit() and len(at) < 17 and payment):
            raise ValueError("The address of this page is not whole: begin with the newest payments.")
        return cls(_EPOCH + int(at) * _MICROSECOND, payment)


@dataclass(frozen=True)
class Wanted:
    """Which payments; ``None`` does not ask. ``begun``: from an instant on, and before another one.

    ``named``: identifiers of payments or of bookings; ``receipt``: a receipt's number.
    """

    lot_id: int | None = None
    begun: tuple[datetime, datetime] | None = None
    state: PaymentState | None = None
    provider: str | None = None
    named: tuple[str, ...] | None = None
    receipt: int | None = None


@dataclass(frozen=True)
class Page:
    """Payments, of each what is under way to be given back, and where the next page begins."""

    payments: list[Payment]
    pending_minor: dict[str, int]
    following: After | None


def statement(wanted: Wanted, after: After | None) -> Any:
    """The question of a page: one stretch of an index, however far down it is."""
    asked = select(PAYMENT)
    if wanted.lot_id is not None:
        asked = asked.where(PAYMENT.c.lot_id == wanted.lot_id)
    if wanted.begun is not None:
        begin, end = wanted.begun
        asked = asked.where(PAYMENT.c.created_at >= begin)
        # Behind a payment of that time the end says nothing, and SQLite would begin to read there.
        if after is None or after.created_at >= end:
            asked = asked.where(PAYMENT.c.created_at < end)
    if wanted.state is not None:
        asked = asked.where(PAYMENT.c.state == wanted.state)
    if wanted.provider is not None:
        asked = asked.where(PAYMENT.c.provider == wanted.provider)
    if wanted.named is not None or wanted.receipt is not None:
        its = select(RECEIPT.c.payment_id).where(RECEIPT.c.number == wanted.receipt).scalar_subquery()
        named = wanted.named or ()
        is_named = PAYMENT.c.id.in_(named) | PAYMENT.c.reservation_id.in_(named)
        asked = asked.where(is_named if wanted.receipt is None else is_named | (PAYMENT.c.id == its))
    if after is not None:
        here = tuple_(literal(after.created_at, UtcDateTime()), literal(after.payment))
        asked = asked.where(tuple_(PAYMENT.c.created_at, PAYMENT.c.id) < here)
    return asked.order_by(PAYMENT.c.created_at.desc(), PAYMENT.c.id.desc()).limit(PAGE + 1)


async def payment_page(connection: AsyncConnection, wanted: Wanted, after: After | None = None) -> Page:
    """A page of payments, those begun last first."""
    rows = (await connection.execute(statement(wanted, after))).mappings().all()
    payments = [Payment(**row) for row in rows[:PAGE]]
    following = After.of(payments[-1]) if len(rows) > PAGE else None
    return Page(payments, await pending_minor(connection, [one.id for one in payments]), following)


async def pending_minor(connection: AsyncConnection, payments: Sequence[str]) -> dict[str, int]:
    """How much of each of these payments is under way to be given back; of those of which something is."""
    asked = (
        select(REFUND.c.payment_id, func.sum(REFUND.c.amount_minor))
        .where(REFUND.c.payment_id.in_(payments), REFUND.c.state == RefundState.PENDING)
        .group_by(REFUND.c.payment_id)
    )
    return {payment: int(total) for payment, total in await connection.execute(asked)}


async def pending_refunds(
    connection: AsyncConnection, providers: Sequence[str], lot_id: int | None = None
) -> list[tuple[Refund, Payment]]:
    """What these providers have yet to give back, the oldest first, at most ``MOST_PENDING``."""
    asked = (
        select(REFUND.c.id, PAYMENT.c.id)
        .join_from(REFUND, PAYMENT, PAYMENT.c.id == REFUND.c.payment_id)
        .where(REFUND.c.state == RefundState.PENDING, PAYMENT.c.provider.in_(providers))
        .order_by(REFUND.c.created_at, REFUND.c.id)
        .limit(MOST_PENDING)
    )
    if lot_id is not None:
        asked = asked.where(PAYMENT.c.lot_id == lot_id)
    pairs = (await connection.execute(asked)).all()
    refunds = select(REFUND).where(REFUND.c.id.in_([refund for refund, _ in pairs]))
    payments = select(PAYMENT).where(PAYMENT.c.id.in_([payment for _, payment in pairs]))
    by_refund = {row["id"]: Refund(**row) for row in (await connection.execute(refunds)).mappings()}
    by_payment = {row["id"]: Payment(**row) for row in (await connection.execute(payments)).mappings()}
    return [(by_refund[refund], by_payment[payment]) for refund, payment in pairs]


async def ledger_of(connection: AsyncConnection, movements: Sequence[str]) -> list[LedgerEntry]:
    """Both sides of each of these movements, in the order in which they were written."""
    asked = select(LEDGER).where(LEDGER.c.movement.in_(movements)).order_by(LEDGER.c.id)
    return [LedgerEntry(**row) for row in (await connection.execute(asked)).mappings()]


async def audit_of(connection: AsyncConnection, subject: str) -> list[AuditEntry]:
    """What is noted of a booking, in the order of time."""
    asked = select(_AUDIT).where(_AUDIT.c.subject == subject).order_by(_AUDIT.c.id)
    return [AuditEntry(**row) for row in (await connection.execute(asked)).mappings()]


async def first_begun(connection: AsyncConnection, lot_id: int) -> datetime | None:
    """When somebody first paid in this lot, or tried to; ``None`` where nobody did."""
    asked = (
        select(PAYMENT.c.created_at)
        .where(PAYMENT.c.lot_id == lot_id)
        .order_by(PAYMENT.c.created_at, PAYMENT.c.id)
        .limit(1)
    )
    found: datetime | None = (await connection.execute(asked)).scalar()
    return found
