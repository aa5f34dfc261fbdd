"""What an attendant does at a slot. Each act names the version that was on the screen: nobody acts on
a state that has changed meanwhile. What comes again under its key has been done already, and is no conflict.

What is done to many slots at once takes each as it is then; ``app.bookings.works`` says what that comes to.
"""

from collections.abc import Sequence
from dataclasses import replace

from app.bookings import records
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey
from app.bookings.jobs import Act, Following, LotWorking, Moving, Relocating, Working
from app.bookings.opening import show_lot
from app.bookings.results import Relocated, Worked
from app.core import metrics
from app.slots.models import State

# So many slots are worked on in one transaction: who wants one of them waits no longer than that takes.
AT_ONCE = 200
TAKEN = (State.RESERVED, State.OCCUPIED, State.HELD)
# Who had read that a lot was open may free a slot of it a moment after it closed: it is looked at again.
_LOOKS_AT_MOST = 1_000


async def check_in(desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None) -> None:
    """The car of the booking stands there now. A Problem (409) where the slot is not reserved any more."""
    await desk.served(Moving(slot_id, version, State.RESERVED, State.OCCUPIED, key))
    metrics.ATTENDED.labels("check-in").inc()


async def take_back_check_in(
    desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None
) -> None:
    """It was another car: the slot is reserved as before, and its driver has the whole grace from now on.

    A Problem (409) where the slot has changed since, or the check-in was more than five minutes ago.
    """
    await desk.served(Moving(slot_id, version, State.OCCUPIED, State.RESERVED, key))
    metrics.ATTENDED.labels("undo-check-in").inc()


async def close_slot(
    desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None, *, by: str = ""
) -> None:
    """Takes a free slot out of use. A Problem (409) where it is not free any more."""
    await desk.served(Working(Act.CLOSE, (slot_id,), (State.FREE,), version, key, by))
    metrics.ATTENDED.labels("close").inc()


async def close_when_free(
    desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None, *, by: str = ""
) -> None:
    """A slot that somebody has closes when it comes free. A Problem (409) where nobody has it any more."""
    await desk.served(Working(Act.CLOSE, (slot_id,), TAKEN, version, key, by))
    metrics.ATTENDED.labels("close-when-free").inc()


async def open_slot(
    desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None, *, by: str = ""
) -> None:
    """Puts a closed slot to use again, for who waits for it or for anyone; in a closed lot, with the lot.

    A Problem (409) where it is not closed any more, or only with its lot.
    """
    await desk.served(Working(Act.OPEN, (slot_id,), (State.CLOSED,), version, key, by))
    metrics.ATTENDED.labels("open").inc()


async def keep_open(
    desk: Desk, slot_id: int, version: int, key: IdempotencyKey | None = None, *, by: str = ""
) -> None:
    """A slot that was to close when it comes free is not. A Problem (409) where nobody has it any more."""
    await desk.served(Working(Act.OPEN, (slot_id,), TAKEN, version, key, by))
    metrics.ATTENDED.labels("keep-open").inc()


async def work_on(
    desk: Desk, act: Act, slot_ids: Sequence[int], key: IdempotencyKey | None = None, *, by: str = ""
) -> Worked:
    """Closes or opens these slots, each as it is then, some at a time.

    Where it ends halfway (a Problem, 503), what was done is done, and the same again does the rest.
    """
    done = Worked()
    for start in range(0, len(slot_ids), AT_ONCE):
        some = tuple(slot_ids[start : start + AT_ONCE])
        its_key = None if key is None else replace(key, key=f"{key.key}:{start}")
        answer = await desk.served(Working(act, some, key=its_key, by=by))
        assert isinstance(answer, Worked)
        done += answer
    metrics.ATTENDED.labels(f"{act}-several").inc()
    return done


async def work_on_lot(
    desk: Desk, act: Act, lot_id: int, key: IdempotencyKey | None = None, *, by: str = ""
) -> Worked:
    """Closes or opens a lot with all its slots, some at a time; those closed by themselves stay closed.

    From the first moment on nobody books in a closed lot, whatever its slots still are. Where it ends halfway
    (a Problem, 503), the same again does the rest.
    """
    await desk.served(LotWorking(act, lot_id, key, by))
    # Walls say so at once; at the end again, since a Redis that was away then has heard nothing.
    await show_lot(desk, lot_id)
    done = Worked()
    try:
        for _ in range(_LOOKS_AT_MOST):
            async with desk.database.look() as connection:
                some = await records.not_as_their_lot(connection, lot_id, AT_ONCE)
            if not some:
                break
            answer = await desk.served(Following(tuple(some)))
            assert isinstance(answer, Worked)
            done += answer
    finally:
        await show_lot(desk, lot_id)
    metrics.ATTENDED.labels(f"{act}-lot").inc()
    return done


async def move_booking(
    desk: Desk, reservation: str, seen: tuple[int, int], to_slot_id: int, key: IdempotencyKey | None = None
) -> Relocated:
    """Moves a booking from the slot with this number, seen at this version, to a free one of the same lot.

    A Problem (409) where the slot has changed since, or the other one is not free.
    """
    slot_id, version = seen
    answer = await desk.served(Relocating(reservation, slot_id, version, to_slot_id, key))
    assert isinstance(answer, Relocated)
    metrics.ATTENDED.labels("move").inc()
    return answer
