"""Looking at bookings: for their holders, and for attendants."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, null, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.entity import as_compared
from app.bookings.models import Ending, Reservation, ReservationHistory, ReservationMove
from app.bookings.records import HISTORY, RESERVATION, active, ended
from app.payments.models import PaymentState, RefundState
from app.payments.records import PAYMENT, REFUND
from app.payments.refunding import UNDONE
from app.slots.models import Slot, SlotState, State

_MOVE = ReservationMove.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Booking:
    """A booking, running or ended (then ``end`` is set)."""

    running: Reservation | None
    end: ReservationHistory | None

    @property
    def facts(self) -> Reservation | ReservationHistory:
        found = self.running or self.end
        assert found is not None
        return found


async def bookings_of_entity(connection: AsyncConnection, typed: str, most: int) -> tuple[str, ...]:
    """The newest bookings of whoever this is, as a plate or as it was typed, running and ended."""
    entities = {as_compared(typed, plate=plate) for plate in (True, False)}
    found: list[str] = []
    for bookings, newest in ((RESERVATION, RESERVATION.c.start_at), (HISTORY, HISTORY.c.ended_at)):
        asked = select(bookings.c.id).where(bookings.c.entity.in_(entities))
        found += (await connection.execute(asked.order_by(newest.desc()).limit(most))).scalars()
    return tuple(found)


@dataclass(frozen=True)
class Seen:
    """A booking as a row of an attendant's list."""

    slot: str
    entity: str
    start_at: datetime
    until: datetime | None
    ended_at: datetime | None
    reservation: Reservation | None = None


@dataclass(frozen=True)
class Owing:
    """A booking that has ended and is not paid."""

    reservation: str
    slot: str
    entity: str
    ended_at: datetime


@dataclass(frozen=True)
class SlotNow:
    """What a slot is, who has it, and whether it closes when it comes free or is closed by itself."""

    state: State
    version: int
    reservation: str | None
    closing: bool


@dataclass(frozen=True)
class Happened:
    """Something that happened at a slot: ``reserved``, ``arrived``, ``moved``, ``left`` or ``no-show``."""

    at: datetime
    what: str
    slot: str
    entity: str
    source: str
    amount_minor: int | None
    currency: str | None
    reservation: str
    moved_from: str | None = None


async def booking(connection: AsyncConnection, reservation: str) -> Booking | None:
    """The booking with this identifier."""
    running = await active(connection, id=reservation)
    end = None if running else await ended(connection, id=reservation)
    return Booking(running, end) if running or end else None


async def slot_now(connection: AsyncConnection, slot_id: int) -> SlotNow | None:
    """A slot as it is now; ``None`` where it has been deleted."""
    columns = (_STATE.c.state, _STATE.c.version, _STATE.c.reservation_id, _STATE.c.closing)
    row = (await connection.execute(select(*columns).where(_STATE.c.slot_id == slot_id))).one_or_none()
    return None if row is None else SlotNow(State(row.state), row.version, row.reservation_id, row.closing)


async def find_entity(connection: AsyncConnection, lot_id: int, typed: str, limit: int) -> list[Seen]:
    """Running bookings whose entity holds what was typed, then those that ended last."""
    plain = as_compared(typed, plate=True)
    like = f"%{_escaped(plain)}%"
    found: list[Seen] = []
    for table, ended_at in ((RESERVATION, null()), (HISTORY, HISTORY.c.ended_at)):
        stripped = table.c.entity
        rows = await connection.execute(
            select(
                _SLOT.c.name,
                table.c.entity_given,
                table.c.start_at,
                table.c.until,
                ended_at.label("ended_at"),
            )
            .join_from(table, _SLOT, _SLOT.c.id == table.c.slot_id)
            .where(
                table.c.lot_id == lot_id,
                or_(stripped.ilike(like, escape="\\"), _squeezed(stripped).ilike(like, escape="\\")),
            )
            .order_by(table.c.start_at.desc() if table is RESERVATION else HISTORY.c.ended_at.desc())
            .limit(limit)
        )
        found += [Seen(*row) for row in rows]
    return found[:limit]


