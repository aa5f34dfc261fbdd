"""What an attendant does at a slot. Each act names the version that was on the screen: nobody acts on
a state that has changed meanwhile. What comes again under its key has been done already, and is no conflict.
"""

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey
from app.bookings.jobs import Moving
from app.slots.models import State


async def check_in(desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None) -> None:
    """The car of the booking stands there now. A Problem (409) where the slot is not reserved any more."""
    await desk.served(Moving(slot_id, version, State.RESERVED, State.OCCUPIED, key))


async def close_slot(desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None) -> None:
    """Takes a free slot out of use. A Problem (409) where it is not free any more."""
    await desk.served(Moving(slot_id, version, State.FREE, State.CLOSED, key))


async def open_slot(desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None) -> None:
    """Puts a closed slot to use again. A Problem (409) where it is not closed any more."""
    await desk.served(Moving(slot_id, version, State.CLOSED, State.FREE, key))
