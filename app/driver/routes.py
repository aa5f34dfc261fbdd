"""The driver's addresses: read, ask, show."""

from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket

from app.accounts.access import cookie_name, reservation
from app.bookings.codes import Giving, give_code
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, form_key
from app.bookings.giving_back import HELD_FOR
from app.bookings.hold import held_for, hold_nearest, join, leave, let_go
from app.bookings.jobs import Arriving
from app.bookings.leaving import leave as leave_with
from app.bookings.models import Hold
from app.bookings.paths import lot_in_path, lot_of_socket, slot_in_path
from app.bookings.records import slot_by
from app.bookings.reserve import reserve
from app.bookings.stay import arrive, extend, extension
from app.bookings.unreserve import release
from app.core.db import Database, SqlAway
from app.core.errors import FieldError, InvalidInput, Problem
from app.core.forms import read_form
from app.core.languages import say, sentence, told
from app.core.parts import part
from app.core.templating import page, wants_fragment
from app.core.web import origin_of
from app.driver import booking_page, cookies, panel, paying
from app.driver.lot_page import elsewhere, lot_page, mine, nearest_free, panel_for, picture_of
from app.driver.lots import MOST_LOTS, ListProjection
from app.driver.lots import lot_list as lot_list_view
from app.driver.my_bookings import my_bookings as my_bookings_view
from app.driver.tour import shown_tour
from app.driver.views import LotsPage, Notice, Panel
from app.driver.visitors import COOKIE, known_browser, remember, visitor
from app.driver.waiting import standing, wishes
from app.live.hub import Hub
from app.live.sockets import TRY_AGAIN_LATER, serve
from app.payments.asking import give_up, payment_of
from app.payments.journal import Entry
from app.payments.models import PaymentState
from app.payments.paying import Cashier, Order, as_problem, pay, refuse_quote_of_another
from app.payments.problems import ABOUT_MONEY, no_such_payment
from app.payments.records import payments_of
from app.payments.tariffs.offers import LONGEST_CODE
from app.slots.layout import LaidSlot, Layout, Layouts
from app.slots.models import State
from app.slots.projections import MapProjection

# The holder's page is a secret by its address: nobody else is to learn it, nor the log of a proxy. Without
# any origin a browser would send its forms as if from nowhere.
SECRET_PAGE = {"Referrer-Policy": "strict-origin", "X-Robots-Tag": "noindex"}


async def lots(request: Request) -> Response:
    """``GET /``: the lots to choose from."""
    view = await lot_list_view(request, request.query_params.get("q", ""))
    codes = ",".join(row.code for row in view.rows)
    shown = LotsPage(
        view, feed_url=f"/ws/lots?codes={codes}" if codes else "", tour=await shown_tour(request)
    )
    return page("driver/lots.html", shown)


async def lot_list(request: Request) -> Response:
    """``GET /lots``: the list alone, for a page that is open."""
    if not wants_fragment(request):
        return RedirectResponse("/", 303)
    query = request.query_params
    return page(
        "driver/_lot_list.html", await lot_list_view(request, query.get("q", ""), query.get("chosen", ""))
    )


async def lot(request: Request) -> Response:
    """``GET /lots/{lot}``: its map, with the slot that ``?slot=`` names chosen."""
    return page("driver/lot.html", await lot_page(request, await lot_in_path(request)))


async def nearest(request: Request) -> Response:
    """``GET /lots/{lot}/nearest``: the nearest free slot, chosen."""
    layout = await lot_in_path(request)
    picture = await picture_of(request, layout)
    layout = picture.layout
    slot = nearest_free(layout, picture)
    shown = await panel_for(request, layout, picture, slot, dict(request.query_params))
    if slot is None and shown.kind == "choose":
        # What is left is given only to who asks for it.
        shown = panel.full(layout, await elsewhere(request, layout), has_free=True)
    return await _panel_or_page(request, layout, shown)


