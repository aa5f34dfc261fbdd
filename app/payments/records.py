"""The statements about payments, refunds and what is still to be asked. A move checks where it comes from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import db
from app.payments.models import (
    JournalEntry,
    LedgerEntry,
    Payment,
    PaymentState,
    PaymentTask,
    Receipt,
    Refund,
    RefundState,
    WebhookEvent,
)

PAYMENT = Payment.__table__  # type: ignore[attr-defined]
REFUND = Refund.__table__  # type: ignore[attr-defined]
TASK = PaymentTask.__table__  # type: ignore[attr-defined]
LEDGER = LedgerEntry.__table__  # type: ignore[attr-defined]
RECEIPT = Receipt.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Standing:
    """How far a booking is paid: attempts that ended, how many of them paid, and what was not given back."""

    ended: int
    paid: int
    settled_minor: int


async def lock_booking(connection: AsyncConnection, reservation: str) -> None:
    """Who pays for a booking or gives back of it does so one after the other. SQLite has but one writer."""
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"payments {reservation}".encode()).digest()[:8], signed=True)
        await connection.execute(select(func.pg_advisory_xact_lock(number)))


async def standing(connection: AsyncConnection, reservation: str) -> Standing:
    """How far this booking is paid."""
    is_paid = PAYMENT.c.state == PaymentState.PAID
    left = PAYMENT.c.amount_minor - PAYMENT.c.refunded_minor
    asked = select(
        func.count(case((PAYMENT.c.state != PaymentState.PENDING, 1))).label("ended"),
        func.count(case((is_paid, 1))).label("paid"),
        func.coalesce(func.sum(case((is_paid, left), else_=0)), 0).label("settled"),
    ).where(PAYMENT.c.reservation_id == reservation)
    row = (await connection.execute(asked)).one()
    return Standing(row.ended, row.paid, int(row.settled))


async def payment(connection: AsyncConnection, payment_id: str) -> Payment | None:
    """The payment with this identifier."""
    row = (
        (await connection.execute(select(PAYMENT).where(PAYMENT.c.id == payment_id))).mappings().one_or_none()
    )
    return None if row is None else Payment(**row)


async def payments_of(connection: AsyncConnection, reservation: str) -> list[Payment]:
    """All attempts to pay for a booking, in their order."""
    asked = select(PAYMENT).where(PAYMENT.c.reservation_id == reservation).order_by(PAYMENT.c.ordinal)
    return [Payment(**row) for row in (await connection.execute(asked)).mappings()]


async def pending_of(connection: AsyncConnection, reservation: str) -> Payment | None:
    """The attempt that is under way for a booking."""
    asked = select(PAYMENT).where(
        PAYMENT.c.reservation_id == reservation, PAYMENT.c.state == PaymentState.PENDING
    )
    row = (await connection.execute(asked)).mappings().one_or_none()
    return None if row is None else Payment(**row)


async def insert_payment(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether it was written: not where this attempt, or another one that is under way, is there."""
    statement = db.insert(connection, Payment).values(**values).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(PAYMENT.c.id))).first() is not None


