"""Closing a day: what its tills hold is written down once, with what was counted in the drawer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.core import metrics
from app.core.money import Money
from app.payments import problems, records
from app.payments.daybook import CASH, DayBook, Sum, day_book
from app.payments.models import DayClosing, PaymentState
from app.payments.records import PAYMENT

CLOSING = DayClosing.__table__  # type: ignore[attr-defined]
ACT = "day.closed"


@dataclass(frozen=True)
class Closing:
    """A day that somebody closes: ``begin`` and ``end`` are its instants by the lot's clock.

    ``counted``: by currency, in minor units, what lay in the drawer. ``seen``: the books that ``by`` saw.
    """

    lot_id: int
    day: date
    begin: datetime
    end: datetime
    currency: str
    counted: Mapping[str, int]
    seen: str
    by: str

    @property
    def subject(self) -> str:
        return f"closing:{self.lot_id}:{self.day}"


def to_count(book: DayBook, currency: str) -> tuple[Sum, ...]:
    """The cash that lies in the drawer, by currency: that of the lot, also where nobody paid in cash."""
    cash = book.cash()
    return cash if any(one.currency == currency for one in cash) else (*cash, Sum(CASH, currency))


async def closed(connection: AsyncConnection, lot_id: int, day: date) -> list[DayClosing]:
    """The tills as they were when the day was closed; none where it is open."""
    asked = (
        select(CLOSING)
        .where(CLOSING.c.lot_id == lot_id, CLOSING.c.day == day)
        .order_by(CLOSING.c.currency, CLOSING.c.provider)
    )
    return [DayClosing(**row) for row in (await connection.execute(asked)).mappings()]


async def not_closed(
    connection: AsyncConnection, lot_ids: Sequence[int], day: date, begin: datetime, end: datetime
) -> set[int]:
    """Those of these lots that took money on the day from ``begin`` to ``end``, which nobody has closed."""
    is_paid = PAYMENT.c.state == PaymentState.PAID
    then = (PAYMENT.c.settled_at >= begin) & (PAYMENT.c.settled_at < end)
    took = select(PAYMENT.c.lot_id).where(PAYMENT.c.lot_id.in_(lot_ids), then, is_paid).distinct()
    is_closed = select(CLOSING.c.lot_id).where(CLOSING.c.lot_id.in_(lot_ids), CLOSING.c.day == day)
    took_money = set((await connection.execute(took)).scalars())
    return took_money - set((await connection.execute(is_closed.distinct())).scalars())


async def close_day(connection: AsyncConnection, order: Closing, now: datetime) -> None:
    """Closes the day in this transaction; sent again by the same person it was done already.

    Raises a Problem (409): somebody else has closed it, or money was posted since the books were seen.
    """
    await records.lock_booking(connection, order.subject)
    before = await closed(connection, order.lot_id, order.day)
    if before:
        if _is_same(before, order):
            return
        raise problems.closed_already(before[0].by)
    book = await day_book(connection, order.lot_id, order.begin, order.end)
    if book.seen != order.seen:
        raise problems.books_have_changed()
    cash = to_count(book, order.currency)
    rows = [_row(order, one, now) for one in (*cash, *(one for one in book.tills if one.key != CASH))]
    await connection.execute(insert(CLOSING), rows)
    drawers = [_drawer(one, order.counted[one.currency]) for one in cash]
    tills = [_told(one) for one in book.tills]
    await note(connection, order.by, ACT, order.subject, now, tills=tills, drawers=drawers)
    is_right = all(order.counted[one.currency] == one.net_minor for one in cash)
    metrics.DAYS_CLOSED.labels("agrees" if is_right else "off").inc()


def posted_since(before: Sequence[DayClosing], book: DayBook) -> tuple[Sum, ...]:
    """What the tills hold now beyond what they held when the day was closed; only those that differ."""
    was = {(one.provider, one.currency): one for one in before}
    differ = []
    for now in book.tills:
        then = was.pop((now.key, now.currency), None)
        taken = now.amount_minor - (then.amount_minor if then else 0)
        back = now.refunded_minor - (then.refunded_minor if then else 0)
        if taken or back:
            differ.append(Sum(now.key, now.currency, 0, taken, 0, back))
    gone = [one for one in was.values() if one.amount_minor or one.refunded_minor]
    differ += [Sum(one.provider, one.currency, 0, -one.amount_minor, 0, -one.refunded_minor) for one in gone]
    return tuple(differ)


def _is_same(before: Sequence[DayClosing], order: Closing) -> bool:
    """Whether it was closed by the same button, pressed a moment before."""
    counted = {one.currency: one.counted_minor for one in before if one.provider == CASH}
    return before[0].by == order.by and counted == dict(order.counted)


def _row(order: Closing, one: Sum, now: datetime) -> dict[str, Any]:
    return {
        "lot_id": order.lot_id,
        "day": order.day,
        "provider": one.key,
        "currency": one.currency,
        "count": one.count,
        "amount_minor": one.amount_minor,
        "refunded_minor": one.refunded_minor,
        "counted_minor": order.counted[one.currency] if one.key == CASH else None,
        "by": order.by,
        "at": now,
    }


def _told(one: Sum) -> dict[str, Any]:
    return {
        "till": one.key,
        "currency": one.currency,
        "count": one.count,
        "amount": Money(one.amount_minor, one.currency).major,
        "refunded": Money(one.refunded_minor, one.currency).major,
    }


def _drawer(one: Sum, counted_minor: int) -> dict[str, Any]:
    return {
        "currency": one.currency,
        "counted": Money(counted_minor, one.currency).major,
        "difference": Money(counted_minor - one.net_minor, one.currency).major,
    }
