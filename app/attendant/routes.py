"""The attendant's addresses: read, ask, show."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import account
from app.attendant import desk_page, views
from app.bookings import attend
from app.bookings.codes import Giving, give_code
from app.bookings.deleting import delete_slot
from app.bookings.desk import Desk
from app.bookings.entity import what_is_wrong
from app.bookings.forms import IdempotencyKey, ReserveRequest, form_key
from app.bookings.jobs import Act
from app.bookings.paths import lot_in_path, slot_in_path
from app.bookings.reserve import reserve
from app.bookings.unreserve import release_seen
from app.core import metrics
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.money import Money
from app.core.parts import part
from app.core.templating import page, wants_fragment
from app.payments import records as payments
from app.payments.journal import Entry
from app.payments.paying import Cashier, Order, pay
from app.payments.problems import ABOUT_MONEY
from app.payments.refunding import give_back_surplus
from app.payments.tariffs.offers import LONGEST_CODE
from app.slots.importers.values import in_natural_order
from app.slots.layout import LaidSlot, Layout


@dataclass(frozen=True)
class _Acting:
    """What is to be done at a slot: by whom it was sent, and how."""

    desk: Desk
    layout: Layout
    slot: LaidSlot
    sent: dict[str, str]
    key: IdempotencyKey | None
    cashier: Cashier
    by: str

    @property
    def version(self) -> int:
        text = self.sent.get("version", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


@dataclass(frozen=True)
class _Done:
    """What was done, and at which slot that shows; at none where it is gone.

    ``status`` 202: it is written down later, and looking at the slot anew does not tell of it.
    """

    notice: str
    slot: LaidSlot | None
    status: int = 200


async def lots(request: Request) -> Response:
    """``GET /attendant``: the lots to choose from."""
    return page("attendant/lots.html", await desk_page.home(request))


async def lot(request: Request) -> Response:
    """``GET /attendant/lots/{lot}``: the desk."""
    return page("attendant/lot.html", await desk_page.lot_page(request, await lot_in_path(request), None))


async def slot(request: Request) -> Response:
    """``GET /attendant/lots/{lot}/slots/{slot}``: the slot's panel, or the desk with it."""
    layout = await lot_in_path(request)
    chosen = slot_in_path(request, layout)
    if wants_fragment(request):
        return page("attendant/_slot.html", await desk_page.slot_panel(request, layout, chosen))
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, chosen))


async def search(request: Request) -> Response:
    """``GET …/search?q=``: plates that hold what was typed."""
    layout = await lot_in_path(request)
    found = await desk_page.results(request, layout, request.query_params.get("q", ""))
    return page("attendant/_results.html", found)


async def todo(request: Request) -> Response:
    """``GET …/todo``: what waits for somebody."""
    return page("attendant/_todo.html", await desk_page.todo(request, await lot_in_path(request)))


async def arriving(request: Request) -> Response:
    """``GET …/arriving``: who comes next."""
    return page("attendant/_arriving.html", await desk_page.arriving(request, await lot_in_path(request)))


async def just_now(request: Request) -> Response:
    """``GET …/just-now``: what just happened."""
    return page("attendant/_just_now.html", await desk_page.just_now(request, await lot_in_path(request)))


async def works(request: Request) -> Response:
    """``POST …/works``: closes or opens the lot, an area of it, or a stretch of one; says what came of it."""
    layout = await lot_in_path(request)
    sent = await read_form(request)
    typed = {name: sent.get(name, "")[:64] for name in ("area", "first", "last")}
    try:
        notice = await _work(part(request, Desk), layout, sent)
    except _WrongField as wrong:
        return await _shown_works(request, layout, 422, **typed, **wrong.said)
    # Whether it is closed is read anew.
    layout = await lot_in_path(request)
    return await _shown_works(request, layout, 200, notice=notice)


async def _work(desk: Desk, layout: Layout, sent: dict[str, str]) -> str:
    act, _, what = sent.get("act", "").partition(" ")
    if act not in list(Act):
        raise Problem(422, "unknown-action", "There is no such action", "Go back to the desk.")
    key = form_key(sent, f"{layout.lot.code} {sent['act']}")
    closes = act == Act.CLOSE
    if what == "lot":
        await attend.work_on_lot(desk, Act(act), layout.lot_id, key)
        return f"{layout.lot.name} is {'closed' if closes else 'open'}."
    ids = _stretch(layout, sent.get("area", ""), sent.get("first", ""), sent.get("last", ""))
    done = await attend.work_on(desk, Act(act), ids, key)
    if closes:
        later = f" {done.later} will close when they are released." if done.later else ""
        return f"{done.at_once} closed.{later}"
    later = f" {done.later} others do not close any more." if done.later else ""
    return f"{done.at_once} opened.{later}"


