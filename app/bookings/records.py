"""The statements of a booking's transaction. Each change of a slot checks the state that it expects."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.models import Reservation, ReservationHistory
from app.core import db
from app.slots.models import Area, Lot, Slot, SlotClass, SlotState, State, StatusOutbox

RESERVATION = Reservation.__table__  # type: ignore[attr-defined]
HISTORY = ReservationHistory.__table__  # type: ignore[attr-defined]
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
    """A slot with its status, as SQL has it now."""

    slot_id: int
    identifier: str
    name: str
    lot_id: int
    lot_code: str
    lot_closed: bool
    lot_exclusive: bool
    entities_are_plates: bool
    order_version: int
    area_id: int
    area_code: str
    premium: bool
    rank: int
    class_number: int
    state: State
    version: int
    reservation_id: str | None


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
        _LOT.c.entities_are_plates,
        _LOT.c.order_version,
        _SLOT.c.area_id,
        _AREA.c.code.label("area_code"),
        _SLOT.c.premium,
        _STATE.c.rank,
        _STATE.c.class_number,
        _STATE.c.state,
        _STATE.c.version,
        _STATE.c.reservation_id,
    )
    .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
    .join(_LOT, _LOT.c.id == _SLOT.c.lot_id)
    .join(_AREA, _AREA.c.id == _SLOT.c.area_id)
)


# Written out, not bound: a planner uses the partial index only where it can read the condition.
_IS_FREE = text("slot_state.state = 'free'")
_FREE_IN_CLASS = (
    _STATE.c.lot_id == _CLASS.c.lot_id,
    _STATE.c.class_number == _CLASS.c.number,
    _IS_FREE,
)


async def slot_by(connection: AsyncConnection, *, lock: Lock = Lock.NONE, **criteria: Any) -> SlotRow | None:
    """The slot with this ``id`` or ``identifier``."""
    statement = _SLOT_ROW.where(*(_SLOT.c[name] == value for name, value in criteria.items()))
    statement = _locking(connection, statement, lock)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else SlotRow(**{**row, "state": State(row["state"])})


async def lot_with_free(connection: AsyncConnection, class_filter: dict[str, Any]) -> int | None:
    """A lot that has a free slot of these classes, rather a standard than a premium one.

    It stops at the first class that has one, so it costs no more where there are more lots.
    """
    free = select(_STATE.c.slot_id).where(*_FREE_IN_CLASS).correlate(_CLASS).exists()
    statement = _fitting(select(_CLASS.c.lot_id), class_filter).where(free)
    for premium in (False, True):
        if class_filter.get("premium") in (None, premium):
            one = statement.where(_CLASS.c.premium.is_(premium)).limit(1)
            found: int | None = (await connection.execute(one)).scalar_one_or_none()
            if found is not None:
                return found
    return None


async def free_slot(
    connection: AsyncConnection, lot_id: int | None, class_filter: dict[str, Any], lock: Lock
) -> SlotRow | None:
    """The nearest free slot that fits, standard before premium, straight from the truth.

    ``class_filter`` holds columns of ``slot_class``, and ``area`` for an area's code. Each class is looked
    at by the partial index of free slots: its first entry is the nearest.
    """
    if lot_id is None:
        lot_id = await lot_with_free(connection, class_filter)
    if lot_id is None:
        return None
    nearest = select(func.min(_STATE.c.rank)).where(*_FREE_IN_CLASS).correlate(_CLASS).scalar_subquery()
    kinds = _fitting(select(_CLASS.c.number, _CLASS.c.premium, nearest.label("nearest")), class_filter)
    rows = (await connection.execute(kinds.where(_CLASS.c.lot_id == lot_id))).all()
    having = sorted((row.premium, row.nearest, row.number) for row in rows if row.nearest is not None)
    for _, _, number in having:
        statement = _SLOT_ROW.where(
            _STATE.c.lot_id == lot_id, _STATE.c.class_number == number, _IS_FREE
        ).order_by(_STATE.c.rank)
        chosen = _locking(connection, statement.limit(1), lock)
        row = (await connection.execute(chosen)).mappings().one_or_none()
        if row is not None:
            return SlotRow(**{**row, "state": State(row["state"])})
    return None


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


async def insert_reservation(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """False where the slot or, in an exclusive lot, the entity has a booking."""
    statement = db.insert(connection, Reservation).values(**values).on_conflict_do_nothing()
    return bool((await connection.execute(statement)).rowcount)


async def move_slot(
    connection: AsyncConnection,
    slot: SlotRow,
    expected: tuple[State, ...],
    target: State,
    reservation_id: str | None,
    now: datetime,
    *,
    class_number: int | None = None,
    held_by: str | None = None,
    version: int | None = None,
) -> Moved | None:
    """Takes a slot from one of the ``expected`` states to ``target``; ``None`` where it is in another.

    Where these are given, it must be of the class that was proposed, be held by that booking, and not
    have changed since ``version`` was seen.
    """
    guards = []
    if class_number is not None:
        guards.append(_STATE.c.class_number == class_number)
    if held_by is not None:
        guards.append(_STATE.c.reservation_id == held_by)
    if version is not None:
        guards.append(_STATE.c.version == version)
    changed = (
        await connection.execute(
            update(_STATE)
            .where(_STATE.c.slot_id == slot.slot_id, _STATE.c.state.in_(expected), *guards)
            .values(state=target, version=_STATE.c.version + 1, reservation_id=reservation_id)
            .returning(_STATE.c.version, _STATE.c.class_number, _STATE.c.rank)
        )
    ).one_or_none()
    if changed is None:
        return None
    created_at_us = int(now.timestamp() * 1_000_000)
    outbox_id = (
        await connection.execute(
            insert(_OUTBOX)
            .values(lot_id=slot.lot_id, slot_id=slot.slot_id, created_at_us=created_at_us)
            .returning(_OUTBOX.c.id)
        )
    ).scalar_one()
    return Moved(
        lot_id=slot.lot_id,
        order_version=slot.order_version,
        rank=changed.rank,
        version=changed.version,
        class_number=changed.class_number,
        state=target,
        outbox_id=outbox_id,
    )


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


async def delete_outbox(connection: AsyncConnection, ids: list[int]) -> None:
    if ids:
        await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(ids)))


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


async def end_reservation(connection: AsyncConnection, booking: Reservation, **ending: Any) -> bool:
    """Moves a running booking to the history; false where somebody else has."""
    removed = await connection.execute(delete(RESERVATION).where(RESERVATION.c.id == booking.id))
    if removed.rowcount != 1:
        return False
    await connection.execute(insert(HISTORY).values(**booking.model_dump(), **ending))
    return True