async def move_payment(
    connection: AsyncConnection,
    payment_id: str,
    expected: Sequence[PaymentState],
    target: PaymentState,
    **values: Any,
) -> bool:
    """Whether the payment was as expected, and now is as it is to be."""
    statement = (
        update(PAYMENT)
        .where(PAYMENT.c.id == payment_id, PAYMENT.c.state.in_(expected))
        .values(state=target, **values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def leaving(connection: AsyncConnection, limit: int) -> list[Payment]:
    """Paid payments whose payers leave with them, and whose bookings are still to be ended."""
    asked = (
        select(PAYMENT)
        .where(PAYMENT.c.leaves, PAYMENT.c.state == PaymentState.PAID)
        .order_by(PAYMENT.c.settled_at)
        .limit(limit)
    )
    return [Payment(**row) for row in (await connection.execute(asked)).mappings()]


async def has_left(connection: AsyncConnection, payment_id: str) -> None:
    """The booking of this payment has been ended."""
    await connection.execute(update(PAYMENT).where(PAYMENT.c.id == payment_id).values(leaves=False))


async def note_charge(connection: AsyncConnection, payment_id: str, charge: str, next_url: str) -> None:
    """What a payment that waits is called by its provider, and where its payer has to go."""
    await connection.execute(
        update(PAYMENT)
        .where(PAYMENT.c.id == payment_id, PAYMENT.c.state == PaymentState.PENDING)
        .values(charge=charge, next_url=next_url)
    )


async def insert_task(
    connection: AsyncConnection, payment_id: str, due_at: datetime, now: datetime, refund: str | None = None
) -> None:
    """Something is still to be asked of the provider, from then on by a worker."""
    values = {"id": refund or payment_id, "payment_id": payment_id, "refund_id": refund}
    await connection.execute(insert(TASK).values(**values, due_at=due_at, attempts=0, created_at=now))


async def delete_task(connection: AsyncConnection, task_id: str) -> None:
    """Nothing is to be asked any more."""
    await connection.execute(delete(TASK).where(TASK.c.id == task_id))


async def due_tasks(connection: AsyncConnection, now: datetime, limit: int) -> list[PaymentTask]:
    """What is due, the longest first."""
    asked = select(TASK).where(TASK.c.due_at <= now).order_by(TASK.c.due_at).limit(limit)
    return [PaymentTask(**row) for row in (await connection.execute(asked)).mappings()]


async def take_task(connection: AsyncConnection, task: PaymentTask, until: datetime) -> bool:
    """Whether it is this worker's until then: of several who try, one changes the row."""
    statement = (
        update(TASK)
        .where(TASK.c.id == task.id, TASK.c.due_at == task.due_at)
        .values(due_at=until, attempts=TASK.c.attempts + 1)
    )
    return (await connection.execute(statement)).rowcount == 1


async def put_off(connection: AsyncConnection, task_id: str, until: datetime) -> None:
    """It is asked again then."""
    await connection.execute(update(TASK).where(TASK.c.id == task_id).values(due_at=until))


async def take_back(connection: AsyncConnection, payment_id: str, amount_minor: int) -> bool:
    """Whether so much of a paid payment was left, and now counts as given back."""
    left = PAYMENT.c.amount_minor - PAYMENT.c.refunded_minor
    statement = (
        update(PAYMENT)
        .where(PAYMENT.c.id == payment_id, PAYMENT.c.state == PaymentState.PAID, left >= amount_minor)
        .values(refunded_minor=PAYMENT.c.refunded_minor + amount_minor)
    )
    return (await connection.execute(statement)).rowcount == 1


async def keep_after_all(connection: AsyncConnection, payment_id: str, amount_minor: int) -> None:
    """What could not be given back is paid as before."""
    await connection.execute(
        update(PAYMENT)
        .where(PAYMENT.c.id == payment_id)
        .values(refunded_minor=PAYMENT.c.refunded_minor - amount_minor)
    )


async def insert_refund(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """A part of a payment is to be given back."""
    await connection.execute(insert(REFUND).values(**values))


async def refund(connection: AsyncConnection, refund_id: str) -> Refund | None:
    """The refund with this identifier."""
    row = (await connection.execute(select(REFUND).where(REFUND.c.id == refund_id))).mappings().one_or_none()
    return None if row is None else Refund(**row)


async def refunds_of(connection: AsyncConnection, payment_id: str) -> list[Refund]:
    """What of a payment was or is to be given back, in the order of time."""
    asked = select(REFUND).where(REFUND.c.payment_id == payment_id).order_by(REFUND.c.number)
    return [Refund(**row) for row in (await connection.execute(asked)).mappings()]


async def move_refund(
    connection: AsyncConnection, refund_id: str, target: RefundState, now: datetime
) -> bool:
    """Whether the refund was under way, and now has ended so."""
    statement = (
        update(REFUND)
        .where(REFUND.c.id == refund_id, REFUND.c.state == RefundState.PENDING)
        .values(state=target, settled_at=now)
    )
    return (await connection.execute(statement)).rowcount == 1


async def is_posted(connection: AsyncConnection, entry_id: str) -> bool:
    """Whether what was accepted under this identifier has been posted."""
    known = JournalEntry.__table__.c.id  # type: ignore[attr-defined]
    return (await connection.execute(select(known).where(known == entry_id))).first() is not None


async def insert_posting(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """What became of an entry; of two who post the same one, the other's transaction fails."""
    await connection.execute(insert(JournalEntry).values(**values))


async def is_new_event(connection: AsyncConnection, provider: str, event: str, now: datetime) -> bool:
    """Whether a provider's event was not taken up before; then it is now."""
    statement = db.insert(connection, WebhookEvent).values(provider=provider, event=event, received_at=now)
    known = WebhookEvent.__table__.c.event  # type: ignore[attr-defined]
    return (await connection.execute(statement.on_conflict_do_nothing().returning(known))).first() is not None


async def insert_receipt(connection: AsyncConnection, payment_id: str, body: str, now: datetime) -> None:
    """What a payment was for, for ever; written once."""
    statement = db.insert(connection, Receipt).values(payment_id=payment_id, body=body, created_at=now)
    await connection.execute(statement.on_conflict_do_nothing())


async def receipt_of(connection: AsyncConnection, payment_id: str) -> Receipt | None:
    """The receipt of a payment."""
    asked = select(RECEIPT).where(RECEIPT.c.payment_id == payment_id)
    row = (await connection.execute(asked)).mappings().one_or_none()
    return None if row is None else Receipt(**row)


async def move_money(
    connection: AsyncConnection,
    movement: str,
    amount_minor: int,
    currency: str,
    to: str,
    from_: str,
    now: datetime,
) -> None:
    """One movement of money, on both its sides, in one statement."""
    both = ((to, amount_minor), (from_, -amount_minor))
    rows = [
        {"movement": movement, "account": account, "amount_minor": amount, "currency": currency, "at": now}
        for account, amount in both
    ]
    await connection.execute(insert(LEDGER).values(rows))


async def balance(connection: AsyncConnection) -> dict[str, int]:
    """The sum of all entries, by currency: zero, at any moment."""
    asked = select(LEDGER.c.currency, func.sum(LEDGER.c.amount_minor)).group_by(LEDGER.c.currency)
    return {currency: int(total) for currency, total in await connection.execute(asked)}