async def panel_of_slot(request: Request) -> Response:
    """``GET /lots/{lot}/slots/{slot}``: what it costs, and the form that books it."""
    layout = await lot_in_path(request)
    picture = await picture_of(request, layout)
    slot = slot_in_path(request, picture.layout)
    shown = await panel_for(request, picture.layout, picture, slot, dict(request.query_params))
    return await _panel_or_page(request, picture.layout, shown)


async def book(request: Request) -> Response:
    """``POST /lots/{lot}/slots/{slot}``: books it, or says at the form what stands in the way."""
    layout = await lot_in_path(request)
    slot = slot_in_path(request, layout)
    sent = await read_form(request)
    desk = part(request, Desk)
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
    sent["tried"] = "1"
    choices = panel.Choices.read(sent)
    times = panel.times(choices, layout.lot.time_zone, now)
    hold = await _hold_on(request, slot)
    asked = _asked(layout, slot, choices, times, form_key(sent, slot.identifier), hold.id if hold else None)
    if times.errors:
        wrong = panel.errors_so_far(choices, times, asked.wrong_fields(now))
        return await _wrong(request, layout, slot, sent, wrong)
    try:
        done = await reserve(desk, asked)
    except InvalidInput as problem:
        return await _wrong(request, layout, slot, sent, panel.errors_by_field(list(problem.errors)))
    except Problem as problem:
        return await _refused(request, layout, slot, sent, problem)
    response = _go_to(request, f"/bookings/{done.token}")
    cookies.remember(request, response, done.token)
    return response


async def _wrong(
    request: Request, layout: Layout, slot: LaidSlot, sent: dict[str, str], errors: dict[str, str]
) -> Response:
    """The form with what is wrong in it; no form for a slot that is not to be had any more."""
    gone = await _is_gone(request, layout, slot)
    notice = _taken(slot) if gone else None
    return await _again(request, layout, slot, sent, 422, errors=errors, notice=notice, gone=gone)


async def price_panel(request: Request) -> Response:
    """``POST /lots/{lot}/slots/{slot}/price``: the panel for what is filled in so far; nothing is booked.

    It is posted so that the plate is in no address. Where the slot was taken meanwhile it says so, and stays
    with that slot: another one must not come under a finger that is about to press.
    """
    layout = (await picture_of(request, await lot_in_path(request))).layout
    slot = slot_in_path(request, layout)
    sent = await read_form(request)
    desk = part(request, Desk)
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
    choices = panel.Choices.read(sent)
    times = panel.times(choices, layout.lot.time_zone, now)
    wrong = _asked(layout, slot, choices, times, None).wrong_fields(now)
    errors = panel.errors_so_far(choices, times, wrong)
    gone = await _is_gone(request, layout, slot)
    if gone and (stands := await standing(request, layout)) is not None and stands.was_passed:
        # What was held for a minute is somebody else's now: it is told, and one may wait again.
        return await _lot_again(request, layout)
    notice = _taken(slot) if gone else None
    return await _again(request, layout, slot, sent, 200, errors=errors, notice=notice, gone=gone)


async def _is_gone(request: Request, layout: Layout, slot: LaidSlot) -> bool:
    """Whether the slot of an open form is somebody else's meanwhile."""
    async with part(request, Database).look() as connection:
        row = await slot_by(connection, identifier=slot.identifier)
    return (
        row is not None
        and row.state is not State.FREE
        and slot.position not in await mine(request, layout)
        and await _hold_on(request, slot) is None
    )


def _taken(slot: LaidSlot) -> Notice:
    return Notice(
        say("{slot} was just taken.", slot=slot.name), say("The button shows the nearest like it."), "stale"
    )


def _asked(
    layout: Layout,
    slot: LaidSlot,
    choices: panel.Choices,
    times: panel.Times,
    idempotency: IdempotencyKey | None,
    hold: str | None = None,
) -> ReserveRequest:
    return ReserveRequest(
        entity=choices.entity,
        lot=layout.lot.code,
        slot=slot.identifier,
        start=times.start,
        until=times.until,
        source="browser",
        hold=hold,
        idempotency=idempotency,
    )


