"""The unreserves of one round: the slot becomes free and the fee is fixed, in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from app.bookings import problems, records
from app.bookings.billing import stay_of
from app.bookings.entity import as_compared
from app.bookings.giving_back import GivenBack, give_back
from app.bookings.jobs import Again, Done, Ending, Outcome
from app.bookings.models import Ending as How
from app.bookings.models import Reservation, ReservationHistory
from app.bookings.records import Lock, SlotRow
from app.bookings.results import Released
from app.bookings.round import Round
from app.core.errors import FieldError
from app.core.languages import sentence
from app.payments.fees import Fee, fee_of_no_show, fee_of_what_is_covered, lines_from_stored
from app.slots.models import State


async def end(round_: Round, endings: Sequence[Ending]) -> None:
    """Gives every ending an outcome."""
    slots = await _locked_slots(round_, endings)
    running = await records.active_by_id(
        round_.connection, [row.reservation_id for row in slots.values() if row.reservation_id is not None]
    )
    bookings: dict[int, tuple[Ending, Reservation]] = {}
    for ending, slot in slots.items():
        booking = running.get(slot.reservation_id or "")
        found = await _what_ends(round_, ending, slot, booking)
        if not isinstance(found, Reservation):
            round_.outcomes[ending] = found
        elif slot.slot_id in bookings:
            # Sent twice: the second one finds it ended.
            round_.outcomes[ending] = Again.LOST
        else:
            bookings[slot.slot_id] = (ending, found)
    await _release(round_, bookings, {row.slot_id: row for row in slots.values()})


def is_overdue(booking: Reservation, now: datetime) -> bool:
    """Whether the time for arriving has run out, and nobody has."""
    return booking.arrived_at is None and booking.arrive_by is not None and booking.arrive_by <= now


async def replay(round_: Round, kept: dict[str, Any]) -> Released:
    """The answer of the first request."""
    before = await records.ended(round_.connection, id=kept["reservation"])
    assert before is not None, "a kept answer without its booking"
    return await _as_ended(round_, before)


async def _locked_slots(round_: Round, endings: Sequence[Ending]) -> dict[Ending, SlotRow]:
    """The slot of each ending. Where there is none, or another transaction holds it, it has an outcome."""
    connection = round_.connection
    by_id = await records.active_by_id(connection, [one.of_booking for one in endings if one.of_booking])
    names = sorted({one.request.slot for one in endings if one.request is not None and one.moved is None})
    ids = sorted({booking.slot_id for booking in by_id.values()})
    rows = [
        *await records.slots_by_name(connection, names, round_.lock),
        *await records.slots_by_id(connection, ids, round_.lock),
    ]
    named, numbered = {row.identifier: row for row in rows}, {row.slot_id: row for row in rows}
    held = await records.slots_by_name(connection, [one for one in names if one not in named], Lock.NONE)
    busy = {row.identifier for row in held}
    found: dict[Ending, SlotRow] = {}
    for ending in endings:
        if ending.request is not None and ending.moved is None:
            row = named.get(ending.request.slot)
            if row is None and ending.request.slot not in busy:
                round_.outcomes[ending] = problems.no_such_slot(ending.request.slot)
                continue
        elif ending.of_booking in by_id:
            row = numbered.get(by_id[ending.of_booking].slot_id)
        elif ending.moved is not None:
            # Somebody else has ended it: looked at as if it had not been moved.
            ending.moved = None
            round_.outcomes[ending] = Again.LOST
            continue
        elif ending.seen is not None:
            round_.outcomes[ending] = problems.changed_meanwhile(sentence("The slot"))
            continue
        else:
            before = await records.ended(connection, id=ending.reservation)
            round_.outcomes[ending] = await _repeat(round_, ending, before)
            continue
        if row is None:
            round_.outcomes[ending] = Again.BUSY
        else:
            found[ending] = row
    return found


async def _what_ends(
    round_: Round, ending: Ending, slot: SlotRow, booking: Reservation | None
) -> Reservation | Outcome:
    """The booking that is to end, or what is answered without ending one."""
    request = ending.request
    if request is None:
        if ending.seen not in (None, (slot.slot_id, slot.version)):
            return problems.changed_meanwhile(slot.identifier)
        if ending.as_no_show and not (booking is not None and is_overdue(booking, round_.now)):
            return problems.changed_meanwhile(slot.identifier)
        return booking if booking is not None and booking.id == ending.reservation else Again.LOST
    if errors := request.wrong_fields(round_.now):
        return problems.invalid(errors)
    if ending.moved is not None and (booking is None or booking.id != ending.moved[0]):
        ending.moved = None
        return Again.LOST
    entity = as_compared(request.entity, plate=slot.entities_are_plates)
    slot_id = slot.slot_id if ending.moved is None else ending.moved[1]
    which = {} if request.reservation is None else {"id": request.reservation}
    is_theirs = booking is not None and booking.entity == entity and request.reservation in (None, booking.id)
    if request.time is not None:
        before = await records.ended_at_slot(
            round_.connection, slot_id, entity, **which, ended_time_given=request.time
        )
        if before is not None and not (is_theirs and _may_be_meant(booking, before)):
            return await _repeat(round_, ending, before)
    if booking is None or not is_theirs:
        meant = await records.moved_from(round_.connection, slot_id, entity, request.reservation)
        if meant is not None:
            # The next round locks the slot where it is now.
            ending.moved = meant, slot_id
            return Again.LOST
        before = await records.ended_at_slot(round_.connection, slot_id, entity, **which)
        return await _repeat(round_, ending, before)
    if request.too_old(round_.now):
        return problems.invalid([FieldError("time", sentence("lies more than 60 seconds in the past"))])
    return booking


def _may_be_meant(booking: Reservation | None, before: ReservationHistory) -> bool:
    """Whether who ends something at the same time as ``before`` can mean the booking that runs.

    Clients tell the time in whole seconds, so one that was made within a second after can. A later one
    is not meant: the ending before it was sent again.
    """
    return booking is not None and booking.created_at < before.ended_at + timedelta(seconds=1)


async def _repeat(round_: Round, ending: Ending, before: ReservationHistory | None) -> Outcome:
    if before is None:
        return problems.no_such_reservation()
    round_.keep_answer(ending, {"reservation": before.id})
    return Done(await _as_ended(round_, before), fresh=False)


async def _release(
    round_: Round, bookings: dict[int, tuple[Ending, Reservation]], slots: dict[int, SlotRow]
) -> None:
    given_back = [
        GivenBack(slots[slot_id], (State.RESERVED, State.OCCUPIED), booking.id)
        for slot_id, (_, booking) in bookings.items()
    ]
    moved = await give_back(round_, given_back)
    history = []
    for slot_id, (ending, booking) in sorted(bookings.items()):
        if slot_id not in moved:
            # Somebody else ended it before this one had the slot: the next look finds that.
            round_.outcomes[ending] = Again.LOST
            continue
        billed_until = _billed_until(ending, booking, round_.now)
        tariff = await round_.tariff_of(booking.tariff_id)
        reckon = fee_of_no_show if ending.as_no_show else fee_of_what_is_covered
        fixed = reckon(tariff, stay_of(booking, billed_until))
        history.append(_history(round_, booking, ending, fixed))
        round_.outcomes[ending] = Done(_released(booking, slots[slot_id], billed_until, fixed))
        round_.keep_answer(ending, {"reservation": booking.id})
    await records.end_reservations(round_.connection, history)


def _billed_until(ending: Ending, booking: Reservation, now: datetime) -> datetime:
    """What is billed ends no later than now; of who did not arrive, when the slot was given up."""
    if ending.as_no_show and booking.arrive_by is not None:
        return min(now, booking.arrive_by)
    return _given_until(booking, ending.time_given, now)


def _given_until(
    booking: Reservation | ReservationHistory, time_given: datetime | None, now: datetime
) -> datetime:
    """Who says a time that lies before the booking means its beginning."""
    return min(max(time_given or now, booking.start_at), now)


def _history(round_: Round, booking: Reservation, ending: Ending, fixed: Fee) -> dict[str, Any]:
    return {
        **booking.model_dump(exclude={"arrive_by"}),
        "ended_at": round_.now,
        "ended_time_given": ending.time_given,
        "ending": How.NO_SHOW if ending.as_no_show else How.RELEASED,
        "amount_minor": fixed.amount_minor,
        "currency": fixed.currency,
        "lines": fixed.stored_lines(),
    }


async def _as_ended(round_: Round, before: ReservationHistory) -> Released:
    slot = await records.slot_by(round_.connection, id=before.slot_id)
    assert slot is not None
    fixed = Fee(before.amount_minor, before.currency, lines_from_stored(before.lines))
    billed_until = _given_until(before, before.ended_time_given, before.ended_at)
    return _released(before, slot, billed_until, fixed)


def _released(
    booking: Reservation | ReservationHistory, slot: SlotRow, ended_at: datetime, fixed: Fee
) -> Released:
    return Released(
        reservation=booking.id,
        slot=slot.identifier,
        lot=slot.lot_code,
        start_at=booking.start_at,
        ended_at=ended_at,
        fee=fixed,
    )
