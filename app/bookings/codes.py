"""Codes of offers, given for a booking while it runs: by its driver, at the desk, or by a program.

It goes beside the line of bookings, in a transaction of its own that locks the booking's slot as every change
of a booking does. Given twice it is given once, so it needs no idempotency key.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import trail
from app.bookings import problems, records
from app.bookings.billing import stay_of
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.entity import as_compared
from app.bookings.models import Reservation
from app.bookings.records import Lock, SlotRow
from app.core import metrics
from app.core.errors import FieldError, Problem
from app.core.languages import sentence
from app.payments.fees import Fee, fee_of_what_is_covered
from app.payments.queries import tariff_of
from app.payments.tariffs.offers import MOST_CODES, NotOffered, offered

# Who guesses gets so many tries at a booking. They are counted in the audit trail, so that no process and no
# restart begins anew.
MOST_WRONG = 10
_WRONG = "wrong-code"


@dataclass(frozen=True)
class Giving:
    """A code for the booking ``reservation``, or for the one of ``entity`` on ``slot``.

    ``by``: who is signed in and says so, "" for the booking's holder.
    """

    code: str
    reservation: str | None = None
    slot: str | None = None
    entity: str | None = None
    by: str = ""


@dataclass(frozen=True)
class Given:
    """A code that counts now, with what the booking costs if it ends now; ``fresh``: it did not before."""

    reservation: str
    slot: str
    lot: str
    code: str
    codes: tuple[str, ...]
    fee: Fee
    fresh: bool


async def give_code(desk: Desk, giving: Giving) -> Given:
    """Gives a code for a booking that runs.

    Raises a Problem: 404 where there is no such booking, 409 where it has ended, has all the codes that one
    may have, or too many wrong ones were tried, 422 for a code that does nothing for it, 503.
    """

    async def work() -> Given | Problem:
        async with desk.transaction() as connection:
            return await _give(desk, connection, giving)

    try:
        outcome = await run_again_on_conflict(work)
        if isinstance(outcome, Problem):
            raise outcome
    except Problem as problem:
        metrics.CODES.labels(problem.type).inc()
        raise
    assert isinstance(outcome, Given)
    metrics.CODES.labels("given" if outcome.fresh else "given-before").inc()
    return outcome


async def _give(desk: Desk, connection: AsyncConnection, giving: Giving) -> Given | Problem:
    """A Problem is returned, not raised, where what was noted of it is to stay."""
    slot, booking = await _locked(connection, giving)
    now = await desk.database.now(connection)
    tariff = await tariff_of(connection, booking.tariff_id)
    if not giving.by and await trail.count(connection, _WRONG, booking.id) >= MOST_WRONG:
        return problems.too_many_wrong_codes()
    try:
        code = offered(tariff, booking.start_at, booking.size, booking.premium, giving.code)
    except NotOffered as error:
        if error.is_unknown and not giving.by:
            await trail.note(connection, "driver", _WRONG, booking.id, now)
        return problems.invalid([FieldError("code", error.why)])
    fresh = code.casefold() not in {one.casefold() for one in booking.codes}
    if fresh:
        if len(booking.codes) >= MOST_CODES:
            return problems.no_more_codes(MOST_CODES)
        booking.codes = [*booking.codes, code]
        if not await records.set_codes(connection, booking):
            raise problems.changed_meanwhile(sentence("The booking"))
        act = "validate" if giving.by else "give-code"
        await trail.note(connection, giving.by or "driver", act, booking.id, now, code=code)
    fee = fee_of_what_is_covered(tariff, stay_of(booking, now))
    codes = tuple(booking.codes)
    return Given(booking.id, slot.identifier, slot.lot_code, code, codes, fee, fresh)


async def _locked(connection: AsyncConnection, giving: Giving) -> tuple[SlotRow, Reservation]:
    """The running booking that is meant; nobody ends or moves it until this transaction is over."""
    reservation = giving.reservation
    if giving.slot is not None:
        reservation = await _on_slot(connection, giving)
    seen = None if reservation is None else await records.active(connection, id=reservation)
    if seen is None:
        raise await _over(connection, reservation)
    slots = await records.slots_by_id(connection, [seen.slot_id], Lock.WAIT)
    # Read again: what was seen before the lock may have ended, or have another slot by now.
    booking = await records.active(connection, id=seen.id)
    if booking is None:
        raise await _over(connection, reservation)
    if not slots or booking.slot_id != seen.slot_id:
        raise problems.changed_meanwhile(sentence("The booking"))
    return slots[0], booking


async def _on_slot(connection: AsyncConnection, giving: Giving) -> str | None:
    """The booking of the entity on the slot, or the one that was moved away from it."""
    assert giving.slot is not None
    slot = await records.slot_by(connection, identifier=giving.slot)
    if slot is None:
        raise problems.no_such_slot(giving.slot)
    entity = as_compared(giving.entity or "", plate=slot.entities_are_plates)
    there = await records.active(connection, slot_id=slot.slot_id, entity=entity)
    if there is not None:
        return there.id
    return await records.moved_from(connection, slot.slot_id, entity, None)


async def _over(connection: AsyncConnection, reservation: str | None) -> Problem:
    if reservation is not None and await records.ended(connection, id=reservation) is not None:
        return problems.booking_ended()
    return problems.no_such_reservation()
