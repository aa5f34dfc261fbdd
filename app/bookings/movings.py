"""What attendants do at slots, in one round: each names the version that was on the screen."""

from collections.abc import Sequence
from datetime import timedelta

from app.bookings import problems, records
from app.bookings.forms import billed_from
from app.bookings.jobs import Again, Done, Moving
from app.bookings.records import Lock, Move, SlotRow
from app.bookings.round import Round
from app.payments.refunding import UNDO_WITHIN
from app.slots.models import State


async def move(round_: Round, movings: Sequence[Moving]) -> None:
    """Gives every moving an outcome."""
    ids = sorted({moving.slot_id for moving in movings})
    slots = {row.slot_id: row for row in await records.slots_by_id(round_.connection, ids, round_.lock)}
    held = await records.slots_by_id(round_.connection, [one for one in ids if one not in slots], Lock.NONE)
    busy = {row.slot_id for row in held}
    back = [one.slot_id for one in movings if one.target is State.RESERVED and one.slot_id in slots]
    settled = await _settled(round_, [slots[one] for one in back])
    first: dict[int, Moving] = {}
    for moving in movings:
        slot = slots.get(moving.slot_id)
        if slot is None:
            is_there = moving.slot_id in busy
            round_.outcomes[moving] = Again.BUSY if is_there else problems.no_such_slot(str(moving.slot_id))
        elif slot.slot_id in first or (slot.version, slot.state) != (moving.version, moving.expected):
            round_.outcomes[moving] = problems.changed_meanwhile(slot.identifier)
        elif moving.target is State.RESERVED and slot.slot_id in settled:
            round_.outcomes[moving] = problems.too_late_to_take_back()
        else:
            first[slot.slot_id] = moving
    moved = await round_.move([_move(moving, slots[slot_id]) for slot_id, moving in first.items()], slots)
    for slot_id, moving in first.items():
        if slot_id in moved:
            round_.outcomes[moving] = Done(None)
            round_.keep_answer(moving, {})
        else:
            round_.outcomes[moving] = problems.changed_meanwhile(slots[slot_id].identifier)
    arrived = [slots[one].reservation_id for one in moved if first[one].target is State.OCCUPIED]
    await records.note_arrivals(round_.connection, [one for one in arrived if one is not None], round_.now)
    await _take_back(round_, [slots[one] for one in moved if first[one].target is State.RESERVED])


async def _settled(round_: Round, slots: Sequence[SlotRow]) -> set[int]:
    """Slots whose car has arrived too long ago for the check-in to have been a slip."""
    of = {slot.reservation_id: slot.slot_id for slot in slots if slot.reservation_id is not None}
    bookings = await records.active_by_id(round_.connection, list(of))
    return {
        of[booking.id]
        for booking in bookings.values()
        if booking.arrived_at is not None and round_.now - booking.arrived_at > UNDO_WITHIN
    }


async def _take_back(round_: Round, slots: Sequence[SlotRow]) -> None:
    """The cars of these bookings have not come after all; what begins with an arrival has not begun."""
    ids = [slot.reservation_id for slot in slots if slot.reservation_id is not None]
    bookings = await records.active_by_id(round_.connection, ids)
    for slot in slots:
        booking = bookings[slot.reservation_id or ""]
        start, arrive_by = booking.start_at, None
        if start == booking.arrived_at:
            start = billed_from(booking.expected_at, booking.created_at)
        if slot.arrival_grace_s is not None:
            arrive_by = max(booking.expected_at, round_.now) + timedelta(seconds=slot.arrival_grace_s)
        await records.take_back_arrival(round_.connection, booking.id, start, arrive_by)


def _move(moving: Moving, slot: SlotRow) -> Move:
    keeps = slot.reservation_id if moving.target in (State.OCCUPIED, State.RESERVED) else None
    return Move(slot.slot_id, (moving.expected,), moving.target, keeps, version=moving.version)
