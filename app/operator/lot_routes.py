"""The operator's addresses of lots, areas and slots."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import account
from app.bookings import attend, lots
from app.bookings.desk import Desk
from app.bookings.forms import form_key
from app.bookings.jobs import Act
from app.bookings.paths import lot_in_path, slot_in_path
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.languages import say, say_many, told
from app.core.parts import part
from app.core.templating import page
from app.operator import lot_page as pages
from app.operator import lot_views as views
from app.operator.home_page import home_page
from app.operator.lot_forms import CURRENCIES, code_of, form_of, read_added, read_lot, read_slot, zones
from app.operator.money_views import filled
from app.slots.edits import AreaDetails
from app.slots.forms import SlotForm
from app.slots.importers.values import text_of
from app.slots.layout import Layout

_TOLD_HERE = (409, 412)
MOST_REFUSED = 20
LONGEST_REASON = 200


async def home(request: Request) -> Response:
    """``GET /operator``: every lot, and what needs attention."""
    return page("operator/home.html", await home_page(request))


async def to_home(request: Request) -> Response:
    """``GET /operator/lots``: the list is the start page."""
    return RedirectResponse(views.HOME, 303)


async def new_lot(request: Request) -> Response:
    """``GET /operator/new-lot``: an empty form."""
    return _new_lot(request, views.LotForm(time_zone="Europe/Berlin", currency="EUR"), 200)


async def create_lot(request: Request) -> Response:
    """``POST /operator/new-lot``: a lot without slots."""
    form, details = read_lot(await read_form(request))
    if details is None:
        return _new_lot(request, form, 422)
    try:
        lot = await lots.create_lot(part(request, Desk), code_of(form), details, account(request).name)
    except Problem as problem:
        if problem.status != 409:
            raise
        said = f"{told(problem.title)}."
        return _new_lot(request, replace(form, code=code_of(form), errors={"code": said}), 409)
    return RedirectResponse(filled(views.lot_url(lot.code), done="created"), 303)


def _new_lot(request: Request, form: views.LotForm, status: int) -> Response:
    view = views.NewLotPage(account(request).name, form, zones(), CURRENCIES)
    return page("operator/new_lot.html", view, status)


async def lot(request: Request) -> Response:
    """``GET /operator/lots/{lot}``: its details, areas and slots."""
    return await _shown(request, await lot_in_path(request), 200, notice=_done(request))


def _done(request: Request) -> str:
    """What the page says after what was just done."""
    number = request.query_params.get("n", "")
    n = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0
    match request.query_params.get("done", ""):
        case "created":
            return say("The lot is made. Now it needs slots: import them or add them.")
        case "saved":
            return say("Saved.")
        case "closed":
            return say("The lot is closed for booking. What is booked stays.")
        case "open":
            return say("The lot is open for booking.")
        case "added":
            return say_many("{count} slot was added.", "{count} slots were added.", n)
    return ""


async def edit_lot(request: Request) -> Response:
    """``POST /operator/lots/{lot}``: what is said of it."""
    layout = await lot_in_path(request)
    form, details = read_lot(await read_form(request), layout.lot.code)
    if details is None:
        return await _shown(request, layout, 422, form)
    desk = part(request, Desk)
    try:
        await lots.edit_lot(desk, layout.lot_id, details, form.seen, account(request).name)
    except Problem as problem:
        if problem.status not in _TOLD_HERE:
            raise
        desk.layouts.forget(layout.lot_id)
        fresh = await lot_in_path(request)
        # What is typed stays; saved once more it is written over what somebody else has saved.
        form = replace(form, seen=form_of(fresh.lot).seen)
        return await _shown(request, fresh, problem.status, form, **_said(problem))
    return RedirectResponse(filled(views.lot_url(layout.lot.code), done="saved"), 303)


async def works(request: Request) -> Response:
    """``POST /operator/lots/{lot}/works``: closes the lot for booking, or opens it."""
    layout = await lot_in_path(request)
    sent = await read_form(request)
    act = sent.get("act", "")
    if act not in list(Act):
        raise Problem(422, "unknown-action", "There is no such action", "Go back to the lot.")
    desk, by = part(request, Desk), account(request).name
    key = form_key(sent, f"{layout.lot.code} {act} lot")
    await attend.work_on_lot(desk, Act(act), layout.lot_id, key)
    reason = text_of(sent.get("reason", ""), LONGEST_REASON)
    done = "closed" if act == Act.CLOSE else "open"
    about = {"reason": reason} if reason else {}
    await lots.note_of_lot(
        desk, layout.lot_id, f"lot.{'closed' if act == Act.CLOSE else 'opened'}", by, **about
    )
    return RedirectResponse(filled(views.lot_url(layout.lot.code), done=done), 303)


async def add_slots(request: Request) -> Response:
    """``POST /operator/lots/{lot}/slots``: so many more, numbered."""
    layout = await lot_in_path(request)
    form, wanted = read_added(await read_form(request), layout.lot.code)
    if form.errors:
        return await _shown(request, layout, 422, None, form)
    # What was added before the server stopped halfway is there already, and is no refusal.
    there = [
        one.name
        for one in wanted
        if (known := layout.by_name.get(one.name or "")) is not None and known.identifier != one.identifier
    ]
    if there:
        said = say("There is a slot {name} already.", name=there[0])
        return await _shown(request, layout, 409, None, replace(form, errors={"first": said}))
    desk = part(request, Desk)
    done = await lots.put_slots(desk, layout.lot_id, wanted, account(request).name)
    if not done.refused:
        url = filled(views.lot_url(layout.lot.code), done="added", n=str(done.created))
        return RedirectResponse(f"{url}#slots", 303)
    said = say_many("{count} slot was added.", "{count} slots were added.", done.created)
    fresh = await lot_in_path(request)
    return await _shown(request, fresh, 409, None, form, notice=said, refused=_refused(done))


async def area(request: Request) -> Response:
    """``GET /operator/lots/{lot}/areas/{area}``: what is said of it, and of all its slots."""
    layout = await lot_in_path(request)
    found = pages.area_of(request, layout)
    notice = say("Saved.") if request.query_params.get("done") == "saved" else ""
    return page("operator/area.html", pages.area_page(request, layout, found, notice=notice))


async def edit_area(request: Request) -> Response:
    """``POST …/areas/{area}``: writes it; slots that are taken keep their kind, and are named."""
    layout = await lot_in_path(request)
    found = pages.area_of(request, layout)
    sent = await read_form(request)
    name, level = sent.get("name", "").strip(), sent.get("level", "").strip()
    errors = {}
    if text_of(name, 120) != name:
        errors["name"] = say("At most {most} printable characters.", most=120)
    is_number = level.removeprefix("-").isascii() and level.removeprefix("-").isdigit() and len(level) < 4
    if not is_number:
        errors["level"] = say("Give a number from {least} to {most}.", least=-99, most=99)
    if errors:
        return page("operator/area.html", pages.area_page(request, layout, found, sent, errors=errors), 422)
    desk, by = part(request, Desk), account(request).name
    details = AreaDetails(name, int(level), sent.get("premium") == "1")
    try:
        await lots.edit_area(desk, layout.lot_id, found.code, details, sent.get("seen", ""), by)
    except Problem as problem:
        if problem.status not in _TOLD_HERE:
            raise
        desk.layouts.forget(layout.lot_id)
        fresh = await lot_in_path(request)
        found = pages.area_of(request, fresh)
        again = {**sent, "seen": AreaDetails.of(found).tag}
        view = pages.area_page(request, fresh, found, again, **_said(problem))
        return page("operator/area.html", view, problem.status)
    done = await lots.put_slots(desk, layout.lot_id, _all_of(layout, found.code, sent), by)
    if done.refused:
        fresh = await lot_in_path(request)
        said = say("Saved, but for slots that are taken.")
        view = pages.area_page(
            request, fresh, pages.area_of(request, fresh), problem=said, refused=_refused(done)
        )
        return page("operator/area.html", view, 409)
    return RedirectResponse(filled(views.area_url(layout.lot.code, found.code), done="saved"), 303)


def _all_of(layout: Layout, area_code: str, sent: dict[str, str]) -> list[SlotForm]:
    """The slots of an area that are to become something else."""
    wished = {kind: sent.get(f"all_{kind}", "") for kind in pages.KINDS}
    kinds = {kind: wish == "yes" for kind, wish in wished.items() if wish in ("yes", "no")}
    return [
        SlotForm(identifier=slot.identifier, **kinds)  # type: ignore[arg-type]
        for slot in layout.slots
        if slot.area_code == area_code and any(getattr(slot, kind) != is_ for kind, is_ in kinds.items())
    ]


async def slot(request: Request) -> Response:
    """``GET /operator/lots/{lot}/slots/{slot}``: what is said of it."""
    layout = await lot_in_path(request)
    found = slot_in_path(request, layout)
    state = await pages.state_of(request, layout, found)
    return page("operator/slot.html", pages.slot_page(request, layout, found, state))


async def edit_slot(request: Request) -> Response:
    """``POST …/slots/{slot}``: writes it, where it is as its form was made from."""
    layout = await lot_in_path(request)
    found = slot_in_path(request, layout)
    sent = await read_form(request)
    form, errors = read_slot(sent, layout.lot.code, found.identifier)
    state = await pages.state_of(request, layout, found)
    if form is None:
        view = pages.slot_page(request, layout, found, state, sent, errors=errors)
        return page("operator/slot.html", view, 422)
    desk = part(request, Desk)
    done = await lots.put_slots(desk, layout.lot_id, [form], account(request).name)
    if done.refused:
        problem = done.refused[0][1]
        fresh = await lot_in_path(request)
        found = fresh.by_identifier.get(found.identifier, found)
        again = {**sent, "revision": str(found.revision)} if problem.status == 412 else sent
        view = pages.slot_page(request, fresh, found, state, again, **_said(problem))
        return page("operator/slot.html", view, problem.status)
    return RedirectResponse(
        filled(views.lot_url(layout.lot.code), done="saved", q=form.name or "") + "#slots", 303
    )


def _said(problem: Problem) -> dict[str, Any]:
    return {"problem": f"{told(problem.title)}.", "problem_more": told(problem.detail)}


def _refused(done: lots.SlotsPut) -> tuple[tuple[str, str], ...]:
    return tuple((name, told(why.title)) for name, why in done.refused[:MOST_REFUSED])


async def _shown(
    request: Request,
    layout: Layout,
    status: int,
    form: views.LotForm | None = None,
    add: views.AddForm | None = None,
    **said: Any,
) -> Response:
    return page("operator/lot.html", await pages.lot_page(request, layout, form, add, **said), status)