async def _hold_on(request: Request, slot: LaidSlot) -> Hold | None:
    """What keeps this slot for this browser."""
    browser = known_browser(request)
    found = await held_for(part(request, Desk), browser) if browser else None
    return found if found is not None and found.slot_id == slot.id else None


async def let_go_slot(request: Request) -> Response:
    """``POST /lots/{lot}/slots/{slot}/let-go``: the slot is held no more; repeated, it is not either."""
    layout = await lot_in_path(request)
    hold = await _hold_on(request, slot_in_path(request, layout))
    if hold is not None:
        await let_go(part(request, Desk), hold.id, hold.browser)
    return await _lot_again(request, layout)


async def wait(request: Request) -> Response:
    """``POST /lots/{lot}/wait``: stands in the line, or is shown the slot that is free after all."""
    layout = await lot_in_path(request)
    sent = await read_form(request)
    known = wishes(layout)
    wish = known.get(sent.get("kind", ""))
    if wish is None:
        words = ", ".join(filter(None, known)) or sentence("there is but one kind here")
        raise InvalidInput([FieldError("kind", sentence("is none of these: {words}", words=words))])
    if layout.lot.closed:
        return await _lot_again(request, layout)
    who, secret = visitor(request)
    await join(part(request, Desk), layout.lot_id, wish, who)
    # What follows already knows the browser, which has its cookie only after it.
    request.cookies[cookie_name(request, COOKIE)] = secret
    response = await _lot_again(request, layout)
    remember(request, response, secret)
    return response


async def waiting(request: Request) -> Response:
    """``GET /lots/{lot}/wait``: the panel of who waits: the line, or the slot that is held now."""
    return await _lot_again(request, await lot_in_path(request))


async def leave_line(request: Request) -> Response:
    """``POST /lots/{lot}/wait/leave``: waits no more."""
    layout = await lot_in_path(request)
    if (browser := known_browser(request)) is not None:
        await leave(part(request, Desk), browser)
    return await _lot_again(request, layout)


async def _lot_again(request: Request, layout: Layout) -> Response:
    """The lot's panel as it is now; without a script the whole page."""
    if not wants_fragment(request) and request.method == "POST":
        return RedirectResponse(f"/lots/{quote(layout.lot.code)}", 303)
    picture = await picture_of(request, layout)
    shown = await panel_for(request, picture.layout, picture, None, {})
    return await _panel_or_page(request, picture.layout, shown)


async def my_bookings(request: Request) -> Response:
    """``GET /bookings``: those of this browser."""
    return page("driver/my_bookings.html", await my_bookings_view(request))


async def booking(request: Request) -> Response:
    """``GET /bookings/{token}``: a booking, for whoever holds its secret."""
    return page("driver/booking.html", await booking_page.booking_page(request), headers=SECRET_PAGE)


async def running(request: Request) -> Response:
    """``GET /bookings/{token}/running``: time and price so far; the whole page once it has ended."""
    view = await booking_page.running_view(request)
    if view is None:
        # By its address: a page that a form has answered with has another one, which only takes forms.
        return Response(status_code=204, headers={"HX-Redirect": f"/bookings/{request.path_params['token']}"})
    return page("driver/_running.html", view, headers=SECRET_PAGE)


async def release_booking(request: Request) -> Response:
    """``POST /bookings/{token}/release``: ends it; repeated, it shows the same end."""
    await release(part(request, Desk), reservation(request))
    return _go_to(request, f"/bookings/{request.path_params['token']}")


async def extend_booking(request: Request) -> Response:
    """``POST /bookings/{token}/extend``: moves the planned end; repeated, it is moved once."""
    sent = await read_form(request)
    held = reservation(request)
    try:
        until, seen = _instant(sent.get("until", "")), sent.get("seen_until", "")
        key = form_key(sent, f"extend {held}")
        asked = extension(held, until, _instant(seen) if seen else None, key)
        await extend(part(request, Desk), asked)
    except Problem as problem:
        return await _booking_again(request, problem)
    return _go_to(request, f"/bookings/{request.path_params['token']}")


