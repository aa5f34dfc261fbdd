"""What a stay costs or would cost, without ending anything."""

from datetime import datetime

from app.bookings import problems, records
from app.bookings.billing import stay_of
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.forms import LONGEST_STAY
from app.core.errors import FieldError, InvalidInput
from app.core.languages import sentence
from app.payments.fees import Fee, NotCovered, Stay, fee, fee_of_what_is_covered, lines_from_stored
from app.payments.queries import tariff_in_force, tariff_of
from app.payments.tariffs.lines import Tariff


async def of_stay(
    desk: Desk, identifier: str, start: datetime, end: datetime, codes: tuple[str, ...] = ()
) -> Fee:
    """The fee of a stay on a slot, by the tariff in force now.

    Raises a Problem: 404 for an unknown slot, 422 for times that are no stay or have no price, 503.
    """
    if end < start:
        raise InvalidInput([FieldError("endTime", sentence("lies before startTime"))])
    if end - start > LONGEST_STAY:
        raise InvalidInput([FieldError("endTime", sentence("is more than a year after startTime"))])
    tariff, slot = await _tariff_of_slot(desk, identifier)
    stay = Stay(start, end, until=end, size=slot.size, premium=slot.premium, codes=codes)
    try:
        return fee(tariff, stay)
    except NotCovered as error:
        raise problems.not_covered(error.reasons) from None


async def _tariff_of_slot(desk: Desk, identifier: str) -> tuple[Tariff, records.SlotRow]:
    """The tariff in force for a slot. A Problem (404, 409, 503) where there is none."""

    async def look() -> tuple[Tariff, records.SlotRow]:
        async with desk.database.look() as connection:
            slot = await records.slot_by(connection, identifier=identifier)
            if slot is None:
                raise problems.no_such_slot(identifier)
            now = await desk.database.now(connection)
            tariff = await tariff_in_force(connection, slot.lot_id, slot.area_id, now)
            if tariff is None:
                raise problems.no_tariff(slot.lot_code)
            return tariff, slot

    found: tuple[Tariff, records.SlotRow] = await run_again_on_conflict(look)
    return found


async def of_reservation(desk: Desk, reservation: str) -> Fee:
    """What a booking costs up to now, or did cost. A Problem (404, 503) where it is not known."""

    async def look() -> Fee:
        async with desk.database.look() as connection:
            booking = await records.active(connection, id=reservation)
            if booking is not None:
                tariff = await tariff_of(connection, booking.tariff_id)
                now = await desk.database.now(connection)
                return fee_of_what_is_covered(tariff, stay_of(booking, now))
            before = await records.ended(connection, id=reservation)
            if before is None:
                raise problems.no_such_reservation()
            return Fee(before.amount_minor, before.currency, lines_from_stored(before.lines))

    found: Fee = await run_again_on_conflict(look)
    return found
