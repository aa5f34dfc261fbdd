"""The statements of a booking's transaction. Each change of a slot checks the state that it expects."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Float,
    FromClause,
    Integer,
    Select,
    SmallInteger,
    String,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from app.bookings.models import Reservation, ReservationHistory, ReservationMove
from app.core import db
from app.slots.models import Area, Lot, Slot, SlotClass, SlotState, State, StatusOutbox, kind_number, kind_of

RESERVATION = Reservation.__table__  # type: ignore[attr-defined]
HISTORY = ReservationHistory.__table__  # type: ignore[attr-defined]
_MOVE = ReservationMove.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]
_AREA = Area.__table__  # type: ignore[attr-defined]
_CLASS = SlotClass.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]


class Lock(Enum):
    """What a look for a free slot does about rows that others have locked. SQLite has but one writer."""

    SKIP = "skip"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True)
class SlotRow:
    """A slot with its status, as SQL has it now. ``arrival_grace_s``: nothing where nobody checks in."""

    slot_id: int
    identifier: str
    name: str
    lot_id: int
    lot_code: str
    lot_closed: bool
    lot_exclusive: bool
    arrival_grace_s: int | None
    entities_are_plates: bool
    order_version: int
    area_id: int
    area_code: str
    size: str
    premium: bool
    accessible: bool
    charging: bool
    rank: int
    class_number: int
    state: State
    version: int
    reservation_id: str | None
    closing: bool


@dataclass(frozen=True)
class Move:
    """A slot on its way from one or two ``expected`` states to ``target``.

    Where these are given, it must be of the class that was proposed, be held by that booking, and not have
    changed since ``version`` was seen. ``closes_itself``: it is to be closed whatever becomes of its lot;
    ``opens``: it is not any more.
    """

    slot_id: int
    expected: tuple[State, ...]
    target: State
    reservation_id: str | None
    class_number: int | None = None
    held_by: str | None = None
    version: int | None = None
    closes_itself: bool = False
    opens: bool = False

    def row(self) -> dict[str, Any]:
        return {
            "moving_id": self.slot_id,
            "expected": self.expected[0],
            "or_expected": self.expected[-1],
            "target": self.target,
            "given_to": self.reservation_id,
            "of_class": self.class_number,
            "held_by": self.held_by,
            "seen_version": self.version,
            "closes_itself": int(self.closes_itself),
            "opens": int(self.opens),
        }


_MOVE_COLUMNS: dict[str, TypeEngine[Any]] = {
    "moving_id": BigInteger(),
    "expected": String(),
    "or_expected": String(),
    "target": String(),
    "given_to": String(),
    "of_class": SmallInteger(),
    "held_by": String(),
    "seen_version": BigInteger(),
    "closes_itself": SmallInteger(),
    "opens": SmallInteger(),
}


@dataclass(frozen=True)
class Moved:
    """A slot's new state, ready for Redis, with the outbox row that keeps it till then."""

    lot_id: int
    order_version: int
    rank: int
    version: int
    class_number: int
    state: State
    outbox_id: int


_SLOT_ROW = (
    select(
        _SLOT.c.id.label("slot_id"),
        _SLOT.c.identifier,
        _SLOT.c.name,
        _SLOT.c.lot_id,
        _LOT.c.code.label("lot_code"),
        _LOT.c.closed.label("lot_closed"),
        _LOT.c.exclusive.label("lot_exclusive"),
        case((_LOT.c.check_in_required, _LOT.c.arrival_grace_s)).label("arrival_grace_s"),
        _LOT.c.entities_are_plates,
        _LOT.c.order_version,
        _SLOT.c.area_id,
        _AREA.c.code.label("area_code"),
        # What it is, as of its lock: what stands in ``slot`` may be of before the wait for that.
        _STATE.c.kind,
        _STATE.c.rank,
        _STATE.c.class_number,
        _STATE.c.state,
        _STATE.c.version,
        _STATE.c.reservation_id,
        _STATE.c.closing,
    )
    .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
    .join(_LOT, _LOT.c.id == _SLOT.c.lot_id)
    .join(_AREA, _AREA.c.id == _SLOT.c.area_id)
)


