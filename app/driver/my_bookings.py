"""The bookings of this browser, in a list."""

from datetime import datetime

from starlette.requests import Request

from app.bookings.billing import stay_of
from app.bookings.desk import Desk
from app.bookings.queries import Booking, booking
from app.core import words
from app.core.languages import say
from app.core.money import Money
from app.core.parts import part
from app.driver.cookies import reservations
from app.driver.views import BookingRow, MyBookings
from app.payments.fees import fee_of_what_is_covered
from app.payments.queries import tariff_of
from app.payments.tariffs.lines import Tariff
from app.slots.layout import LaidSlot, Layout


async def my_bookings(request: Request) -> MyBookings:
    """This browser's bookings, from its cookie."""
    desk = part(request, Desk)
    active: list[BookingRow] = []
    ended: list[BookingRow] = []
    known = []
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        for token, one in reservations(request).items():
            found = await booking(connection, one)
            if found is not None:
                tariff = await tariff_of(connection, found.facts.tariff_id)
                known.append((token, found, tariff))
    # A layout takes a connection of its own: never two at once, or the pool may wait for itself.
    for token, found, tariff in known:
        layout = await desk.layouts.of(found.facts.lot_id)
        if layout is not None:
            row = _row(found, layout, tariff, token, now)
            (active if row.active else ended).append(row)
    return MyBookings(tuple(active), tuple(ended))


def _row(found: Booking, layout: Layout, tariff: Tariff, token: str, now: datetime) -> BookingRow:
    facts = found.facts
    slot: LaidSlot = layout.by_id[facts.slot_id]
    zone = layout.lot.time_zone
    if found.end is not None:
        amount = Money(found.end.amount_minor, found.end.currency)
        when = say(
            "{begins} to {ends}",
            begins=words.clock(facts.start_at, zone, now),
            ends=words.clock(found.end.ended_at, zone),
        )
        if found.end.ended_at < facts.start_at:
            when = say("cancelled at {time}", time=words.clock(found.end.ended_at, zone, now))
        status = say("ended")
    else:
        amount = fee_of_what_is_covered(tariff, stay_of(facts, now)).money
        when = say("since {time}", time=words.clock(facts.start_at, zone, now))
        if facts.start_at > now:
            when = say("from {time}", time=words.clock(facts.start_at, zone, now))
        status = say("so far")
    return BookingRow(
        url=f"/bookings/{token}",
        slot_name=slot.name,
        lot_name=layout.lot.name,
        entity=facts.entity_given,
        when=when,
        amount=amount.text(),
        status=status,
        active=found.running is not None,
    )
