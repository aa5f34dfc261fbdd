"""What payments are told of a booking that is to be paid for: facts, and nothing that they could ask back."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records
from app.bookings.billing import stay_of
from app.bookings.models import ReservationHistory
from app.payments.bills import Bill
from app.payments.fees import Fee, lines_from_stored
from app.payments.queries import tariff_of
from app.slots.models import Lot

_LOT = Lot.__table__  # type: ignore[attr-defined]


async def read_bill(connection: AsyncConnection, reservation: str, now: datetime) -> Bill | None:
    """The booking as it is billed; ``None`` where there is none."""
    booking = await records.active(connection, id=reservation) or await records.ended(
        connection, id=reservation
    )
    if booking is None:
        return None
    slot = await records.slot_by(connection, id=booking.slot_id)
    assert slot is not None, "a slot that a booking refers to stays"
    found = await connection.execute(select(_LOT.c.name, _LOT.c.address).where(_LOT.c.id == booking.lot_id))
    lot_name, lot_address = found.one()
    fixed, ended_at = None, now
    if isinstance(booking, ReservationHistory):
        fixed = Fee(booking.amount_minor, booking.currency, lines_from_stored(booking.lines))
        ended_at = booking.ended_at
    return Bill(
        reservation=booking.id,
        lot_id=booking.lot_id,
        lot=slot.lot_code,
        lot_name=lot_name,
        lot_address=lot_address,
        slot=slot.identifier,
        slot_name=slot.name,
        area=slot.area_code,
        tariff=await tariff_of(connection, booking.tariff_id),
        stay=stay_of(booking, ended_at),
        fixed=fixed,
    )
