"""Slots that were entered by mistake go for good; one that ever had a booking stays, and can be closed."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.models import Hold, ReservationMove
from app.bookings.opening import build_lot
from app.bookings.records import Lock, SlotRow
from app.core import metrics
from app.slots.models import Lot, Slot, SlotState, State, StatusOutbox

_LOT = Lot.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
_HOLD = Hold.__table__  # type: ignore[attr-defined]
_MOVE = ReservationMove.__table__  # type: ignore[attr-defined]


async def delete_slot(desk: Desk, slot_id: int, version: int) -> None:
    """Deletes a slot that was seen at this version. Those behind it move up: a new order of the whole lot.

    Raises a Problem: 404 where it is gone, 409 where it has changed since, is not free or closed, has had a
    booking, or is the last one of its lot; 503 where SQL is gone.
    """

    async def work() -> int:
        async with desk.transaction() as connection:
            return await _delete(desk, connection, slot_id, version)

    lot_id: int = await run_again_on_conflict(work)
    desk.layouts.forget(lot_id)
    metrics.ATTENDED.labels("delete").inc()
    await build_lot(desk, lot_id)


async def _delete(desk: Desk, connection: AsyncConnection, slot_id: int, version: int) -> int:
    seen = await records.slot_by(connection, id=slot_id)
    if seen is None:
        raise problems.no_such_slot(str(slot_id))
    lot_id = seen.lot_id
    # In this order, as everybody who makes slots: the lot, then its slots by number.
    await records.lock_lot(connection, lot_id, Lock.WAIT)
    await _lock_all(connection, lot_id)
    slot = await records.slot_by(connection, id=slot_id)
    if slot is None:
        raise problems.no_such_slot(str(slot_id))
    if slot.version != version or slot.state not in (State.FREE, State.CLOSED):
        raise problems.changed_meanwhile(slot.identifier)
    if await _was_used(connection, slot_id):
        raise problems.was_used(slot.identifier)
    count = await connection.execute(select(func.count()).where(_STATE.c.lot_id == lot_id))
    if count.scalar_one() == 1:
        raise problems.last_of_lot(slot.identifier)
    await _remove(connection, slot)
    values = {
        "layout_version": _LOT.c.layout_version + 1,
        "order_version": _LOT.c.order_version + 1,
    }
    await connection.execute(update(_LOT).where(_LOT.c.id == lot_id).values(**values))
    first = await connection.execute(select(func.min(_STATE.c.slot_id)).where(_STATE.c.lot_id == lot_id))
    created_at_us = int((await desk.database.now(connection)).timestamp() * 1_000_000)
    # Where this process ends before it has built the lot, one row makes the relay find it.
    await connection.execute(
        _OUTBOX.insert().values(lot_id=lot_id, slot_id=first.scalar_one(), created_at_us=created_at_us)
    )
    return lot_id


async def _lock_all(connection: AsyncConnection, lot_id: int) -> None:
    locked = select(_STATE.c.slot_id).where(_STATE.c.lot_id == lot_id).order_by(_STATE.c.slot_id)
    await connection.execute(locked.with_for_update())


async def _was_used(connection: AsyncConnection, slot_id: int) -> bool:
    for used in (
        select(records.RESERVATION.c.id).where(records.RESERVATION.c.slot_id == slot_id),
        select(records.HISTORY.c.id).where(records.HISTORY.c.slot_id == slot_id),
        select(_MOVE.c.reservation_id).where(
            (_MOVE.c.from_slot_id == slot_id) | (_MOVE.c.to_slot_id == slot_id)
        ),
        select(_HOLD.c.id).where(_HOLD.c.slot_id == slot_id),
    ):
        if (await connection.execute(used.limit(1))).first() is not None:
            return True
    return False


async def _remove(connection: AsyncConnection, slot: SlotRow) -> None:
    position = (
        await connection.execute(select(_SLOT.c.position).where(_SLOT.c.id == slot.slot_id))
    ).scalar_one()
    await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.slot_id == slot.slot_id))
    await connection.execute(delete(_STATE).where(_STATE.c.slot_id == slot.slot_id))
    await connection.execute(delete(_SLOT).where(_SLOT.c.id == slot.slot_id))
    # By way of negative numbers, since each one is unique in its lot at every instant.
    for column, gone in ((_SLOT.c.position, position), (_SLOT.c.rank, slot.rank)):
        behind = update(_SLOT).where(_SLOT.c.lot_id == slot.lot_id)
        await connection.execute(behind.where(column > gone).values({column.name: -column}))
        await connection.execute(behind.where(column < 0).values({column.name: -column - 1}))
    ranks = update(_STATE).where(_STATE.c.lot_id == slot.lot_id, _STATE.c.rank > slot.rank)
    await connection.execute(ranks.values(rank=_STATE.c.rank - 1))
