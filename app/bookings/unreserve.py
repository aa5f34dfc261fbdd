"""Unreserve: the slot becomes free and the fee is fixed, in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.bookings import answers, problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.entity import as_compared
from app.bookings.forms import UnreserveRequest
from app.bookings.models import Reservation, ReservationHistory
from app.bookings.results import Released
from app.core import metrics
from app.core.errors import FieldError, Problem
from app.payments.fees import Fee, fee, lines_from_stored
from app.payments.queries import price_of
from app.slots.models import State


@dataclass(frozen=True)
class _Ended:
    released: Released
    moved: records.Moved | None


async def unreserve(desk: Desk, request: UnreserveRequest) -> Released:
    """Ends an entity's booking of a slot and says what it costs; repeated, it answers the same.

    Raises a Problem: 404 where the entity never held that slot, 422 for wrong fields, 503.
    """
    try:
        done = await run_again_on_conflict(lambda: _end_of_entity(desk, request))
    except Problem as problem:
        metrics.RELEASES.labels(problem.type).inc()
        raise
    return await _announce(desk, done)


async def release(desk: Desk, reservation: str) -> Released:
    """Ends the booking with this identifier, for who may do so; repeated, it answers the same."""

    async def work() -> _Ended:
        async with desk.transaction() as connection:
            booking = await records.active(connection, id=reservation)
            if booking is not None:
                now = await desk.database.now(connection)
                return await _end(desk, connection, booking, now, None)
            before = await records.ended(connection, id=reservation)
            if before is None:
                raise problems.no_such_reservation()
            return _Ended(await _as_ended(connection, before), None)

    return await _announce(desk, await run_again_on_conflict(work))


async def _announce(desk: Desk, done: _Ended) -> Released:
    if done.moved is not None:
        await desk.publish([done.moved])
    metrics.RELEASES.labels("released" if done.moved else "repeated").inc()
    return done.released


async def _end_of_entity(desk: Desk, request: UnreserveRequest) -> _Ended:
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        kept = await answers.claim(connection, "unreserve", request.idempotency, now)
        if kept:
            before = await records.ended(connection, id=kept["reservation"])
            assert before is not None, "a kept answer without its booking"
            return _Ended(await _as_ended(connection, before), None)
        if errors := request.wrong_fields(now):
            raise problems.invalid(errors)
        done = await _end_or_repeat(desk, connection, request, now)
        await answers.keep(
            connection, "unreserve", request.idempotency, {"reservation": done.released.reservation}
        )
        return done


async def _end_or_repeat(desk: Desk, connection: Any, request: UnreserveRequest, now: datetime) -> _Ended:
    slot = await records.slot_by(connection, identifier=request.slot)
    if slot is None:
        raise problems.no_such_slot(request.slot)
    holder = {
        "slot_id": slot.slot_id,
        "entity": as_compared(request.entity, plate=slot.entities_are_plates),
    }
    if request.reservation is not None:
        holder["id"] = request.reservation
    before = None
    if request.time is not None:
        before = await records.ended(connection, **holder, ended_time_given=request.time)
    booking = None if before else await records.active(connection, **holder)
    if booking is None:
        before = before or await records.ended(connection, **holder)
        if before is None:
            raise problems.no_such_reservation()
        return _Ended(await _as_ended(connection, before), None)
    if request.too_old(now):
        raise problems.invalid([FieldError("time", "lies more than 60 seconds in the past")])
    return await _end(desk, connection, booking, now, request.time)


async def _end(
    desk: Desk, connection: Any, booking: Reservation, now: datetime, time_given: datetime | None
) -> _Ended:
    slot = await records.slot_by(connection, id=booking.slot_id)
    assert slot is not None
    price = await price_of(connection, booking.tariff_id, premium=booking.premium)
    billed_until = min(time_given or now, now)
    fixed = fee(price, booking.start_at, billed_until)
    target = State.CLOSED if slot.lot_closed else State.FREE
    moved = await records.move_slot(
        connection,
        slot,
        (State.RESERVED, State.OCCUPIED),
        target,
        None,
        now,
        held_by=booking.id,
    )
    if moved is None:
        # Somebody else ended it while this one waited for the slot: the same answer.
        before = await records.ended(connection, id=booking.id)
        if before is None:
            raise problems.no_such_reservation()
        return _Ended(await _as_ended(connection, before), None)
    ended = await records.end_reservation(
        connection,
        booking,
        ended_at=now,
        ended_time_given=time_given,
        amount_minor=fixed.amount_minor,
        currency=fixed.currency,
        lines=fixed.stored_lines(),
    )
    assert ended, "a booking whose slot was moved away from it in this transaction"
    return _Ended(_released(booking, slot, billed_until, fixed), moved)


async def _as_ended(connection: Any, before: ReservationHistory) -> Released:
    slot = await records.slot_by(connection, id=before.slot_id)
    assert slot is not None
    fixed = Fee(before.amount_minor, before.currency, lines_from_stored(before.lines))
    billed_until = min(before.ended_time_given or before.ended_at, before.ended_at)
    return _released(before, slot, billed_until, fixed)


def _released(
    booking: Reservation | ReservationHistory, slot: records.SlotRow, ended_at: datetime, fixed: Fee
) -> Released:
    return Released(
        reservation=booking.id,
        slot=slot.identifier,
        lot=slot.lot_code,
        start_at=booking.start_at,
        ended_at=ended_at,
        fee=fixed,
    )