async def check_in_booking(request: Request) -> Response:
    """``POST /bookings/{token}/check-in``: the car stands there; repeated, it has come once."""
    sent = await read_form(request)
    held = reservation(request)
    try:
        key = form_key(sent, f"check-in {held}")
        await arrive(part(request, Desk), Arriving(reservation=held, key=key, by_holder=True))
    except Problem as problem:
        return await _booking_again(request, problem)
    return _go_to(request, f"/bookings/{request.path_params['token']}")


async def give_code_to_booking(request: Request) -> Response:
    """``POST /bookings/{token}/code``: gives an offer's code; repeated, it is given once."""
    sent = await read_form(request)
    typed = sent.get("code", "")
    try:
        given = await give_code(part(request, Desk), Giving(typed, reservation(request)))
    except InvalidInput as wrong:
        return await _code_again(request, typed, wrong.errors[0].message)
    except Problem as problem:
        if problem.type not in ("no-more-codes", "too-many-wrong-codes"):
            return await _booking_again(request, problem)
        return await _code_again(
            request, typed, f"{told(problem.title)}. {told(problem.detail)}", problem.status
        )
    if not given.fresh:
        notice = Notice(say("{code} is given already.", code=given.code), say("It counts once."))
        return page(
            "driver/booking.html", await booking_page.booking_page(request, notice), headers=SECRET_PAGE
        )
    return _go_to(request, f"/bookings/{request.path_params['token']}")


async def _code_again(request: Request, typed: str, why: str, status: int = 422) -> Response:
    """The booking as it is now, with what was typed and why it was not taken."""
    said = told(why)
    error = f"{said[0].upper()}{said[1:].rstrip('.')}."
    shown = await booking_page.booking_page(request, typed=typed[:LONGEST_CODE], error=error)
    return page("driver/booking.html", shown, status, headers=SECRET_PAGE)


async def pay_booking(request: Request) -> Response:
    """``POST /bookings/{token}/pay``: pays what was quoted; sent again, it is paid once."""
    sent = await read_form(request)
    held = reservation(request)
    here = f"/bookings/{request.path_params['token']}"
    try:
        order = Order(sent.get("means", ""), origin=origin_of(request), leaves=bool(sent.get("leave")))
        refuse_quote_of_another(part(request, Cashier), sent.get("quote", ""), held)
        paid = await pay(part(request, Cashier), sent.get("quote", ""), order)
        if isinstance(paid, Entry):
            shown = paying.accepted_page(paid, here)
            return page("driver/accepted.html", shown, 202, headers=SECRET_PAGE)
        if (refused := as_problem(paid)) is not None:
            raise refused
    except Problem as problem:
        return await _booking_again(request, problem)
    if urlsplit(paid.next_url).netloc:
        return page("driver/onward.html", paying.onward_page(paid), headers=SECRET_PAGE)
    if paid.next_url:
        return _go_to(request, paid.next_url)
    await leave_with(part(request, Desk), part(request, Cashier), paid)
    return _go_to(request, paying.booking_after_paying(request.path_params["token"]))


async def payment_waits(request: Request) -> Response:
    """``GET /bookings/{token}/pay/waits``: nothing while a payment is under way, then the page anew."""
    async with part(request, Database).look() as connection:
        found = await payments_of(connection, reservation(request))
    if not found:
        raise no_such_payment()
    if any(one.state == PaymentState.PENDING for one in found):
        return Response(status_code=204)
    after = paying.booking_after_paying(request.path_params["token"])
    return Response(status_code=204, headers={"HX-Redirect": after})


async def give_up_payment(request: Request) -> Response:
    """``POST /bookings/{token}/pay/give-up``: ends an attempt that waits for its payer."""
    sent = await read_form(request)
    try:
        payment = await payment_of(part(request, Cashier), sent.get("payment", ""), reservation(request))
        await give_up(part(request, Cashier), payment)
    except Problem as problem:
        return await _booking_again(request, problem)
    return _go_to(request, paying.booking_after_paying(request.path_params["token"]))


async def booking_form(request: Request) -> Response:
    """``GET`` of an address that takes a form, as after a reload: the booking's page."""
    return RedirectResponse(await booking_page.known_address(request), 303)


