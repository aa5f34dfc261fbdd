"""A booking's page: what its holder sees while it runs, and after."""

import io
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
from app.core.clock import steady_s
from app.core.errors import Problem
from app.core.ids import new_id, short_code
from app.core.languages import say, say_in, sentence
from app.core.money import Money
from app.core.parts import part
from app.core.web import origin_of
from app.driver.lot_page import lot_map
from app.driver.paying import paid_notice, pay_form, payment_rows, settled_minor
from app.driver.running import fee_lines, left_to_pay, running_figures
from app.driver.views import (
    BookingPage,
    CheckIn,
    Codes,
    Ended,
    Extend,
    Extension,
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
from app.slots.layout import Layout
from app.slots.projections import count

LONGEST_LINK = 400
EXTENSIONS_MIN = (30, 60, 120, 240)


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
    release = None
    if running is not None:
        release = release_form(running, tariff, now, lot.time_zone, token, settled, is_due=pay is not None)
    is_paid = release is not None and bool(release.paid_text)
    notice = notice or paid_notice(request, payments)
    return BookingPage(
        slot_name=slot.name,
        position=slot.position,
        lot_name=lot.name,
        lot_url=f"/lots/{lot.code}",
        area_name=say("area {area}", area=slot.area_code),
        entity=facts.entity_given,
        map=shown_map,
        running=running_figures(
            running, tariff, now, lot.time_zone, _running_url(request, slot.name, is_paid), settled
        )
        if running
        else None,
        ended=_ended(found.end, lot.time_zone) if found.end else None,
        release=release,
        extend=_extend(running, tariff, now, lot.time_zone, token) if running else None,
        check_in=_check_in(running, token) if running else None,
        codes=_codes(running, tariff, token, typed, error) if running else None,
        pay=pay,
        payments=payments,
        notice=notice,
        show_text=say("It checks you in, and opens this page on another phone.")
        if running is not None and running.arrive_by
        else say("It opens this page on another phone."),
        qr=_qr(link),
        short_code=short_code(part(request, SigningKey), facts.id),
        link=link,
        booked_text=say("Booked until {time}", time=words.clock(facts.until, lot.time_zone, now))
        if facts.until
        else "",
        feed_url=f"/ws/lots/{lot.code}" if running else "",
        age_s=picture.age_s(steady_s()) if picture else None,
    )


async def running_view(request: Request) -> Running | None:
    """The running figures; ``None`` once the page has to be read anew.

    It has ended, was moved, or costs more by now than was paid.
    """
    found, tariff, now, layout = await _facts(request)
    slot = layout.by_id[found.facts.slot_id].name
    if found.running is None or request.query_params.get("slot", slot) != slot:
        return None
    settled, is_paid = await settled_minor(request, found.facts.id), "paid" in request.query_params
    due = fee_of_what_is_covered(tariff, stay_of(found.running, now))
    if is_paid and due.amount_minor > settled:
        return None
    url = _running_url(request, slot, is_paid)
    return running_figures(found.running, tariff, now, layout.lot.time_zone, url, settled)


def _running_url(request: Request, slot: str, is_paid: bool) -> str:
    """What the page shows: where the booking has another slot, or is not paid any more, it is to know."""
    shown = {"slot": slot, "paid": "1"} if is_paid else {"slot": slot}
    return f"/bookings/{request.path_params['token']}/running?{urlencode(shown)}"


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
        raise Problem(
            404,
            "no-such-booking",
            sentence("This link leads to no booking"),
            sentence("It may have ended long ago."),
        )
    return found, tariff, now, layout


def _extend(booked: Reservation, tariff: Tariff, now: datetime, time_zone: str, token: str) -> Extend | None:
    """A later end, at its price; from the planned end on, or from now where that is past or open."""
    begins = billed_to(booked, now)
    before = fee_of_what_is_covered(tariff, stay_of(booked, begins, begins))
    choices = []
    for minutes in EXTENSIONS_MIN:
        until = begins + timedelta(minutes=minutes)
        if until - booked.start_at > LONGEST_STAY:
            continue
        try:
            longer = fees.fee(tariff, stay_of(booked, until, until))
        except fees.NotCovered:
            # Nobody may stand there for so long, or nothing says what it costs.
            continue
        more = Money(max(0, longer.amount_minor - before.amount_minor), tariff.currency)
        choices.append(
            Extension(
                value=until.isoformat(),
                label=words.span(timedelta(minutes=minutes)),
                until_text=say("until {time}", time=words.clock(until, time_zone, now)),
                more=say("{amount} more", amount=more),
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


def release_form(
    booked: Reservation,
    tariff: Tariff,
    now: datetime,
    time_zone: str,
    token: str,
    settled: int,
    *,
    is_due: bool,
) -> Release:
    """How the booking is ended. ``is_due``: something is to be paid, or will be in a moment."""
    due = fee_of_what_is_covered(tariff, stay_of(booked, now))
    follows, paid_text = say("Somebody else may take the slot at once."), ""
    if due.amount_minor and settled >= due.amount_minor:
        asked = say("It is paid.")
        if not is_due:
            dearer = dearer_from(tariff, stay_of(booked, now), paid_minor=settled)
            paid_text = say("All is paid")
            if dearer is not None:
                paid_text = say("Paid until {time}", time=words.clock(dearer[0], time_zone, now))
            asked = say("Nothing more is to pay if you leave by then.") if dearer is not None else ""
    elif due.amount_minor:
        asked = say("You pay {amount}.", amount=left_to_pay(due, settled))
    elif now >= booked.start_at:
        asked = say("It costs nothing.")
    else:
        asked = say("It costs nothing: it has not begun.")
    return Release(
        action_url=f"/bookings/{token}/release",
        idempotency_key=new_id(),
        question=f"{asked} {follows}".strip(),
        paid_text=paid_text,
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
        paid_text=say("What it cost") if booked.amount_minor else say("Nothing to pay"),
        lines=fee_lines(Fee(booked.amount_minor, booked.currency, lines_from_stored(booked.lines))),
    )


def _codes(booked: Reservation, tariff: Tariff, token: str, typed: str, error: str) -> Codes | None:
    """Where no offer has a code there is none to ask for."""
    if not has_offers(tariff):
        return None
    full = (
        ""
        if len(booked.codes) < MOST_CODES
        else say("{count} codes are given, more can't be.", count=MOST_CODES)
    )
    return Codes(f"/bookings/{token}/code", tuple(booked.codes), typed, error, full)


def _ending_word(booked: ReservationHistory) -> str:
    if booked.ending == Ending.NO_SHOW:
        return say_in("a booking", "Not arrived in time")
    if booked.ended_at > booked.start_at:
        return say_in("a booking", "Released")
    return say_in("a booking", "Cancelled")


def _qr(link: str) -> Markup:
    """The link as a QR code with its quiet zone; the drawing is ours to trust."""
    if len(link) > LONGEST_LINK:
        return Markup("")
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True, dark="#000", light="#fff"
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno writes modules, never the text