# Written out, not bound: a planner uses the partial index only where it can read the condition.
_IS_FREE = text("slot_state.state = 'free'")
_IS_CLOSED_WITH_LOT = text("slot_state.state = 'closed' AND NOT slot_state.closing")
_IS_EXCLUSIVE = text("reservation.exclusive")
_FREE_IN_CLASS = (
    _STATE.c.lot_id == _CLASS.c.lot_id,
    _STATE.c.class_number == _CLASS.c.number,
    _IS_FREE,
)


async def slot_by(connection: AsyncConnection, **criteria: Any) -> SlotRow | None:
    """The slot with this ``id`` or ``identifier``."""
    found = await _slots(connection, [_SLOT.c[name] == value for name, value in criteria.items()], Lock.NONE)
    return found[0] if found else None


async def slots_by_id(connection: AsyncConnection, ids: Sequence[int], lock: Lock) -> list[SlotRow]:
    """These slots, locked in the order of their numbers; those that ``lock`` skips are left out."""
    return await _slots(connection, [_SLOT.c.id.in_(ids)], lock) if ids else []


async def slots_by_name(connection: AsyncConnection, identifiers: Sequence[str], lock: Lock) -> list[SlotRow]:
    """As :func:`slots_by_id`, by identifier."""
    return await _slots(connection, [_SLOT.c.identifier.in_(identifiers)], lock) if identifiers else []


async def slots_by_rank(
    connection: AsyncConnection, places: Sequence[tuple[int, int]], lock: Lock
) -> list[SlotRow]:
    """As :func:`slots_by_id`, by lot and rank."""
    if not places:
        return []
    # Joined, since SQLite looks through the whole table for one of several pairs.
    given = db.given(connection, "places", {"of_lot": BigInteger(), "of_rank": Integer()})
    there = (_SLOT.c.lot_id == given.c.of_lot) & (_SLOT.c.rank == given.c.of_rank)
    statement = _locking(connection, _SLOT_ROW.join(given, there).order_by(_SLOT.c.id), lock)
    asked = db.as_given([{"of_lot": lot_id, "of_rank": rank} for lot_id, rank in places])
    return [_slot_row(row) for row in (await connection.execute(statement, {"places": asked})).mappings()]


async def _slots(connection: AsyncConnection, conditions: list[Any], lock: Lock) -> list[SlotRow]:
    statement = _locking(connection, _SLOT_ROW.where(*conditions).order_by(_SLOT.c.id), lock)
    return [_slot_row(row) for row in (await connection.execute(statement)).mappings()]


def _slot_row(row: Mapping[Any, Any]) -> SlotRow:
    known = dict(row)
    kind, state = kind_of(known.pop("kind")), State(known.pop("state"))
    return SlotRow(**known, **kind, state=state)


async def lot_with_free(connection: AsyncConnection, class_filter: dict[str, Any]) -> int | None:
    """A lot that has a free slot of these classes, rather a standard than a premium one.

    It looks from a lot on that is chosen at random: those who come at once are not all sent to the same one.
    """
    if "area" in class_filter:
        return await _lot_with_free_in_area(connection, class_filter)
    for statement in _anywhere(
        select(_STATE.c.lot_id).join(_LOT, _LOT.c.id == _STATE.c.lot_id), class_filter
    ):
        found: int | None = (await connection.execute(statement.limit(1))).scalar_one_or_none()
        if found is not None:
            return found
    return None


