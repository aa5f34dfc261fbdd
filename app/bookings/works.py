"""Slots and lots that attendants close and open, in one round.

A slot is closed by itself (``closing``, which it keeps while it is closed) or with its lot. Either way one
that somebody has stays theirs: it closes when it comes free. What opens goes first to those who wait for it.
"""

from collections.abc import Sequence

from app.audit import trail
from app.bookings import problems, records
from app.bookings.giving_back import GivenBack, give_back
from app.bookings.jobs import Act, Again, Done, Following, LotWorking, Outcome, Working
from app.bookings.records import Lock, Move, SlotRow
from app.bookings.results import Worked
from app.bookings.round import Round
from app.slots.models import State


def lot_subject(lot_id: int) -> str:
    """What the audit trail calls a lot: works on it are noted under this."""
    return f"lot:{lot_id}"


async def work(round_: Round, workings: Sequence[Working]) -> None:
    """Gives every working an outcome: ``Worked``, or the Problem why its one slot stays as it is."""
    for one in workings:
        slots = await _locked(round_, one.slot_ids)
        found = _refused(one, slots) if isinstance(slots, list) else slots
        if found is None:
            assert isinstance(slots, list)
            done = await (_close(round_, slots) if one.act is Act.CLOSE else _open(round_, slots))
            if one.by and (done.at_once or done.later):
                names = [slot.name for slot in slots]
                await trail.note(
                    round_.connection,
                    one.by,
                    one.act,
                    lot_subject(slots[0].lot_id),
                    round_.now,
                    slots=names,
                    at_once=done.at_once,
                    later=done.later,
                )
                round_.wrote = True
            round_.keep_answer(one, {"at_once": done.at_once, "later": done.later})
            found = Done(done)
        round_.outcomes[one] = found


async def work_on_lots(round_: Round, workings: Sequence[LotWorking]) -> None:
    """Gives every working an outcome; a lot that is as it is to be stays so."""
    for one in workings:
        lot = await records.lock_lot(round_.connection, one.lot_id, round_.lock)
        if lot is None:
            round_.outcomes[one] = Again.BUSY
            continue
        closed = one.act is Act.CLOSE
        if lot.closed is not closed:
            await records.close_lot(round_.connection, one.lot_id, closed)
            if one.by:
                subject = lot_subject(one.lot_id)
                await trail.note(round_.connection, one.by, f"{one.act}-lot", subject, round_.now)
            round_.wrote = True
        round_.keep_answer(one, {})
        round_.outcomes[one] = Done(None)


async def follow(round_: Round, followings: Sequence[Following]) -> None:
    """Gives every following an outcome: ``Worked``. Slots that are as their lot already are left alone."""
    for one in followings:
        slots = await _locked(round_, one.slot_ids)
        if not isinstance(slots, list):
            round_.outcomes[one] = slots
            continue
        close = [slot for slot in slots if slot.lot_closed and slot.state is State.FREE]
        open_ = [
            slot for slot in slots if not slot.lot_closed and slot.state is State.CLOSED and not slot.closing
        ]
        moves = [Move(slot.slot_id, (State.FREE,), State.CLOSED, None) for slot in close]
        closed = await round_.move(moves, {slot.slot_id: slot for slot in close})
        opened = await give_back(round_, [GivenBack(slot, (State.CLOSED,), None) for slot in open_])
        round_.outcomes[one] = Done(Worked(len(closed) + len(opened)))


async def _locked(round_: Round, slot_ids: Sequence[int]) -> list[SlotRow] | Outcome:
    """All of these slots; who does not wait for one of them comes again. Those that are gone are left out."""
    ids = sorted(set(slot_ids))
    slots = await records.slots_by_id(round_.connection, ids, round_.lock)
    if len(slots) < len(ids):
        there = await records.slots_by_id(round_.connection, ids, Lock.NONE)
        if len(there) > len(slots):
            return Again.BUSY
        if not slots:
            return problems.no_such_slot(str(ids[0]))
    return slots


def _refused(working: Working, slots: Sequence[SlotRow]) -> Outcome | None:
    for slot in slots:
        if working.version is not None and working.version != slot.version:
            return problems.changed_meanwhile(slot.identifier)
        if working.expected is not None and slot.state not in working.expected:
            return problems.changed_meanwhile(slot.identifier)
        is_one = working.version is not None and working.act is Act.OPEN
        if is_one and slot.state is State.CLOSED and slot.lot_closed and not slot.closing:
            return problems.closed_with_its_lot(slot.identifier)
    return None


async def _close(round_: Round, slots: Sequence[SlotRow]) -> Worked:
    free = [slot for slot in slots if slot.state is State.FREE]
    moves = [Move(slot.slot_id, (State.FREE,), State.CLOSED, None, closes_itself=True) for slot in free]
    moved = await round_.move(moves, {slot.slot_id: slot for slot in free})
    later = [slot for slot in slots if slot.state is not State.FREE and not slot.closing]
    round_.changes += await records.set_closing(round_.connection, later, True, round_.now)
    with_lot = sum(slot.state is State.CLOSED for slot in later)
    return Worked(len(moved) + with_lot, len(later) - with_lot)


async def _open(round_: Round, slots: Sequence[SlotRow]) -> Worked:
    closed = [slot for slot in slots if slot.state is State.CLOSED and not slot.lot_closed]
    opened = await give_back(round_, [GivenBack(slot, (State.CLOSED,), None, opens=True) for slot in closed])
    later = [slot for slot in slots if slot.closing and (slot.state is not State.CLOSED or slot.lot_closed)]
    round_.changes += await records.set_closing(round_.connection, later, False, round_.now)
    return Worked(len(opened), len(later))
