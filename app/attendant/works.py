"""Closing and opening several slots of a lot, or all of it; of a whole area it asks before."""

from starlette.requests import Request
from starlette.responses import Response

from app.accounts.access import account
from app.attendant import desk_page
from app.attendant.acts import WrongField
from app.bookings import attend
from app.bookings.desk import Desk
from app.bookings.forms import form_key
from app.bookings.jobs import Act
from app.bookings.paths import lot_in_path
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.languages import say, say_many, sentence
from app.core.parts import part
from app.core.templating import page, wants_fragment
from app.slots.importers.values import in_natural_order
from app.slots.layout import LaidSlot, Layout

_FIELDS = ("area", "first", "last")


async def form(request: Request) -> Response:
    """``GET …/works?area=&first=&last=``: the form with what is named filled in."""
    layout = await lot_in_path(request)
    chosen = {name: request.query_params.get(name, "")[:64] for name in _FIELDS}
    return await _shown(request, layout, 200, shown=True, **chosen)


async def work(request: Request) -> Response:
    """``POST …/works``: closes or opens the lot, an area of it, or a stretch of one; says what came of it.

    A whole area only where ``sure`` is sent; else it is asked for.
    """
    layout = await lot_in_path(request)
    sent = await read_form(request)
    typed = {name: sent.get(name, "")[:64] for name in _FIELDS}
    try:
        notice = await _work(part(request, Desk), layout, sent, account(request).name)
    except WrongField as wrong:
        status = 422 if "error" in wrong.said else 200
        return await _shown(request, layout, status, **typed, **wrong.said)
    # Whether it is closed is read anew.
    layout = await lot_in_path(request)
    return await _shown(request, layout, 200, notice=notice)


async def _work(desk: Desk, layout: Layout, sent: dict[str, str], by: str) -> str:
    act, _, what = sent.get("act", "").partition(" ")
    if act not in list(Act):
        raise Problem(
            422, "unknown-action", sentence("There is no such action"), sentence("Go back to the desk.")
        )
    key = form_key(sent, f"{layout.lot.code} {sent['act']}")
    closes = act == Act.CLOSE
    if what == "lot":
        await attend.work_on_lot(desk, Act(act), layout.lot_id, key, by=by)
        if closes:
            return say("{lot} is closed.", lot=layout.lot.name)
        return say("{lot} is open.", lot=layout.lot.name)
    slots = _stretch(layout, sent.get("area", ""), sent.get("first", ""), sent.get("last", ""))
    is_whole = not any(sent.get(name, "").strip() for name in ("first", "last"))
    if is_whole and sent.get("sure") != "yes":
        raise WrongField(asks=act, count=len(slots))
    done = await attend.work_on(desk, Act(act), [slot.id for slot in slots], key, by=by)
    if closes:
        at_once = say_many("{count} closed.", "{count} closed.", done.at_once)
        later = say_many(
            "{count} will close when it is released.",
            "{count} will close when they are released.",
            done.later,
        )
    else:
        at_once = say_many("{count} opened.", "{count} opened.", done.at_once)
        later = say_many(
            "{count} other does not close any more.", "{count} others do not close any more.", done.later
        )
    return f"{at_once} {later}" if done.later else at_once


def _stretch(layout: Layout, area: str, first: str, last: str) -> list[LaidSlot]:
    """The slots of an area, or those from one to another, in the order of their names."""
    there = [slot for slot in layout.slots if slot.area_code == area]
    if not there:
        raise WrongField(error=say("Choose an area."))
    there.sort(key=lambda slot: in_natural_order(slot.name))
    at = {slot.name.upper(): index for index, slot in enumerate(there)}
    names = [name.strip().upper() for name in (first, last) if name.strip()]
    for name in names:
        if name not in at:
            raise WrongField(error=say("Area {area} has no slot {slot}.", area=area, slot=name))
    if not names:
        return there
    begin, end = sorted((at[names[0]], at[names[-1]]))
    return there[begin : end + 1]


async def _shown(request: Request, layout: Layout, status: int, **said: object) -> Response:
    view = desk_page.works(layout, **said)
    if wants_fragment(request):
        return page("attendant/_works.html", view, status)
    return page("attendant/lot.html", await desk_page.lot_page(request, layout, None, works_=view), status)
