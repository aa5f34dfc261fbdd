"""A booking's page: what its holder sees while it runs, and after."""

import io
import time
from datetime import datetime, timedelta
from urllib.parse import urlencode

import segno
from markupsafe import Markup
from starlette.requests import Request

from app.accounts.access import SigningKey, reservation
from app.bookings.billing import stay_of
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.forms import LONGEST_STAY
from app.bookings.models import Ending, Reservation, ReservationHistory
from app.bookings.queries import Booking, booking
from app.bookings.stays import billed_to
from app.core import words
from app.core.errors import Problem
from app.core.ids import new_id, short_code
from app.core.money import Money
from app.core.parts import part
from app.core.web import origin_of
from app.driver.cookies import reservations
from app.driver.lot_page import lot_map
from app.driver.paying import paid_notice, pay_form, payment_rows, settled_minor
from app.driver.views import (
    BookingPage,
    BookingRow,
    CheckIn,
    Codes,
    Ended,
    Extend,
    Extension,
    FeeLine,
    MyBookings,
    Notice,
    Release,
    Running,
)
from app.live.hub import Hub
from app.payments import fees
from app.payments.fees import Fee, dearer_from, fee_of_what_is_covered, lines_from_stored
from app.payments.queries import tariff_of
from app.payments.tariffs.lines import Tariff
from app.payments.tariffs.offers import MOST_CODES, has_offers
from app.slots.layout import LaidSlot, Layout
from app.slots.projections import count

LONGEST_LINK = 400
# So long before the planned end its holder is told.
ENDS_SOON = timedelta(minutes=15)
CHECKS_IN = "It checks you in, and opens this page on another phone."
OPENS_PAGE = "It opens this page on another phone."
EXTENSIONS = ((30, "30 min"), (60, "1 h"), (120, "2 h"), (240, "4 h"))


async def booking_page(
    request: Request, notice: Notice | None = None, typed: str = "", error: str = ""
) -> BookingPage:
    """The page of the booking whose secret the path holds. A Problem (404) where it is not known.

    ``typed``: a code that was not taken, with the ``error`` that says why.
    """
    found, tariff, now, layout = await _facts(request)
    facts = found.facts
    slot = layout.by_id[facts.slot_id]
    lot, token = layout.lot, request.path_params["token"]
    picture = await part(request, Hub).picture(lot.id or 0)
    shown_map = Markup("")
    if picture is not None and found.running is not None:
        # The page's layout is the picture's: positions and states are of one version.
        slot = picture.layout.by_id.get(facts.slot_id, slot)
        shown_map = await lot_map(request, picture.layout, picture, count(picture), [slot.position])
    link = f"{origin_of(request)}/bookings/{token}"
    running = found.running
    settled = await settled_minor(request, facts.id)
    payments = await payment_rows(request, facts.id, lot.time_zone)
    pay = None
    if not any(one.waits for one in payments):
        pay = await pay_form(request, facts.id, lot.time_zone, runs=running is not None)
    notice = notice or paid_notice(request, payments)
    return BookingPage(
        slot_name=slot.name,
        position=slot.position,
        lot_name=lot.name,
        lot_url=f"/lots/{lot.code}",
        area_name=f"area {slot.area_code}",
        entity=facts.entity_given,
        entity_label="Plate",
        map=shown_map,
        running=_running(running, tariff, now, lot.time_zone, _running_url(request, slot.name), settled)
        if running
        else None,
        ended=_ended(found.end, lot.time_zone) if found.end else None,
        release=_release(running, tariff, now, token, settled) if running else None,
        extend=_extend(running, tariff, now, lot.time_zone, token) if running else None,
        check_in=_check_in(running, token) if running else None,
        codes=_codes(running, tariff, token, typed, error) if running else None,
        pay=pay,
        payments=payments,
        notice=notice,
        show_text=CHECKS_IN if running is not None and running.arrive_by else OPENS_PAGE,
        qr=_qr(link),
        short_code=short_code(part(request, SigningKey), facts.id),
        link=link,
        booked_text=f"Booked until {words.clock(facts.until, lot.time_zone, now)}" if facts.until else "",
        feed_url=f"/ws/lots/{lot.code}" if running else "",
        age_s=picture.age_s(time.time()) if picture else None,
    )


async def running_view(request: Request) -> Running | None:
    """The running figures; ``None`` once the page has to be read anew: it has ended, or was moved."""
    found, tariff, now, layout = await _facts(request)
    slot = layout.by_id[found.facts.slot_id].name
    if found.running is None or request.query_params.get("slot", slot) != slot:
        return None
    settled, url = await settled_minor(request, found.facts.id), _running_url(request, slot)
    return _running(found.running, tariff, now, layout.lot.time_zone, url, settled)