def _anywhere(statement: Select[Any], class_filter: dict[str, Any]) -> Iterator[Select[Any]]:
    """Free slots of open lots, kind by kind: of the lots from a random one on, then of those before it.

    Each reads the partial index of free slots by kind in its order. So it costs no more where there are more
    lots, however few of their slots are free.
    """
    share = literal(random.random(), Float())
    first = select(cast(func.max(_LOT.c.id) * share, BigInteger)).scalar_subquery()
    for kind in _kinds(class_filter):
        free = statement.where(_STATE.c.kind == kind, _IS_FREE, _LOT.c.closed.is_(False))
        for these in (_STATE.c.lot_id >= first, _STATE.c.lot_id < first):
            yield free.where(these).order_by(_STATE.c.lot_id, _STATE.c.rank)


def _kinds(class_filter: dict[str, Any]) -> list[int]:
    """The numbers of the kinds that are wanted, standard before premium."""
    return [
        kind_number(**{**class_filter, "premium": premium})
        for premium in (False, True)
        if class_filter.get("premium") in (None, premium)
    ]


async def _lot_with_free_in_area(connection: AsyncConnection, class_filter: dict[str, Any]) -> int | None:
    """As ``lot_with_free``, where a code of areas is asked for, whichever the lot: it looks at each class."""
    free = select(_STATE.c.slot_id).where(*_FREE_IN_CLASS).correlate(_CLASS).exists()
    statement = _fitting(select(_CLASS.c.lot_id), class_filter).where(free).order_by(_CLASS.c.premium)
    found: int | None = (await connection.execute(statement.limit(1))).scalar_one_or_none()
    return found


async def free_slots(
    connection: AsyncConnection,
    lot_id: int | None,
    class_filter: dict[str, Any],
    count: int,
    but: Sequence[int],
    lock: Lock,
) -> list[SlotRow]:
    """Up to ``count`` free slots that are not in ``but``, standard ones first, the nearest class first.

    ``class_filter`` holds columns of ``slot_class`` and ``area``, a code. Each class is looked at by the
    partial index of free slots: its first entry is the nearest. Without a lot they may be of several.
    """
    if lot_id is None and "area" in class_filter:
        lot_id = await lot_with_free(connection, class_filter)
        if lot_id is None:
            return []
    if lot_id is None:
        return await _free_anywhere(connection, class_filter, count, but, lock)
    nearest = select(func.min(_STATE.c.rank)).where(*_FREE_IN_CLASS).correlate(_CLASS).scalar_subquery()
    kinds = _fitting(select(_CLASS.c.number, _CLASS.c.premium, nearest.label("nearest")), class_filter)
    rows = (await connection.execute(kinds.where(_CLASS.c.lot_id == lot_id))).all()
    having = sorted((row.premium, row.nearest, row.number) for row in rows if row.nearest is not None)
    found: list[SlotRow] = []
    for _, _, number in having:
        statement = _SLOT_ROW.where(
            _STATE.c.lot_id == lot_id,
            _STATE.c.class_number == number,
            _IS_FREE,
            _STATE.c.slot_id.not_in(but),
        ).order_by(_STATE.c.rank)
        chosen = _locking(connection, statement.limit(count - len(found)), lock)
        found += [_slot_row(row) for row in (await connection.execute(chosen)).mappings()]
        if len(found) == count:
            break
    return found


async def _free_anywhere(
    connection: AsyncConnection, class_filter: dict[str, Any], count: int, but: Sequence[int], lock: Lock
) -> list[SlotRow]:
    found: list[SlotRow] = []
    for statement in _anywhere(_SLOT_ROW.where(_STATE.c.slot_id.not_in(but)), class_filter):
        chosen = _locking(connection, statement.limit(count - len(found)), lock)
        found += [_slot_row(row) for row in (await connection.execute(chosen)).mappings()]
        if len(found) == count:
            break
    return found


