"""Bookings that attendants move to another slot, in one round.

The booking stays what it is: its tariff and whether it pays for premium are those it was made at. It is found
by the slot it had before as well: who drives out says what the driver was told.
"""

from collections.abc import Sequence

from app.bookings import problems, records
from app.bookings.giving_back import GivenBack, give_back
from app.bookings.jobs import Again, Done, Outcome, Relocating
from app.bookings.records import Lock, Move
from app.bookings.results import Relocated
from app.bookings.round import Round
from app.slots.models import State


async def relocate(round_: Round, relocatings: Sequence[Relocating]) -> None:
    """Gives every relocating an outcome: ``Relocated``, or the Problem why the booking stays where it is."""
    for one in relocatings:
        round_.outcomes[one] = await _relocate(round_, one)


async def _relocate(round_: Round, one: Relocating) -> Outcome:
    ids = sorted({one.slot_id, one.to_slot_id})
    slots = {row.slot_id: row for row in await records.slots_by_id(round_.connection, ids, round_.lock)}
    if len(slots) < len(ids):
        there = await records.slots_by_id(round_.connection, ids, Lock.NONE)
        if len(there) > len(slots):
            return Again.BUSY
    here, there_ = slots.get(one.slot_id), slots.get(one.to_slot_id)
    if here is None or there_ is None:
        return problems.no_such_target(str(one.to_slot_id))
    if here.version != one.version or here.reservation_id != one.reservation or here.state is State.HELD:
        return problems.changed_meanwhile(here.identifier)
    if there_.state is not State.FREE or there_.lot_id != here.lot_id:
        return problems.target_taken(there_.name)
    booking = (await records.active_by_id(round_.connection, [one.reservation])).get(one.reservation)
    if booking is None:
        return problems.changed_meanwhile(here.identifier)
    given = Move(there_.slot_id, (State.FREE,), here.state, booking.id, class_number=there_.class_number)
    if not await round_.move([given], slots):
        return problems.target_taken(there_.name)
    left = await give_back(round_, [GivenBack(here, (here.state,), booking.id)])
    assert left, "a locked slot that has changed"
    await records.note_move(round_.connection, booking, there_.slot_id, round_.now)
    relocated = Relocated(there_.identifier, there_.name)
    round_.keep_answer(one, {"slot": relocated.slot, "slot_name": relocated.slot_name})
    return Done(relocated)
