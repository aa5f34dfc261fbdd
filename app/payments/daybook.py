"""What a lot took and gave back in a day, till by till, and whether the ledger says the same."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.models import AuditEntry
from app.audit.trail import canonical
from app.payments.models import Payment, PaymentState, Refund, RefundState
from app.payments.records import LEDGER, PAYMENT, REFUND
from app.payments.wording import DESK, till_of

_AUDIT = AuditEntry.__table__  # type: ignore[attr-defined]
CASH = "cash"
MOST_NAMED = 20


@dataclass(frozen=True)
class Sum:
    """One till in one currency: payments that came in, and refunds that went out. ``key`` is a till, or a
    person."""

    key: str
    currency: str
    count: int = 0
    amount_minor: int = 0
    refunds: int = 0
    refunded_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.refunded_minor


@dataclass(frozen=True)
class Check:
    """The books of one currency beside the ledger's entries. ``odd``: movements that only one of them has, or
    that they have with other amounts; at most ``MOST_NAMED``."""

    currency: str
    books_minor: int
    ledger_minor: int
    odd: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return self.books_minor == self.ledger_minor and not self.odd


@dataclass(frozen=True)
class DayBook:
    """``tills`` by what was paid with, ``hands`` the cash by who took it or gave it back.

    ``pending`` and ``returning`` began before the day's end and have not ended yet: they are in no sum.
    """

    tills: tuple[Sum, ...]
    hands: tuple[Sum, ...]
    checks: tuple[Check, ...]
    pending: tuple[Payment, ...] = ()
    returning: tuple[tuple[Refund, Payment], ...] = ()

    @property
    def seen(self) -> str:
        """Changes with every payment and refund that changes a sum."""
        return hashlib.sha256(canonical([asdict(one) for one in self.tills]).encode()).hexdigest()[:24]

    def cash(self) -> tuple[Sum, ...]:
        return tuple(one for one in self.tills if one.key == CASH)


async def day_book(connection: AsyncConnection, lot_id: int, begin: datetime, end: datetime) -> DayBook:
    """The books of a lot between these instants: a movement counts when it took place."""
    came = await _came(connection, lot_id, begin, end)
    went = await _went(connection, lot_id, begin, end)
    by_hand = [row for row in went if till_of(row.provider, row.means) == CASH]
    hands = await _hands(connection, {row.id: row.reservation_id for row in by_hand})
    parts = [(till_of(row.provider, row.means), row.by, row.currency, row.n, row.total, 0, 0) for row in came]
    for row in went:
        who = hands.get(row.id, row.by)
        parts.append((till_of(row.provider, row.means), who, row.currency, 0, 0, 1, row.amount_minor))
    return DayBook(
        tills=_summed((till, *rest) for till, _, *rest in parts),
        hands=_summed((by, *rest) for till, by, *rest in parts if till == CASH),
        checks=await _checks(connection, lot_id, begin, end),
        pending=await _pending(connection, lot_id, end),
        returning=await _returning(connection, lot_id, end),
    )


async def day_tills(
    connection: AsyncConnection, lot_id: int, begin: datetime, end: datetime
) -> tuple[Sum, ...]:
    """What a lot took and gave back between these instants, till by till, without the rest of its books."""
    came = await _came(connection, lot_id, begin, end)
    went = await _went(connection, lot_id, begin, end)
    parts = [(till_of(row.provider, row.means), row.currency, row.n, row.total, 0, 0) for row in came]
    parts += [(till_of(row.provider, row.means), row.currency, 0, 0, 1, row.amount_minor) for row in went]
    return _summed(parts)


def _summed(parts: Iterable[tuple[Any, ...]]) -> tuple[Sum, ...]:
    sums: dict[tuple[str, str], Sum] = {}
    for key, currency, count, amount, refunds, refunded in parts:
        was = sums.get((key, currency), Sum(key, currency))
        sums[key, currency] = Sum(
            key,
            currency,
            was.count + count,
            was.amount_minor + int(amount),
            was.refunds + refunds,
            was.refunded_minor + int(refunded),
        )
    return tuple(sums[one] for one in sorted(sums, key=lambda one: (one[1], one[0])))


# Whose word a means is: a card's token is nobody's business here, and there are many of them.
_MEANS = case((PAYMENT.c.provider == DESK, PAYMENT.c.means), else_="").label("means")


def _paid_then(lot_id: int, begin: datetime, end: datetime) -> Any:
    is_paid = PAYMENT.c.state == PaymentState.PAID
    then = (PAYMENT.c.settled_at >= begin) & (PAYMENT.c.settled_at < end)
    return (PAYMENT.c.lot_id == lot_id) & then & is_paid


def _back_then(lot_id: int, begin: datetime, end: datetime) -> Any:
    is_done = REFUND.c.state == RefundState.DONE
    then = (REFUND.c.settled_at >= begin) & (REFUND.c.settled_at < end)
    return (PAYMENT.c.lot_id == lot_id) & then & is_done


async def _came(connection: AsyncConnection, lot_id: int, begin: datetime, end: datetime) -> Any:
    alike = (PAYMENT.c.provider, _MEANS, PAYMENT.c.by, PAYMENT.c.currency)
    asked = select(*alike, func.count().label("n"), func.sum(PAYMENT.c.amount_minor).label("total"))
    found = await connection.execute(asked.where(_paid_then(lot_id, begin, end)).group_by(*alike))
    return found.all()


async def _went(connection: AsyncConnection, lot_id: int, begin: datetime, end: datetime) -> Any:
    named = (PAYMENT.c.provider, _MEANS, PAYMENT.c.reservation_id)
    asked = (
        select(REFUND.c.id, REFUND.c.by, REFUND.c.currency, REFUND.c.amount_minor, *named)
        .join_from(REFUND, PAYMENT, PAYMENT.c.id == REFUND.c.payment_id)
        .where(_back_then(lot_id, begin, end))
    )
    return (await connection.execute(asked)).all()


async def _hands(connection: AsyncConnection, bookings: Mapping[str, str]) -> dict[str, str]:
    """Who handed over each of these refunds, where that was somebody else than who began it."""
    asked = select(_AUDIT.c.who, _AUDIT.c.detail).where(
        _AUDIT.c.subject.in_(set(bookings.values())), _AUDIT.c.act == "refunded", _AUDIT.c.who != DESK
    )
    found = [(row.who, json.loads(row.detail)) for row in await connection.execute(asked)]
    return {detail["refund"]: who for who, detail in found if detail.get("refund") in bookings}


async def _checks(
    connection: AsyncConnection, lot_id: int, begin: datetime, end: datetime
) -> tuple[Check, ...]:
    """Movement by movement: two sums may be equal by chance."""
    came = select(PAYMENT.c.id, PAYMENT.c.currency, PAYMENT.c.amount_minor)
    went = select(REFUND.c.id, REFUND.c.currency, -REFUND.c.amount_minor)
    went = went.join_from(REFUND, PAYMENT, PAYMENT.c.id == REFUND.c.payment_id)
    told = select(LEDGER.c.movement, LEDGER.c.currency, -LEDGER.c.amount_minor).where(
        LEDGER.c.account == f"revenue:{lot_id}", LEDGER.c.at >= begin, LEDGER.c.at < end
    )
    books, ledger = [], []
    for asked in (came.where(_paid_then(lot_id, begin, end)), went.where(_back_then(lot_id, begin, end))):
        books += [tuple(row) for row in await connection.execute(asked)]
    ledger = [tuple(row) for row in await connection.execute(told)]
    checks = []
    for currency in sorted({currency for _, currency, _ in (*books, *ledger)}):
        here = [(movement, int(amount)) for movement, its, amount in books if its == currency]
        there = [(movement, int(amount)) for movement, its, amount in ledger if its == currency]
        odd = sorted({movement for movement, _ in set(here) ^ set(there)})
        sums = sum(amount for _, amount in here), sum(amount for _, amount in there)
        checks.append(Check(currency, *sums, tuple(odd[:MOST_NAMED])))
    return tuple(checks)


async def _pending(connection: AsyncConnection, lot_id: int, end: datetime) -> tuple[Payment, ...]:
    asked = (
        select(PAYMENT)
        .where(
            PAYMENT.c.state == PaymentState.PENDING, PAYMENT.c.lot_id == lot_id, PAYMENT.c.created_at < end
        )
        .order_by(PAYMENT.c.created_at, PAYMENT.c.id)
        .limit(MOST_NAMED)
    )
    return tuple(Payment(**row) for row in (await connection.execute(asked)).mappings())


async def _returning(
    connection: AsyncConnection, lot_id: int, end: datetime
) -> tuple[tuple[Refund, Payment], ...]:
    asked = (
        select(REFUND)
        .join_from(REFUND, PAYMENT, PAYMENT.c.id == REFUND.c.payment_id)
        .where(REFUND.c.state == RefundState.PENDING, PAYMENT.c.lot_id == lot_id, REFUND.c.created_at < end)
        .order_by(REFUND.c.created_at, REFUND.c.id)
        .limit(MOST_NAMED)
    )
    refunds = [Refund(**row) for row in (await connection.execute(asked)).mappings()]
    named = select(PAYMENT).where(PAYMENT.c.id.in_([one.payment_id for one in refunds]))
    payments = {row["id"]: Payment(**row) for row in (await connection.execute(named)).mappings()}
    return tuple((one, payments[one.payment_id]) for one in refunds)