async def any_free(connection: AsyncConnection, lot_id: int | None, class_filter: dict[str, Any]) -> bool:
    """Whether a slot is free in these classes, whoever holds its row."""
    if lot_id is None and "area" not in class_filter:
        # In one statement: what is true of one kind now and of another one later was perhaps never true.
        anywhere = select(_STATE.c.slot_id).join(_LOT, _LOT.c.id == _STATE.c.lot_id)
        anywhere = anywhere.where(_STATE.c.kind.in_(_kinds(class_filter)), _IS_FREE, _LOT.c.closed.is_(False))
        return (await connection.execute(anywhere.limit(1))).first() is not None
    free = select(_STATE.c.slot_id).where(*_FREE_IN_CLASS)
    statement = _fitting(select(_CLASS.c.lot_id), class_filter).where(free.correlate(_CLASS).exists())
    if lot_id is not None:
        statement = statement.where(_CLASS.c.lot_id == lot_id)
    return (await connection.execute(statement.limit(1))).first() is not None


def _fitting(statement: Any, class_filter: dict[str, Any]) -> Any:
    """Classes of open lots that are as ``class_filter`` says."""
    statement = statement.select_from(_CLASS).join(_LOT, _LOT.c.id == _CLASS.c.lot_id)
    statement = statement.where(_LOT.c.closed.is_(False))
    for name, value in class_filter.items():
        if name == "area":
            statement = statement.join(_AREA, _AREA.c.id == _CLASS.c.area_id).where(_AREA.c.code == value)
        else:
            statement = statement.where(_CLASS.c[name] == value)
    return statement


def _locking(connection: AsyncConnection, statement: Any, lock: Lock) -> Any:
    if connection.dialect.name == "postgresql" and lock is not Lock.NONE:
        return statement.with_for_update(of=_STATE, skip_locked=lock is Lock.SKIP)
    return statement


async def insert_reservations(connection: AsyncConnection, rows: list[dict[str, Any]]) -> set[str]:
    """Those that were written; not where the slot or, in an exclusive lot, the entity has a booking."""
    if not rows:
        return set()
    statement = db.insert(connection, Reservation).on_conflict_do_nothing().returning(RESERVATION.c.id)
    return set((await connection.execute(statement, rows)).scalars())


async def delete_reservations(connection: AsyncConnection, ids: Sequence[str]) -> None:
    if ids:
        await connection.execute(delete(RESERVATION).where(RESERVATION.c.id.in_(ids)))


async def move_slots(
    connection: AsyncConnection, moves: Sequence[Move], slots: Mapping[int, SlotRow], now: datetime
) -> dict[int, Moved]:
    """Moves every slot that is as its move expects, and notes for Redis what has moved.

    Each slot may stand in ``moves`` once: a second row for it would be dropped silently.
    """
    if not moves:
        return {}
    assert len({move.slot_id for move in moves}) == len(moves)
    given = db.given(connection, "moves", _MOVE_COLUMNS)
    statement = (
        update(_STATE)
        .where(_STATE.c.slot_id == given.c.moving_id, *guards(given))
        .values(
            state=given.c.target,
            version=_STATE.c.version + 1,
            reservation_id=given.c.given_to,
            # What is closed stays closed for as long as nobody opens it, whatever becomes of its lot.
            closing=(_STATE.c.closing & (given.c.target != State.FREE) & (given.c.opens == 0))
            | (given.c.closes_itself == 1),
        )
        .returning(_STATE.c.slot_id, _STATE.c.version, _STATE.c.class_number, _STATE.c.rank)
    )
    sent = {"moves": db.as_given([move.row() for move in moves])}
    changed = {row.slot_id: row for row in await connection.execute(statement, sent)}
    noted = await _note(connection, [slots[slot_id] for slot_id in changed], now)
    return {
        move.slot_id: Moved(
            lot_id=slots[move.slot_id].lot_id,
            order_version=slots[move.slot_id].order_version,
            rank=changed[move.slot_id].rank,
            version=changed[move.slot_id].version,
            class_number=changed[move.slot_id].class_number,
            state=move.target,
            outbox_id=noted[move.slot_id],
        )
        for move in moves
        if move.slot_id in changed
    }


