"""What an attendant does at a slot. Each act names the version that was on the screen: nobody acts on
a state that has changed meanwhile.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import update

from app.bookings import problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.core.errors import Problem
from app.slots.models import State


def changed_meanwhile(slot: str) -> Problem:
    return Problem(409, "changed-meanwhile", f"{slot} has changed", "Look at it again, then decide.")


async def check_in(desk: Desk, slot_id: int, version: int) -> None:
    """The car of the booking stands there now. A Problem (409) where the slot is not reserved any more."""

    async def note_arrival(connection: Any, slot: records.SlotRow, now: datetime) -> None:
        await connection.execute(
            update(records.RESERVATION)
            .where(records.RESERVATION.c.id == slot.reservation_id)
            .values(arrived_at=now)
        )

    await _move(desk, slot_id, version, State.RESERVED, State.OCCUPIED, note_arrival)


async def close_slot(desk: Desk, slot_id: int, version: int) -> None:
    """Takes a free slot out of use. A Problem (409) where it is not free any more."""
    await _move(desk, slot_id, version, State.FREE, State.CLOSED)


async def open_slot(desk: Desk, slot_id: int, version: int) -> None:
    """Puts a closed slot to use again. A Problem (409) where it is not closed any more."""
    await _move(desk, slot_id, version, State.CLOSED, State.FREE)


async def _move(
    desk: Desk, slot_id: int, version: int, expected: State, target: State, also: Any = None
) -> None:
    async def work() -> records.Moved:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            slot = await records.slot_by(connection, id=slot_id)
            if slot is None:
                raise problems.no_such_slot(str(slot_id))
            keeps = slot.reservation_id if target is State.OCCUPIED else None
            moved = await records.move_slot(
                connection, slot, (expected,), target, keeps, now, version=version
            )
            if moved is None:
                raise changed_meanwhile(slot.identifier)
            if also is not None:
                await also(connection, slot, now)
            return moved

    await desk.publish([await run_again_on_conflict(work)])