async def overdue(connection: AsyncConnection, lot_id: int, now: datetime, limit: int) -> list[Seen]:
    """Running bookings past their planned end, the longest first."""
    return await _running(
        connection, [RESERVATION.c.lot_id == lot_id, RESERVATION.c.until < now], RESERVATION.c.until, limit
    )


async def arriving(
    connection: AsyncConnection, lot_id: int, now: datetime, within: timedelta, limit: int
) -> list[Seen]:
    """Bookings that begin soon, the next first."""
    conditions = [
        RESERVATION.c.lot_id == lot_id,
        RESERVATION.c.expected_at > now,
        RESERVATION.c.expected_at <= now + within,
        RESERVATION.c.arrived_at.is_(None),
    ]
    return await _running(connection, conditions, RESERVATION.c.expected_at, limit)


async def awaited(
    connection: AsyncConnection, lot_id: int, now: datetime, within: timedelta, limit: int
) -> list[Seen]:
    """Bookings whose time for arriving runs out soon, the next first."""
    conditions = [RESERVATION.c.lot_id == lot_id, RESERVATION.c.arrive_by <= now + within]
    return await _running(connection, conditions, RESERVATION.c.arrive_by, limit)


async def just_now(connection: AsyncConnection, lot_id: int, limit: int) -> list[Happened]:
    """What happened last in a lot, newest first."""

    def part(table: Any, at: Any, what: str, *, fee: bool, when: Any = None) -> Any:
        return (
            select(
                at.label("at"),
                literal(what).label("what"),
                _SLOT.c.name.label("slot"),
                table.c.entity_given.label("entity"),
                table.c.source.label("source"),
                (table.c.amount_minor if fee else null()).label("amount_minor"),
                (table.c.currency if fee else null()).label("currency"),
                table.c.id.label("reservation"),
            )
            .join_from(table, _SLOT, _SLOT.c.id == table.c.slot_id)
            .where(table.c.lot_id == lot_id, at.is_not(None), true() if when is None else when)
            .order_by(at.desc())
            .limit(limit)
        )

    parts = [
        # Who drove up without having booked has only arrived.
        part(
            RESERVATION,
            RESERVATION.c.created_at,
            "reserved",
            fee=False,
            when=RESERVATION.c.arrived_at.is_distinct_from(RESERVATION.c.created_at),
        ),
        part(RESERVATION, RESERVATION.c.arrived_at, "arrived", fee=False),
        part(HISTORY, HISTORY.c.ended_at, "left", fee=True, when=HISTORY.c.ending != Ending.NO_SHOW),
        part(HISTORY, HISTORY.c.ended_at, "no-show", fee=True, when=HISTORY.c.ending == Ending.NO_SHOW),
    ]
    found = []
    for one in parts:
        found += [Happened(**row) for row in (await connection.execute(one)).mappings()]
    found += await _moves(connection, lot_id, limit)
    return sorted(found, key=lambda event: event.at, reverse=True)[:limit]


async def _moves(connection: AsyncConnection, lot_id: int, limit: int) -> list[Happened]:
    """Running bookings that were moved to another slot."""
    before = _SLOT.alias("before")
    rows = await connection.execute(
        select(
            _MOVE.c.moved_at.label("at"),
            literal("moved").label("what"),
            _SLOT.c.name.label("slot"),
            RESERVATION.c.entity_given.label("entity"),
            literal("attendant").label("source"),
            null().label("amount_minor"),
            null().label("currency"),
            RESERVATION.c.id.label("reservation"),
            before.c.name.label("moved_from"),
        )
        .join_from(RESERVATION, _MOVE, _MOVE.c.reservation_id == RESERVATION.c.id)
        .join(_SLOT, _SLOT.c.id == _MOVE.c.to_slot_id)
        .join(before, before.c.id == _MOVE.c.from_slot_id)
        .where(RESERVATION.c.lot_id == lot_id)
        .order_by(_MOVE.c.moved_at.desc())
        .limit(limit)
    )
    return [Happened(**row) for row in rows.mappings()]