async def set_closing(
    connection: AsyncConnection, slots: Sequence[SlotRow], closing: bool, now: datetime
) -> list[Moved]:
    """Says of these locked slots whether they are to be closed; their states stay, their versions grow."""
    if not slots:
        return []
    statement = (
        update(_STATE)
        .where(_STATE.c.slot_id.in_([slot.slot_id for slot in slots]))
        .values(closing=closing, version=_STATE.c.version + 1)
        .returning(_STATE.c.slot_id, _STATE.c.version, _STATE.c.class_number, _STATE.c.rank, _STATE.c.state)
    )
    changed = {row.slot_id: row for row in await connection.execute(statement)}
    noted = await _note(connection, slots, now)
    return [
        Moved(
            lot_id=slot.lot_id,
            order_version=slot.order_version,
            rank=changed[slot.slot_id].rank,
            version=changed[slot.slot_id].version,
            class_number=changed[slot.slot_id].class_number,
            state=State(changed[slot.slot_id].state),
            outbox_id=noted[slot.slot_id],
        )
        for slot in slots
    ]


async def lock_lot(connection: AsyncConnection, lot_id: int, lock: Lock) -> Lot | None:
    """The lot's row, locked; ``None`` where another transaction holds it and ``lock`` skips."""
    statement = select(_LOT).where(_LOT.c.id == lot_id)
    if lock is not Lock.NONE:
        statement = statement.with_for_update(key_share=True, skip_locked=lock is Lock.SKIP)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else Lot(**row)


async def close_lot(connection: AsyncConnection, lot_id: int, closed: bool) -> None:
    """Closes or opens a locked lot; every page of it is read anew."""
    values = {"closed": closed, "layout_version": _LOT.c.layout_version + 1}
    await connection.execute(update(_LOT).where(_LOT.c.id == lot_id).values(**values))


async def not_as_their_lot(connection: AsyncConnection, lot_id: int, limit: int) -> list[int]:
    """Slots that are free in a closed lot, or closed with a lot that is open."""
    differs = (_LOT.c.closed & (_STATE.c.state == State.FREE)) | (
        ~_LOT.c.closed & (_STATE.c.state == State.CLOSED) & ~_STATE.c.closing
    )
    statement = (
        select(_STATE.c.slot_id)
        .join_from(_STATE, _LOT, _LOT.c.id == _STATE.c.lot_id)
        .where(_STATE.c.lot_id == lot_id, differs)
        .order_by(_STATE.c.slot_id)
        .limit(limit)
    )
    return list((await connection.execute(statement)).scalars())


async def not_as_any_lot(connection: AsyncConnection, limit: int) -> list[int]:
    """As :func:`not_as_their_lot`, of whichever lot; each of its halves reads an index of its own."""
    in_closed = select(_STATE.c.slot_id).where(
        _IS_FREE, _STATE.c.lot_id.in_(select(_LOT.c.id).where(_LOT.c.closed))
    )
    closed = select(_STATE.c.slot_id).join_from(_STATE, _LOT, _LOT.c.id == _STATE.c.lot_id)
    in_open = closed.where(_IS_CLOSED_WITH_LOT, ~_LOT.c.closed)
    found: list[int] = []
    for statement in (in_closed, in_open):
        found += (await connection.execute(statement.limit(limit - len(found)))).scalars()
        if len(found) == limit:
            break
    return sorted(found)


async def note_move(
    connection: AsyncConnection, booking: Reservation, to_slot_id: int, now: datetime
) -> None:
    """The booking has another slot now, and what it had before is found by."""
    numbers = select(func.count()).where(_MOVE.c.reservation_id == booking.id)
    number = (await connection.execute(numbers)).scalar_one() + 1
    await connection.execute(
        update(RESERVATION).where(RESERVATION.c.id == booking.id).values(slot_id=to_slot_id)
    )
    await connection.execute(
        insert(_MOVE).values(
            reservation_id=booking.id,
            number=number,
            from_slot_id=booking.slot_id,
            to_slot_id=to_slot_id,
            moved_at=now,
        )
    )