def _running_url(request: Request, slot: str) -> str:
    """``slot`` is the one that the page shows: where the booking has another one, it is to know."""
    return f"/bookings/{request.path_params['token']}/running?{urlencode({'slot': slot})}"


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


async def known_address(request: Request) -> str:
    """The address of the booking whose secret the path holds. A Problem (404) where it is not known."""
    await _facts(request)
    return f"/bookings/{request.path_params['token']}"


async def _facts(request: Request) -> tuple[Booking, Tariff, datetime, Layout]:
    desk = part(request, Desk)

    async def look() -> tuple[Booking | None, Tariff | None, datetime]:
        async with desk.database.look() as connection:
            found = await booking(connection, reservation(request))
            tariff = None
            if found is not None:
                tariff = await tariff_of(connection, found.facts.tariff_id)
            return found, tariff, await desk.database.now(connection)

    found, tariff, now = await run_again_on_conflict(look)
    layout = None if found is None else await desk.layouts.of(found.facts.lot_id)
    if found is None or layout is None:
        raise Problem(404, "no-such-booking", "This link leads to no booking", "It may have ended long ago.")
    return found, tariff, now, layout


def _running(
    booked: Reservation,
    tariff: Tariff,
    now: datetime,
    time_zone: str,
    refresh_url: str,
    settled: int,
) -> Running:
    begins, until = booked.start_at, booked.until
    waits = now < begins
    due = fee_of_what_is_covered(tariff, stay_of(booked, now))
    dearer = dearer_from(tariff, stay_of(booked, max(now, begins)))
    next_at, then = dearer if dearer is not None else (None, None)
    since = "Parked" if booked.arrived_at else "Reserved"
    used = 0
    if until is not None and until > begins and not waits:
        used = min(100, round(100 * ((now - begins) / (until - begins))))
    return Running(
        refresh_url=refresh_url,
        time_label=f"Held, billed from {words.clock(begins, time_zone, now)}, in"
        if waits
        else f"{since} since {words.clock(begins, time_zone, now)}",
        elapsed=words.figures(begins - now + timedelta(seconds=59) if waits else now - begins),
        elapsed_s=int(abs(now - begins).total_seconds()),
        price_label="To pay now",
        price=_left(due, settled),
        next_price=_left(then, settled) if then is not None else "",
        next_at=words.clock(next_at, time_zone, now) if next_at is not None else "",
        next_in=f"in {words.span(next_at - now)}" if next_at is not None else "",
        used_percent=used,
        from_text=words.clock(begins, time_zone, now) if until or waits else "",
        until_text=words.clock(until, time_zone, now) if until else "",
        counts_down=waits,
        over=until is not None and now > until,
        warning=_warning(booked, now, time_zone),
        lines=_lines(due) if booked.codes else (),
        total=due.money.text(),
    )


def _left(fee: Fee, settled_minor: int) -> str:
    """What of a fee is still to be paid."""
    return Money(max(0, fee.amount_minor - settled_minor), fee.currency).text()


def _warning(booked: Reservation, now: datetime, time_zone: str) -> Notice | None:
    """What the holder has to know before it is too late, the most urgent alone."""
    if booked.arrive_by is not None:
        by = words.clock(booked.arrive_by, time_zone, now)
        late = booked.arrive_by <= now
        text = "Show your code at the entrance, else the slot goes to somebody else."
        if late:
            text = "The slot is being given up."
        return Notice(f"Check in by {by}.", text, "problem" if late else "stale")
    if booked.until is None or booked.until - now > ENDS_SOON:
        return None
    if booked.until <= now:
        over = words.span(now - booked.until)
        return Notice(f"{over} over the planned end.", "You pay until you leave.", "problem")
    return Notice(f"Ends in {words.span(booked.until - now)}.", "Stay longer, or leave in time.", "stale")