def _stretch(layout: Layout, area: str, first: str, last: str) -> list[int]:
    """The slots of an area, or those from one to another, in the order of their names."""
    there = [slot for slot in layout.slots if slot.area_code == area]
    if not there:
        raise _WrongField(error="Choose an area.")
    there.sort(key=lambda slot: in_natural_order(slot.name))
    at = {slot.name.upper(): index for index, slot in enumerate(there)}
    names = [name.strip().upper() for name in (first, last) if name.strip()]
    for name in names:
        if name not in at:
            raise _WrongField(error=f"Area {area} has no slot {name}.")
    if not names:
        return [slot.id for slot in there]
    begin, end = sorted((at[names[0]], at[names[-1]]))
    return [slot.id for slot in there[begin : end + 1]]


async def _shown_works(request: Request, layout: Layout, status: int, **said: str) -> Response:
    view = desk_page.works(layout, **said)
    if wants_fragment(request):
        return page("attendant/_works.html", view, status)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, None, works_=view), status)


async def act(request: Request) -> Response:
    """``POST …/slots/{slot}/{action}``: does it, and shows the slot as it is then."""
    layout = await lot_in_path(request)
    chosen = slot_in_path(request, layout)
    action = request.path_params["action"]
    work = _ACTS.get(action)
    if work is None:
        raise Problem(404, "unknown-action", "There is no such action", "Go back to the slot.")
    sent = await read_form(request)
    try:
        key = form_key(sent, f"{chosen.identifier} {action}")
        by = account(request).name
        acting = _Acting(part(request, Desk), layout, chosen, sent, key, part(request, Cashier), by)
        done = await work(acting)
    except _WrongField as wrong:
        return await _shown(request, layout, chosen, 422, **wrong.said)
    except Problem as problem:
        if problem.type in _FOR_GOOD:
            return await _shown(request, layout, chosen, 409, refused=f"{problem.title}. {problem.detail}")
        if problem.status not in (404, 409) or problem.type == "no-such-slot":
            raise
        why = f"{problem.title}. {problem.detail}" if problem.type in ABOUT_MONEY else ""
        return await _shown(request, layout, chosen, 409, conflict=why or "The slot is shown as it is now.")
    if done.slot is None:
        return _go_to(request, views.lot_url(layout.lot.code))
    url = views.slot_url(layout.lot.code, done.slot.name)
    if not wants_fragment(request) and done.status == 200:
        return RedirectResponse(url, 303)
    shown = await _shown(request, layout, done.slot, done.status, notice=done.notice)
    if done.slot is not chosen:
        shown.headers["HX-Replace-Url"] = url
    return shown


def _go_to(request: Request, url: str) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)


class _WrongField(ValueError):
    """What was typed can't be used; ``said`` is how the page says so."""

    def __init__(self, **said: str) -> None:
        super().__init__()
        self.said = said


async def _check_in(one: _Acting) -> _Done:
    await attend.check_in(one.desk, one.slot.id, one.version, one.key)
    return _Done("Checked in.", one.slot)


async def _close(one: _Acting) -> _Done:
    await attend.close_slot(one.desk, one.slot.id, one.version, one.key)
    return _Done(f"{one.slot.name} is closed.", one.slot)


async def _close_when_free(one: _Acting) -> _Done:
    await attend.close_when_free(one.desk, one.slot.id, one.version, one.key)
    return _Done(f"{one.slot.name} closes when it comes free.", one.slot)


async def _open(one: _Acting) -> _Done:
    await attend.open_slot(one.desk, one.slot.id, one.version, one.key)
    if one.layout.lot.closed:
        return _Done(f"{one.slot.name} opens with the lot.", one.slot)
    return _Done(f"{one.slot.name} is open.", one.slot)


async def _keep_open(one: _Acting) -> _Done:
    await attend.keep_open(one.desk, one.slot.id, one.version, one.key)
    return _Done(f"{one.slot.name} stays open.", one.slot)