async def moved_from(
    connection: AsyncConnection, slot_id: int, entity: str, reservation: str | None
) -> str | None:
    """The running booking of this entity that was moved away from this slot, the latest of several."""
    statement = (
        select(RESERVATION.c.id)
        .join_from(_MOVE, RESERVATION, RESERVATION.c.id == _MOVE.c.reservation_id)
        .where(_MOVE.c.from_slot_id == slot_id, RESERVATION.c.entity == entity)
        .order_by(_MOVE.c.moved_at.desc(), RESERVATION.c.id)
        .limit(1)
    )
    if reservation is not None:
        statement = statement.where(RESERVATION.c.id == reservation)
    found: str | None = (await connection.execute(statement)).scalar_one_or_none()
    return found


async def ended_at_slot(
    connection: AsyncConnection, slot_id: int, entity: str, **criteria: Any
) -> ReservationHistory | None:
    """The entity's booking that ended last, of those that ended on this slot or were moved away from it."""
    moved = select(_MOVE.c.reservation_id).where(_MOVE.c.from_slot_id == slot_id)
    statement = (
        select(HISTORY)
        .where(
            HISTORY.c.entity == entity,
            (HISTORY.c.slot_id == slot_id) | HISTORY.c.id.in_(moved),
            *(HISTORY.c[name] == value for name, value in criteria.items()),
        )
        .order_by(HISTORY.c.ended_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else ReservationHistory(**row)


def guards(given: FromClause) -> list[Any]:
    """What a slot must be to be moved: the one barrier that two bookings of it can't both pass."""
    return [
        _STATE.c.state.in_((given.c.expected, given.c.or_expected)),
        given.c.of_class.is_(None) | (_STATE.c.class_number == given.c.of_class),
        given.c.held_by.is_(None) | (_STATE.c.reservation_id == given.c.held_by),
        given.c.seen_version.is_(None) | (_STATE.c.version == given.c.seen_version),
    ]


async def _note(connection: AsyncConnection, slots: Sequence[SlotRow], now: datetime) -> dict[int, int]:
    """A row in the outbox for each slot; returns their numbers."""
    if not slots:
        return {}
    created_at_us = int(now.timestamp() * 1_000_000)
    rows = [
        {"lot_id": slot.lot_id, "slot_id": slot.slot_id, "created_at_us": created_at_us} for slot in slots
    ]
    statement = insert(_OUTBOX).returning(_OUTBOX.c.slot_id, _OUTBOX.c.id)
    return {row.slot_id: row.id for row in await connection.execute(statement, rows)}


def as_known(slot: SlotRow) -> Moved:
    """A slot as SQL has it, for a Redis that believes otherwise; it has no outbox row."""
    return Moved(
        lot_id=slot.lot_id,
        order_version=slot.order_version,
        rank=slot.rank,
        version=slot.version,
        class_number=slot.class_number,
        state=slot.state,
        outbox_id=0,
    )


async def free_ids(connection: AsyncConnection, lot_id: int, class_filter: dict[str, Any]) -> list[int]:
    """All slots of a lot that are free and of these classes."""
    statement = (
        select(_STATE.c.slot_id)
        .join_from(
            _STATE, _CLASS, (_CLASS.c.lot_id == _STATE.c.lot_id) & (_CLASS.c.number == _STATE.c.class_number)
        )
        .where(_STATE.c.lot_id == lot_id, _IS_FREE)
    )
    for name, value in class_filter.items():
        statement = statement.where(_CLASS.c[name] == value)
    return list((await connection.execute(statement)).scalars())


async def set_codes(connection: AsyncConnection, booking: Reservation) -> bool:
    """Whether the booking runs on the slot that it was seen on, and has these codes now."""
    is_there = (RESERVATION.c.id == booking.id) & (RESERVATION.c.slot_id == booking.slot_id)
    changed = await connection.execute(update(RESERVATION).where(is_there).values(codes=booking.codes))
    return changed.rowcount == 1


async def delete_outbox(connection: AsyncConnection, ids: list[int]) -> None:
    """Deletes these rows, without waiting for those that another transaction deletes at this moment."""
    if ids:
        mine = select(_OUTBOX.c.id).where(_OUTBOX.c.id.in_(ids)).with_for_update(skip_locked=True)
        await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(mine)))