def _extend(booked: Reservation, tariff: Tariff, now: datetime, time_zone: str, token: str) -> Extend | None:
    """A later end, at its price; from the planned end on, or from now where that is past or open."""
    begins = billed_to(booked, now)
    before = fee_of_what_is_covered(tariff, stay_of(booked, begins, begins))
    choices = []
    for minutes, label in EXTENSIONS:
        until = begins + timedelta(minutes=minutes)
        if until - booked.start_at > LONGEST_STAY:
            continue
        try:
            longer = fees.fee(tariff, stay_of(booked, until, until))
        except fees.NotCovered:
            # Nobody may stand there for so long, or nothing says what it costs.
            continue
        amount = Money(max(0, longer.amount_minor - before.amount_minor), tariff.currency).text()
        choices.append(
            Extension(
                until.isoformat(), label, f"until {words.clock(until, time_zone, now)}", f"{amount} more"
            )
        )
    if not choices:
        return None
    return Extend(
        action_url=f"/bookings/{token}/extend",
        idempotency_key=new_id(),
        seen_until=booked.until.isoformat() if booked.until else "",
        choices=tuple(choices),
    )


def _check_in(booked: Reservation, token: str) -> CheckIn | None:
    """Where nobody checks in the driver may say so; elsewhere that is for who sees the car."""
    if booked.arrived_at is not None or booked.arrive_by is not None:
        return None
    return CheckIn(f"/bookings/{token}/check-in", new_id())


def _release(booked: Reservation, tariff: Tariff, now: datetime, token: str, settled: int) -> Release:
    due = fee_of_what_is_covered(tariff, stay_of(booked, now))
    nothing = "It costs nothing." if now >= booked.start_at else "It costs nothing: it has not begun."
    asked = f"You pay {_left(due, settled)}." if due.amount_minor else nothing
    if due.amount_minor and settled >= due.amount_minor:
        asked = "It is paid."
    return Release(
        action_url=f"/bookings/{token}/release",
        idempotency_key=new_id(),
        question=f"{asked} Somebody else may take the slot at once.",
        button="Release it",
    )


def _ended(booked: ReservationHistory, time_zone: str) -> Ended:
    lasted = booked.ended_at - booked.start_at
    amount = Money(booked.amount_minor, booked.currency)
    return Ended(
        word=_ending_word(booked),
        from_text=words.clock(booked.start_at, time_zone, booked.ended_at),
        to_text=words.clock(booked.ended_at, time_zone),
        duration=words.figures(lasted),
        amount=amount.text(),
        paid_text="What it cost" if booked.amount_minor else "Nothing to pay",
        lines=_lines(Fee(booked.amount_minor, booked.currency, lines_from_stored(booked.lines))),
    )


def _lines(fee: Fee) -> tuple[FeeLine, ...]:
    return tuple(
        FeeLine(
            line.rule[0].upper() + line.rule[1:],
            # What is taken off is no number of prices.
            f"{line.quantity} × {_unit_price(line, fee.currency)}" if line.amount_minor >= 0 else "",
            Money(line.amount_minor, fee.currency).text(),
        )
        for line in fee.lines
    )


def _codes(booked: Reservation, tariff: Tariff, token: str, typed: str, error: str) -> Codes | None:
    """Where no offer has a code there is none to ask for."""
    if not has_offers(tariff):
        return None
    full = "" if len(booked.codes) < MOST_CODES else f"{MOST_CODES} codes are given, more can't be."
    return Codes(f"/bookings/{token}/code", tuple(booked.codes), typed, error, full)


def _ending_word(booked: ReservationHistory) -> str:
    if booked.ending == Ending.NO_SHOW:
        return "Not arrived in time"
    return "Released" if booked.ended_at > booked.start_at else "Cancelled"


def _unit_price(line: fees.FeeLine, currency: str) -> str:
    return Money(line.amount_minor // max(1, line.quantity), currency).text()


def _row(found: Booking, layout: Layout, tariff: Tariff, token: str, now: datetime) -> BookingRow:
    facts = found.facts
    slot: LaidSlot = layout.by_id[facts.slot_id]
    zone = layout.lot.time_zone
    if found.end is not None:
        amount = Money(found.end.amount_minor, found.end.currency)
        when = f"{words.clock(facts.start_at, zone, now)} to {words.clock(found.end.ended_at, zone)}"
        if found.end.ended_at < facts.start_at:
            when = f"cancelled at {words.clock(found.end.ended_at, zone, now)}"
        status = "ended"
    else:
        amount = fee_of_what_is_covered(tariff, stay_of(facts, now)).money
        when = f"since {words.clock(facts.start_at, zone, now)}"
        if facts.start_at > now:
            when = f"from {words.clock(facts.start_at, zone, now)}"
        status = "so far"
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


def _qr(link: str) -> Markup:
    """The link as a QR code with its quiet zone; the drawing is ours to trust."""
    if len(link) > LONGEST_LINK:
        return Markup("")
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True, dark="#000", light="#fff"
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno writes modules, never the text
