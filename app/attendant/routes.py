"""The attendant's addresses: read, ask, show."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.attendant import desk_page, views
from app.bookings import attend
from app.bookings.desk import Desk
from app.bookings.entity import what_is_wrong
from app.bookings.forms import IdempotencyKey, ReserveRequest, form_key
from app.bookings.paths import lot_in_path, slot_in_path
from app.bookings.reserve import reserve
from app.bookings.unreserve import release_seen
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.parts import part
from app.core.templating import page, wants_fragment
from app.slots.layout import LaidSlot, Layout

Act = Callable[[Desk, LaidSlot, dict[str, str], IdempotencyKey | None], Awaitable[str]]


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
        notice = await work(part(request, Desk), chosen, sent, key)
    except _WrongPlate as wrong:
        said = {"plate": sent.get("plate", "")[:120], "plate_error": str(wrong)}
        return await _shown(request, layout, chosen, 422, **said)
    except Problem as problem:
        if problem.status not in (404, 409):
            raise
        return await _shown(request, layout, chosen, 409, conflict="The slot is shown as it is now.")
    if not wants_fragment(request):
        return RedirectResponse(views.slot_url(layout.lot.code, chosen.name), 303)
    return await _shown(request, layout, chosen, 200, notice=notice)


class _WrongPlate(ValueError):
    """The plate can't be booked; the message says why."""


async def _check_in(desk: Desk, slot: LaidSlot, sent: dict[str, str], key: IdempotencyKey | None) -> str:
    await attend.check_in(desk, slot.id, _version(sent), key)
    return "Checked in."


async def _close(desk: Desk, slot: LaidSlot, sent: dict[str, str], key: IdempotencyKey | None) -> str:
    await attend.close_slot(desk, slot.id, _version(sent), key)
    return f"{slot.name} is closed."


async def _open(desk: Desk, slot: LaidSlot, sent: dict[str, str], key: IdempotencyKey | None) -> str:
    await attend.open_slot(desk, slot.id, _version(sent), key)
    return f"{slot.name} is open."


async def _release(desk: Desk, slot: LaidSlot, sent: dict[str, str], key: IdempotencyKey | None) -> str:
    done = await release_seen(desk, sent.get("reservation", ""), (slot.id, _version(sent)), key)
    return (
        f"Released, {done.fee.money.text()} to pay." if done.fee.amount_minor else "Released, nothing to pay."
    )


async def _walk_in(desk: Desk, slot: LaidSlot, sent: dict[str, str], key: IdempotencyKey | None) -> str:
    plate = sent.get("plate", "")
    if wrong := what_is_wrong(plate):
        raise _WrongPlate(f"The plate {wrong}.")
    try:
        request = ReserveRequest(
            entity=plate,
            slot=slot.identifier,
            source="attendant",
            arrived=True,
            idempotency=key,
        )
        await reserve(desk, request)
    except Problem as problem:
        if problem.type == "entity-has-reservation":
            raise _WrongPlate(f"This plate stands on {problem.extra['name']} already.") from None
        raise
    return "Booked and checked in."


_ACTS: dict[str, Act] = {
    "check-in": _check_in,
    "close": _close,
    "open": _open,
    "release": _release,
    "walk-in": _walk_in,
}


def _version(sent: dict[str, str]) -> int:
    text = sent.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


async def _shown(request: Request, layout: Layout, chosen: LaidSlot, status: int, **said: str) -> Response:
    panel = await desk_page.slot_panel(request, layout, chosen, **said)
    if wants_fragment(request):
        return page("attendant/_slot.html", panel, status)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, chosen, panel), status)