async def _booking_again(request: Request, problem: Problem) -> Response:
    """The booking as it is now, and why it could not be changed."""
    if problem.status not in (402, 403, 409, 422):
        raise problem
    shown = say("The booking is shown as it is now.")
    if problem.status == 402:
        text = told(problem.detail)
    elif problem.type in ABOUT_MONEY:
        text = " ".join((say("Nothing was charged now."), shown))
    else:
        text = shown
    notice = Notice(f"{told(problem.title)}.", text, "problem")
    view = await booking_page.booking_page(request, notice)
    return page("driver/booking.html", view, problem.status, headers=SECRET_PAGE)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput([FieldError("until", sentence("is none of these"))])
    return found


async def lot_feed(socket: WebSocket) -> None:
    """``/ws/lots/{lot}``: the map's changes and counts."""
    lot_id = await lot_of_socket(socket)
    if lot_id is None:
        return
    await serve(socket, part(socket, Hub), [lot_id], MapProjection())


async def list_feed(socket: WebSocket) -> None:
    """``/ws/lots?codes=a,b``: the figures of several lots."""
    layouts = part(socket, Layouts)
    codes = list(dict.fromkeys(socket.query_params.get("codes", "").split(",")))[:MOST_LOTS]
    try:
        found = [await layouts.id_of(code) for code in codes]
    except SqlAway:
        await socket.close(TRY_AGAIN_LATER)
        return
    await serve(socket, part(socket, Hub), [one for one in found if one is not None], ListProjection())


async def _refused(
    request: Request,
    layout: Layout,
    slot: LaidSlot,
    sent: dict[str, str],
    problem: Problem,
) -> Response:
    """What the panel says when the booking was refused."""
    if problem.type == "entity-has-reservation":
        errors = {
            "entity": say("This plate has a booking already. Release that one first, under My bookings.")
        }
        return await _again(request, layout, slot, sent, 409, errors=errors)
    if problem.type not in ("slot-taken", "slot-closed"):
        raise problem
    who, secret = visitor(request)
    held = await hold_nearest(part(request, Desk), slot.identifier, who)
    like = held.slot if held else problem.extra.get("nearest")
    other = next((one for one in layout.slots if one.identifier == like), None)
    gone = say("{slot} was just taken.", slot=slot.name)
    if problem.type == "slot-closed":
        gone = say("{slot} was just closed.", slot=slot.name)
    if other is None:
        picture = await picture_of(request, layout)
        shown = panel.unavailable(layout, slot, picture.states[slot.position] or 1)
        notice = Notice(gone, say("No slot like it is free."), "stale")
        return await _panel_or_page(request, layout, replace(shown, notice=notice), 409)
    text = say("{slot} is the nearest like it.", slot=other.name)
    if held:
        text = say(
            "{slot} is the nearest like it, held for you for {seconds} s.",
            slot=other.name,
            seconds=HELD_FOR.seconds,
        )
    notice = Notice(gone, text, "stale")
    if held:
        request.cookies[cookie_name(request, COOKIE)] = secret
    response = await _again(request, layout, other, sent, 409, notice=notice)
    if held:
        remember(request, response, secret)
    return response


async def _again(
    request: Request,
    layout: Layout,
    slot: LaidSlot,
    sent: dict[str, str],
    status: int,
    errors: dict[str, str] | None = None,
    notice: Notice | None = None,
    gone: bool = False,
) -> Response:
    """The form again, with what was typed. ``gone`` keeps it although the slot is not free any more."""
    picture = await picture_of(request, layout)
    shown = await panel_for(request, layout, picture, slot, sent, notice, errors, gone=gone)
    return await _panel_or_page(request, layout, shown, status)


async def _panel_or_page(request: Request, layout: Layout, shown: Panel, status: int = 200) -> Response:
    if wants_fragment(request):
        return page("driver/_panel.html", shown, status)
    return page("driver/lot.html", await lot_page(request, layout, shown), status)


def _go_to(request: Request, url: str) -> Response:
    """Goes to another page: by a header for htmx, else by a redirect."""
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)
