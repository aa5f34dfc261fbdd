"""What payments are told of a booking: the facts that its fee depends on."""

from datetime import datetime

from app.bookings.models import Reservation, ReservationHistory
from app.payments.fees import Stay


def stay_of(booking: Reservation | ReservationHistory, end: datetime, until: datetime | None = None) -> Stay:
    """The booking as a stay that ends then. ``until``: another planned end than the one it has."""
    return Stay(
        start=booking.start_at,
        end=end,
        expected=booking.expected_at,
        until=booking.until if until is None else until,
        size=booking.size,
        premium=booking.premium,
        codes=tuple(booking.codes),
    )
