"""What an attendant's lists tell besides bookings: what is closed, who waits, what was worked on and paid."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.models import AuditEntry
from app.bookings.jobs import Act
from app.bookings.waiting_records import WAITING, WAITS
from app.bookings.works import lot_subject
from app.payments.models import Payment, PaymentState
from app.payments.records import PAYMENT
from app.slots.models import SlotState, State

_AUDIT = AuditEntry.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_WORKS = tuple(f"{act}{what}" for act in Act for what in ("", "-lot"))


@dataclass(frozen=True)
class Closed:
    """A slot that is closed, or is ``later`` to close when it comes free; ``with_lot``: only with its lot."""

    slot_id: int
    later: bool
    with_lot: bool


@dataclass(frozen=True)
class Line:
    """Those who wait for slots of one kind: how many, and since when the first of them."""

    count: int
    since: datetime
    size: str
    premium: bool | None
    accessible: bool
    charging: bool


@dataclass(frozen=True)
class Work:
    """What ``who`` closed or opened: these slots, or for ``whole_lot`` the lot. ``act`` is an :class:`Act`.

    ``at_once``: so many of them at once; the others when they come free, or were not to be closed any more.
    """

    at: datetime
    who: str
    act: str
    whole_lot: bool
    slots: tuple[str, ...]
    at_once: int


async def closed(connection: AsyncConnection, lot_id: int) -> list[Closed]:
    """What of a lot is out of use, or will be when it comes free."""
    out_of_use = or_(_STATE.c.state == State.CLOSED, _STATE.c.closing)
    rows = await connection.execute(
        select(_STATE.c.slot_id, _STATE.c.state, _STATE.c.closing).where(
            _STATE.c.lot_id == lot_id, out_of_use
        )
    )
    return [Closed(row.slot_id, later=row.state != State.CLOSED, with_lot=not row.closing) for row in rows]


async def line(connection: AsyncConnection, lot_id: int) -> list[Line]:
    """Who waits in a lot, by what they wait for; the kind whose first has waited longest comes first."""
    kind = (WAITING.c.size, WAITING.c.premium, WAITING.c.accessible, WAITING.c.charging)
    since = func.min(WAITING.c.joined_at).label("since")
    rows = await connection.execute(
        select(func.count().label("count"), since, *kind)
        .where(WAITING.c.lot_id == lot_id, WAITS)
        .group_by(*kind)
        .order_by(since)
    )
    return [Line(**row) for row in rows.mappings()]


async def works(connection: AsyncConnection, lot_id: int, limit: int) -> list[Work]:
    """What was closed and opened last in a lot, newest first."""
    rows = await connection.execute(
        select(_AUDIT.c.at, _AUDIT.c.who, _AUDIT.c.act, _AUDIT.c.detail)
        .where(_AUDIT.c.subject == lot_subject(lot_id), _AUDIT.c.act.in_(_WORKS))
        .order_by(_AUDIT.c.id.desc())
        .limit(limit)
    )
    return [_work(row) for row in rows]


def _work(row: Any) -> Work:
    act, _, whole_lot = row.act.partition("-")
    detail = json.loads(row.detail)
    return Work(
        row.at, row.who, act, bool(whole_lot), tuple(detail.get("slots", ())), detail.get("at_once", 0)
    )


async def paid_lately(connection: AsyncConnection, lot_id: int, limit: int) -> list[Payment]:
    """What was paid last in a lot, newest first."""
    asked = (
        select(PAYMENT)
        .where(PAYMENT.c.lot_id == lot_id, PAYMENT.c.state == PaymentState.PAID)
        .order_by(PAYMENT.c.settled_at.desc())
        .limit(limit)
    )
    return [Payment(**row) for row in (await connection.execute(asked)).mappings()]


async def settled(connection: AsyncConnection, reservations: Collection[str]) -> dict[str, int]:
    """What was paid for each of these bookings and not given back, in minor units; of those with any."""
    left = func.sum(PAYMENT.c.amount_minor - PAYMENT.c.refunded_minor)
    rows = await connection.execute(
        select(PAYMENT.c.reservation_id, left)
        .where(PAYMENT.c.reservation_id.in_(reservations), PAYMENT.c.state == PaymentState.PAID)
        .group_by(PAYMENT.c.reservation_id)
    )
    return {reservation: int(minor) for reservation, minor in rows}
