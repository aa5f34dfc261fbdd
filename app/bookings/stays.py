"""What changes of a booking while it runs, in one round: its planned end, and the arrival of its car."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.bookings import problems, records
from app.bookings.billing import stay_of
from app.bookings.entity import as_compared
from app.bookings.forms import LONGEST_STAY
from app.bookings.jobs import Again, Arriving, Done, Extending, Outcome
from app.bookings.models import Reservation
from app.bookings.records import Lock, Move, SlotRow
from app.bookings.results import Arrived, Extended
from app.bookings.round import Round
from app.core.errors import FieldError
from app.core.languages import sentence
from app.payments.fees import NotCovered, fee, fee_of_what_is_covered
from app.slots.models import State

Stay = tuple[SlotRow, Reservation]


async def extend(round_: Round, extendings: Sequence[Extending]) -> None:
    """Gives every extending an outcome. Of several for one booking the first is served; the others follow."""
    done: set[str] = set()
    for one, (slot, booking) in (await _stays(round_, extendings)).items():
        if booking.id in done:
            round_.outcomes[one] = Again.LOST
            continue
        outcome = await _extend(round_, one, slot, booking)
        round_.outcomes[one] = outcome
        if isinstance(outcome, Done):
            done.add(booking.id)


async def arrive(round_: Round, arrivings: Sequence[Arriving]) -> None:
    """Gives every arriving an outcome: who has arrived before is told so again."""
    stays = await _stays(round_, arrivings)
    for one, (_, booking) in list(stays.items()):
        if one.by_holder and booking.arrive_by is not None:
            round_.outcomes[one] = problems.check_in_there()
            del stays[one]
    comes = {
        slot.slot_id: (slot, booking) for slot, booking in stays.values() if slot.state is State.RESERVED
    }
    moves = [
        Move(slot_id, (State.RESERVED,), State.OCCUPIED, booking.id, held_by=booking.id)
        for slot_id, (_, booking) in sorted(comes.items())
    ]
    moved = await round_.move(moves, {slot_id: slot for slot_id, (slot, _) in comes.items()})
    arrived = {comes[slot_id][1].id for slot_id in moved}
    await records.note_arrivals(round_.connection, sorted(arrived), round_.now)
    for one, (slot, booking) in stays.items():
        if booking.id not in arrived and slot.state is State.RESERVED:
            round_.outcomes[one] = Again.LOST
            continue
        at = round_.now if booking.id in arrived else booking.arrived_at or round_.now
        answer = Arrived(booking.id, slot.identifier, slot.lot_code, at)
        round_.outcomes[one] = Done(answer, fresh=booking.id in arrived)
        round_.keep_answer(one, {"reservation": booking.id, "slot": slot.identifier, "at": at.isoformat()})


async def replay_extension(round_: Round, kept: Mapping[str, Any]) -> Extended:
    """The answer of the first request."""
    found = await _booking(round_, kept["reservation"])
    slot = await records.slot_by(round_.connection, identifier=kept["slot"])
    assert slot is not None
    until, before = (datetime.fromisoformat(kept[name]) for name in ("until", "before"))
    return await _extended(round_, slot, found, until, before)


async def replay_arrival(round_: Round, kept: Mapping[str, Any]) -> Arrived:
    """The answer of the first request."""
    slot = await records.slot_by(round_.connection, identifier=kept["slot"])
    assert slot is not None
    at = datetime.fromisoformat(kept["at"])
    return Arrived(kept["reservation"], slot.identifier, slot.lot_code, at)


async def _stays(round_: Round, jobs: Sequence[Any]) -> dict[Any, Stay]:
    """The running booking of each job, its slot locked; a job without one has an outcome."""
    connection = round_.connection
    ids = [number for job in jobs if (number := _by_number(job)) is not None]
    by_id = await records.active_by_id(connection, ids)
    names = sorted({job.slot for job in jobs if _by_number(job) is None})
    seen = {row.identifier: row for row in await records.slots_by_name(connection, names, Lock.NONE)}
    wanted = {booking.slot_id for booking in by_id.values()} | {row.slot_id for row in seen.values()}
    rows = {row.slot_id: row for row in await records.slots_by_id(connection, sorted(wanted), round_.lock)}
    # Read again: what was seen before the lock may be somebody else's yesterday.
    holders = [row.reservation_id for row in rows.values() if row.reservation_id is not None]
    running = await records.active_by_id(connection, holders)
    found: dict[Any, Stay] = {}
    for job in jobs:
        named = seen.get(job.slot) if _by_number(job) is None else None
        if _by_number(job) is None and named is None:
            round_.outcomes[job] = problems.no_such_slot(job.slot)
            continue
        booking = by_id.get(_by_number(job) or "") if named is None else None
        slot_id = named.slot_id if named else booking.slot_id if booking else None
        if slot_id is None:
            round_.outcomes[job] = await _over(round_, job)
        elif (slot := rows.get(slot_id)) is None:
            round_.outcomes[job] = Again.BUSY
        elif (there := running.get(slot.reservation_id or "")) is None or not _is_meant(job, slot, there):
            # Moved or ended since it was seen: the next look says which.
            round_.outcomes[job] = await _elsewhere(round_, job, slot) if named else Again.LOST
        else:
            found[job] = (slot, there)
    return found


def _by_number(job: Any) -> str | None:
    """The booking by which a job is found, where it is not found by the slot that it names."""
    found: str | None = job.moved if job.slot is not None else job.reservation
    return found


async def _elsewhere(round_: Round, job: Any, slot: SlotRow) -> Outcome:
    """Who says the slot that the driver was told of means the booking also where it was moved."""
    entity = as_compared(job.entity or "", plate=slot.entities_are_plates)
    job.moved = await records.moved_from(round_.connection, slot.slot_id, entity, job.reservation)
    return await _over(round_, job) if job.moved is None else Again.LOST


def _is_meant(job: Any, slot: SlotRow, booking: Reservation) -> bool:
    if _by_number(job) is not None:
        return bool(booking.id == _by_number(job))
    entity = as_compared(job.entity or "", plate=slot.entities_are_plates)
    return booking.entity == entity and job.reservation in (None, booking.id)


async def _over(round_: Round, job: Any) -> Outcome:
    if job.reservation is not None and await records.ended(round_.connection, id=job.reservation) is not None:
        return problems.booking_ended()
    return problems.no_such_reservation()


async def _extend(round_: Round, one: Extending, slot: SlotRow, booking: Reservation) -> Outcome:
    if one.seen_until is not None and one.seen_until != (booking.until,):
        return problems.changed_meanwhile("The booking")
    if slot.closing or slot.lot_closed:
        return problems.slot_closes(slot.identifier)
    if wrong := _wrong_until(one.until, booking, round_.now):
        return problems.invalid([FieldError("until", wrong)])
    try:
        fee(await round_.tariff_of(booking.tariff_id), stay_of(booking, one.until, one.until))
    except NotCovered as error:
        return problems.not_covered(error.reasons)
    before = billed_to(booking, round_.now)
    await records.set_until(round_.connection, booking.id, one.until)
    round_.wrote = True
    extended = await _extended(round_, slot, booking, one.until, before)
    round_.keep_answer(
        one,
        {
            "reservation": booking.id,
            "slot": slot.identifier,
            "until": one.until.isoformat(),
            "before": before.isoformat(),
        },
    )
    return Done(extended)


def billed_to(booking: Reservation, now: datetime) -> datetime:
    """Until when the stay costs without an extension: its planned end; where that is open or past, now.

    One that has not begun costs up to the time that it was made for, at least.
    """
    return max(booking.until or booking.expected_at, now)


def _wrong_until(until: datetime, booking: Reservation, now: datetime) -> str:
    if until <= now:
        return sentence("lies in the past")
    if until <= booking.expected_at:
        return sentence("is not after the start")
    if booking.until is not None and until <= booking.until:
        return sentence("is not after the planned end")
    if until - booking.start_at > LONGEST_STAY:
        return sentence("is more than a year after the start")
    return ""


async def _booking(round_: Round, reservation: str) -> Any:
    found = await records.active(round_.connection, id=reservation) or await records.ended(
        round_.connection, id=reservation
    )
    assert found is not None, "a kept answer without its booking"
    return found


async def _extended(
    round_: Round, slot: SlotRow, booking: Any, until: datetime, before: datetime
) -> Extended:
    tariff = await round_.tariff_of(booking.tariff_id)
    total = fee_of_what_is_covered(tariff, stay_of(booking, until, until))
    costs_before = fee_of_what_is_covered(tariff, stay_of(booking, before, before))
    return Extended(
        reservation=booking.id,
        slot=slot.identifier,
        lot=slot.lot_code,
        start_at=booking.start_at,
        until=until,
        fee=total,
        more_minor=max(0, total.amount_minor - costs_before.amount_minor),
    )