async def active_by_id(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Reservation]:
    """The running ones of these bookings."""
    if not ids:
        return {}
    rows = await connection.execute(select(RESERVATION).where(RESERVATION.c.id.in_(ids)))
    return {row["id"]: Reservation(**row) for row in rows.mappings()}


async def no_shows(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Bookings whose time for arriving has run out, the longest first."""
    due = select(RESERVATION.c.id).where(RESERVATION.c.arrive_by <= now).order_by(RESERVATION.c.arrive_by)
    return list((await connection.execute(due.limit(limit))).scalars())


async def exclusive_of(connection: AsyncConnection, entities: Sequence[str]) -> list[Reservation]:
    """The running bookings of these entities in exclusive lots."""
    if not entities:
        return []
    theirs = select(RESERVATION).where(RESERVATION.c.entity.in_(entities), _IS_EXCLUSIVE)
    return [Reservation(**row) for row in (await connection.execute(theirs)).mappings()]


async def active(connection: AsyncConnection, **criteria: Any) -> Reservation | None:
    """The running booking that has these columns, if exactly one has."""
    statement = select(RESERVATION).where(*(RESERVATION.c[name] == value for name, value in criteria.items()))
    row = (await connection.execute(statement.limit(1))).mappings().one_or_none()
    return None if row is None else Reservation(**row)


async def ended(connection: AsyncConnection, **criteria: Any) -> ReservationHistory | None:
    """The booking with these columns that ended last."""
    statement = (
        select(HISTORY)
        .where(*(HISTORY.c[name] == value for name, value in criteria.items()))
        .order_by(HISTORY.c.ended_at.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else ReservationHistory(**row)


async def end_reservations(connection: AsyncConnection, histories: list[dict[str, Any]]) -> None:
    """Moves running bookings to the history, with what is known of their end."""
    if not histories:
        return
    ids = [history["id"] for history in histories]
    removed = await connection.execute(delete(RESERVATION).where(RESERVATION.c.id.in_(ids)))
    assert removed.rowcount == len(ids), "a booking whose slot was moved away from it in this transaction"
    await connection.execute(insert(HISTORY), histories)


async def set_until(connection: AsyncConnection, reservation: str, until: datetime) -> None:
    """Plans another end of a running booking, whose slot the caller has locked."""
    await connection.execute(update(RESERVATION).where(RESERVATION.c.id == reservation).values(until=until))


async def note_arrivals(connection: AsyncConnection, ids: Sequence[str], now: datetime) -> None:
    """The cars of these bookings stand there now: from now on they are billed, if not since before."""
    if ids:
        billed_from = case((RESERVATION.c.start_at > now, now), else_=RESERVATION.c.start_at)
        arrived = {"arrived_at": now, "arrive_by": None, "start_at": billed_from}
        await connection.execute(update(RESERVATION).where(RESERVATION.c.id.in_(ids)).values(**arrived))


async def take_back_arrival(
    connection: AsyncConnection, reservation: str, start_at: datetime, arrive_by: datetime | None
) -> None:
    """The car of this booking is awaited again."""
    awaited = {"arrived_at": None, "arrive_by": arrive_by, "start_at": start_at}
    await connection.execute(update(RESERVATION).where(RESERVATION.c.id == reservation).values(**awaited))
