"""The attendant's addresses: read, ask, show."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import Handler, account
from app.attendant import desk_page, lists
from app.attendant.acts import ACTS, FOR_GOOD, Acting, Done, WrongField, afterwards
from app.attendant.just_now import just_now as what_just_happened
from app.attendant.slot_panel import slot_panel
from app.attendant.urls import lot_url, slot_url
from app.bookings.desk import Desk
from app.bookings.forms import form_key
from app.bookings.paths import lot_in_path, slot_in_path
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.languages import say, sentence, told
from app.core.parts import part
from app.core.templating import page, wants_fragment
from app.payments.paying import Cashier
from app.payments.problems import ABOUT_MONEY
from app.slots.layout import LaidSlot, Layout


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
        return page("attendant/_slot.html", await slot_panel(request, layout, chosen))
    asked = request.query_params
    done = afterwards(asked.get("done", ""), layout, chosen, asked.get("from", ""))
    said = {} if done is None else {"notice": done.notice, "undo": done.undo}
    panel = await slot_panel(request, layout, chosen, **said)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, chosen, panel))


def _list(template: str, read: Callable[[Request, Layout], Awaitable[object]]) -> Handler:
    async def shown(request: Request) -> Response:
        return page(f"attendant/{template}.html", await read(request, await lot_in_path(request)))

    return shown


todo = _list("_todo", lists.todo)
arriving = _list("_arriving", lists.arriving)
waiting = _list("_waiting", lists.waiting)
closed = _list("_closed", lists.closed)
just_now = _list("_just_now", what_just_happened)


async def search(request: Request) -> Response:
    """``GET …/search?q=``: plates that hold what was typed."""
    layout = await lot_in_path(request)
    found = await lists.results(request, layout, request.query_params.get("q", ""))
    return page("attendant/_results.html", found)


async def act(request: Request) -> Response:
    """``POST …/slots/{slot}/{action}``: does it, and shows the slot as it is then."""
    layout = await lot_in_path(request)
    chosen = slot_in_path(request, layout)
    action = request.path_params["action"]
    work = ACTS.get(action)
    if work is None:
        raise Problem(
            404, "unknown-action", sentence("There is no such action"), sentence("Go back to the slot.")
        )
    sent = await read_form(request)
    try:
        key = form_key(sent, f"{chosen.identifier} {action}")
        by = account(request).name
        acting = Acting(part(request, Desk), layout, chosen, sent, key, part(request, Cashier), by)
        done = await work(acting)
    except WrongField as wrong:
        return await _shown(request, layout, chosen, 422, **wrong.said)
    except Problem as problem:
        why = f"{told(problem.title)}. {told(problem.detail)}"
        if problem.type in FOR_GOOD:
            return await _shown(request, layout, chosen, 409, refused=why)
        if problem.status not in (404, 409) or problem.type == "no-such-slot":
            raise
        if problem.type not in ABOUT_MONEY:
            why = say("The slot is shown as it is now.")
        return await _shown(request, layout, chosen, 409, conflict=why)
    if done.slot is None:
        return _go_to(request, lot_url(layout.lot.code))
    url = slot_url(layout.lot.code, done.slot.name)
    if not wants_fragment(request) and done.status == 200:
        return RedirectResponse(_told_there(url, action, done), 303)
    shown = await _shown(request, layout, done.slot, done.status, notice=done.notice, undo=done.undo)
    if done.slot is not chosen:
        shown.headers["HX-Replace-Url"] = url
    return shown


def _told_there(url: str, action: str, done: Done) -> str:
    """The page of the slot, at its panel, which says what was done."""
    said = {"done": action, **({"from": done.came_from} if done.came_from else {})}
    return f"{url}?{urlencode(said)}#slot-panel"


def _go_to(request: Request, url: str) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": url})
    return RedirectResponse(url, 303)


async def _shown(request: Request, layout: Layout, chosen: LaidSlot, status: int, **said: object) -> Response:
    panel = await slot_panel(request, layout, chosen, **said)
    if wants_fragment(request):
        return page("attendant/_slot.html", panel, status)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, chosen, panel), status)
