"""What a stay costs or would cost, without ending anything."""

from datetime import datetime

from app.bookings import problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.forms import LONGEST_STAY
from app.core.errors import FieldError, InvalidInput
from app.payments.fees import Fee, Price, fee, lines_from_stored
from app.payments.queries import price_in_force, price_of


async def of_stay(desk: Desk, identifier: str, start: datetime, end: datetime) -> Fee:
    """The fee of a stay on a slot, by the tariff in force now.

    Raises a Problem: 404 for an unknown slot, 422 for times that are no stay, 503.
    """
    if end < start:
        raise InvalidInput([FieldError("endTime", "lies before startTime")])
    if end - start > LONGEST_STAY:
        raise InvalidInput([FieldError("endTime", "is more than a year after startTime")])
    return fee(await price_of_slot(desk, identifier), start, end)


async def price_of_slot(desk: Desk, identifier: str) -> Price:
    """The price in force for a slot. A Problem (404, 409, 503) where there is none."""

    async def look() -> Price:
        async with desk.database.look() as connection:
            slot = await records.slot_by(connection, identifier=identifier)
            if slot is None:
                raise problems.no_such_slot(identifier)
            price = await price_in_force(connection, slot.lot_id, slot.area_id, premium=slot.premium)
            if price is None:
                raise problems.no_tariff(slot.lot_code)
            return price

    price: Price = await run_again_on_conflict(look)
    return price


async def of_reservation(desk: Desk, reservation: str) -> Fee:
    """What a booking costs up to now, or did cost. A Problem (404, 503) where it is not known."""

    async def look() -> Fee:
        async with desk.database.look() as connection:
            booking = await records.active(connection, id=reservation)
            if booking is not None:
                price = await price_of(connection, booking.tariff_id, premium=booking.premium)
                return fee(price, booking.start_at, await desk.database.now(connection))
            before = await records.ended(connection, id=reservation)
            if before is None:
                raise problems.no_such_reservation()
            return Fee(before.amount_minor, before.currency, lines_from_stored(before.lines))

    found: Fee = await run_again_on_conflict(look)
    return found
