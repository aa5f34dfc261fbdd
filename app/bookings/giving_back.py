"""What becomes of a slot that comes free: it closes, is held for whoever waits longest, or is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.bookings import records, waiting_records
from app.bookings.models import Hold, Waiting, WaitingState
from app.bookings.records import Moved, SlotRow
from app.bookings.round import Round
from app.core.ids import new_id
from app.slots.models import State

# So long a slot is held for a browser that has to answer.
HELD_FOR = timedelta(seconds=60)


@dataclass(frozen=True)
class GivenBack:
    """A slot that is in one of two ``expected`` states, until now of the booking or hold ``held_by``.

    ``opens``: it was closed by itself, and is not to be any more.
    """

    slot: SlotRow
    expected: tuple[State, ...]
    held_by: str | None
    opens: bool = False


async def give_back(round_: Round, given_back: Sequence[GivenBack]) -> dict[int, Moved]:
    """Moves slots, each once, to what they become; those that were not as expected are left out."""
    open_lots = {one.slot.lot_id for one in given_back if not _closes(one)}
    lines = await waiting_records.lots_with_line(round_.connection, open_lots) if open_lots else set()
    moves, offers = [], {}
    for one in sorted(given_back, key=lambda one: one.slot.slot_id):
        slot, target, holder = one.slot, State.FREE, None
        if _closes(one):
            target = State.CLOSED
        elif slot.lot_id in lines and (offer := await _offer(round_, slot)) is not None:
            target, holder = State.HELD, offer[1].id
            offers[slot.slot_id] = offer
        moves.append(
            records.Move(slot.slot_id, one.expected, target, holder, held_by=one.held_by, opens=one.opens)
        )
    moved = await round_.move(moves, {one.slot.slot_id: one.slot for one in given_back})
    for slot_id, (waiting, hold) in offers.items():
        if slot_id not in moved:
            # Somebody else moved it: whoever was to have it is still the first.
            await waiting_records.delete_holds(round_.connection, [hold.id])
            await waiting_records.back_in_line(round_.connection, waiting.id)
    return moved


def _closes(one: GivenBack) -> bool:
    return (one.slot.closing and not one.opens) or one.slot.lot_closed


async def _offer(round_: Round, slot: SlotRow) -> tuple[Waiting, Hold] | None:
    """Holds the slot for the first in line who fits, if there is one."""
    while (first := await waiting_records.first_in_line(round_.connection, slot)) is not None:
        hold = Hold(
            id=new_id(),
            slot_id=slot.slot_id,
            lot_id=slot.lot_id,
            browser=first.browser,
            address=first.address,
            held_at=round_.now,
            until=round_.now + HELD_FOR,
        )
        if await waiting_records.insert_hold(round_.connection, hold):
            await waiting_records.offer(round_.connection, first.id, hold.id, round_.now)
            return first, hold
        if await waiting_records.hold_of(round_.connection, first.browser) is None:
            # It is the slot that has one, of another transaction: nobody gets it here.
            return None
    return None


async def answered(round_: Round, holds: Sequence[str], state: WaitingState) -> None:
    """These holds have ended; whoever they were offered to is out of the line."""
    await waiting_records.end_offers(round_.connection, holds, state)
    await waiting_records.delete_holds(round_.connection, holds)