async def stays_since(connection: AsyncConnection, slot_id: int, since: datetime) -> list[ReservationHistory]:
    """Bookings of a slot that ended since then, the earliest first."""
    rows = await connection.execute(
        select(HISTORY)
        .where(HISTORY.c.slot_id == slot_id, HISTORY.c.ended_at >= since)
        .order_by(HISTORY.c.ended_at)
    )
    return [ReservationHistory(**row) for row in rows.mappings()]


async def owing(
    connection: AsyncConnection, lot_id: int, since: datetime, typed: str, limit: int
) -> list[Owing]:
    """Bookings that ended since then and were not paid as a whole, of entities that hold what was typed.

    The last first. What was paid and given back was somebody's decision: it is not asked for here again, but
    for what was taken by mistake.
    """
    like = f"%{_escaped(as_compared(typed, plate=True))}%"
    rows = await connection.execute(
        select(HISTORY.c.id, _SLOT.c.name, HISTORY.c.entity_given, HISTORY.c.ended_at)
        .join_from(HISTORY, _SLOT, _SLOT.c.id == HISTORY.c.slot_id)
        .where(
            HISTORY.c.lot_id == lot_id,
            HISTORY.c.ended_at >= since,
            _is_owed(),
            or_(
                HISTORY.c.entity.ilike(like, escape="\\"),
                _squeezed(HISTORY.c.entity).ilike(like, escape="\\"),
            ),
        )
        .order_by(HISTORY.c.ended_at.desc(), HISTORY.c.id)
        .limit(limit)
    )
    return [Owing(*row) for row in rows]


async def owing_by_lot(
    connection: AsyncConnection, lot_ids: Collection[int], since: datetime
) -> dict[int, int]:
    """How many bookings of each of these lots ended since then and were not paid; of lots with any."""
    rows = await connection.execute(
        select(HISTORY.c.lot_id, func.count().label("unpaid"))
        .where(HISTORY.c.lot_id.in_(lot_ids), HISTORY.c.ended_at >= since, _is_owed())
        .group_by(HISTORY.c.lot_id)
    )
    return {row.lot_id: row.unpaid for row in rows}


def _is_owed() -> Any:
    """Whether a booking that ended cost more than was paid for it."""
    payment, refund = PAYMENT.alias("paid"), REFUND.alias("undone")
    is_its = (payment.c.reservation_id == HISTORY.c.id) & (payment.c.state == PaymentState.PAID)
    paid = select(func.coalesce(func.sum(payment.c.amount_minor), 0)).where(is_its)
    undone = (
        select(func.coalesce(func.sum(refund.c.amount_minor), 0))
        .join_from(refund, payment, payment.c.id == refund.c.payment_id)
        .where(is_its, refund.c.reason == UNDONE, refund.c.state != RefundState.FAILED)
    )
    return HISTORY.c.amount_minor > paid.scalar_subquery() - undone.scalar_subquery()


def _escaped(plain: str) -> str:
    """For a LIKE whose escape is a backslash."""
    return plain.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _running(connection: AsyncConnection, conditions: list[Any], order: Any, limit: int) -> list[Seen]:
    rows = await connection.execute(
        select(RESERVATION, _SLOT.c.name.label("slot_name"))
        .join_from(RESERVATION, _SLOT, _SLOT.c.id == RESERVATION.c.slot_id)
        .where(*conditions)
        .order_by(order)
        .limit(limit)
    )
    found = []
    for row in rows.mappings():
        fields = {name: row[name] for name in RESERVATION.c.keys()}  # noqa: SIM118 - a row's columns
        kept = Reservation(**fields)
        found.append(Seen(row["slot_name"], kept.entity_given, kept.start_at, kept.until, None, kept))
    return found


def _squeezed(column: Any) -> Any:
    """An entity without the spaces and hyphens that a search leaves out."""
    return func.replace(func.replace(column, " ", ""), "-", "")