async def _release(one: _Acting) -> _Done:
    seen = one.slot.id, one.version
    done = await release_seen(one.desk, one.sent.get("reservation", ""), seen, one.key)
    await give_back_surplus(one.cashier, done.reservation)
    async with one.desk.database.look() as connection:
        standing = await payments.standing(connection, done.reservation)
    owed = Money(max(0, done.fee.amount_minor - standing.settled_minor), done.fee.currency)
    return _Done(f"Released, {owed.text() if owed.amount_minor else 'nothing'} to pay.", one.slot)


async def _pay(one: _Acting) -> _Done:
    order = Order(one.sent.get("means", ""), by=one.by)
    paid = await pay(one.cashier, one.sent.get("quote", ""), order)
    metrics.ATTENDED.labels("pay").inc()
    if isinstance(paid, Entry):
        amount = Money(paid.quote.amount_minor, paid.quote.currency).text()
        return _Done(f"{amount} taken. The receipt follows.", one.slot, 202)
    amount = Money(paid.amount_minor, paid.currency).text()
    return _Done(f"{amount} taken.", one.slot)


async def _walk_in(one: _Acting) -> _Done:
    plate = one.sent.get("plate", "")
    typed = plate[:120]
    if wrong := what_is_wrong(plate):
        raise _WrongField(plate=typed, plate_error=f"The plate {wrong}.")
    try:
        request = ReserveRequest(
            entity=plate,
            slot=one.slot.identifier,
            source="attendant",
            arrived=True,
            idempotency=one.key,
        )
        await reserve(one.desk, request)
    except Problem as problem:
        if problem.type == "entity-has-reservation":
            error = f"This plate stands on {problem.extra['name']} already."
            raise _WrongField(plate=typed, plate_error=error) from None
        raise
    metrics.ATTENDED.labels("walk-in").inc()
    return _Done("Booked and checked in.", one.slot)


async def _move(one: _Acting) -> _Done:
    typed = one.sent.get("to", "").strip()[:64]
    # Whoever types it need not mind its case.
    target = one.layout.by_name.get(typed) or next(
        (slot for slot in one.layout.slots if slot.name.upper() == typed.upper()), None
    )
    if target is None:
        wrong = f"{one.layout.lot.name} has no slot {typed}." if typed else "Say which slot."
        raise _WrongField(move_to=typed, move_error=wrong)
    seen = one.slot.id, one.version
    try:
        await attend.move_booking(one.desk, one.sent.get("reservation", ""), seen, target.id, one.key)
    except Problem as problem:
        if problem.type == "target-taken":
            raise _WrongField(move_to=typed, move_error=f"{target.name} is not free.") from None
        raise
    return _Done(f"Moved here from {one.slot.name}.", target)


async def _validate(one: _Acting) -> _Done:
    typed = one.sent.get("code", "")
    try:
        given = await give_code(one.desk, Giving(typed, one.sent.get("reservation", ""), by=one.by))
    except Problem as problem:
        if problem.type not in ("invalid-input", "no-more-codes"):
            raise
        why = problem.errors[0].message if problem.errors else problem.title
        shown = typed[:LONGEST_CODE]
        raise _WrongField(code=shown, code_error=f"{why[0].upper()}{why[1:]}.") from None
    metrics.ATTENDED.labels("validate").inc()
    if not given.fresh:
        return _Done(f"{given.code} is given already. It counts once.", one.slot)
    return _Done(f"Validated with {given.code}.", one.slot)


async def _delete(one: _Acting) -> _Done:
    await delete_slot(one.desk, one.slot.id, one.version)
    return _Done(f"{one.slot.name} is deleted.", None)


_ACTS: dict[str, Callable[[_Acting], Awaitable[_Done]]] = {
    "check-in": _check_in,
    "close": _close,
    "close-when-free": _close_when_free,
    "open": _open,
    "keep-open": _keep_open,
    "release": _release,
    "pay": _pay,
    "walk-in": _walk_in,
    "move": _move,
    "validate": _validate,
    "delete": _delete,
}
# Looking again changes nothing about these.
_FOR_GOOD = ("slot-was-used", "last-slot", "lot-closed")


async def _shown(request: Request, layout: Layout, chosen: LaidSlot, status: int, **said: str) -> Response:
    panel = await desk_page.slot_panel(request, layout, chosen, **said)
    if wants_fragment(request):
        return page("attendant/_slot.html", panel, status)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, chosen, panel), status)
