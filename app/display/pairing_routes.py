"""The operator's addresses of displays: pair, see, move, revoke."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import COOKIE, account, cookie_name
from app.bookings.desk import run_again_on_conflict
from app.core import words
from app.core.db import Database
from app.core.errors import InvalidInput, Problem
from app.core.forms import read_form
from app.core.ids import digest
from app.core.languages import LANGUAGES, say, told
from app.core.parts import part
from app.core.templating import page
from app.core.web import origin_of
from app.display import pairing
from app.display.pairing import Paired, Wish
from app.display.pairing_views import DisplaysPage, Form, Option, Row, Seen
from app.display.presence import is_away
from app.slots import queries as slots

HOME = "/operator/displays"
MOST_LOTS = 1_000


async def displays(request: Request) -> Response:
    """``GET /operator/displays``: every display, and the form that pairs one."""
    view = await _page(request)
    return page("display/displays.html", replace(view, notice=_notice(request, view)))


async def seen(request: Request) -> Response:
    """``GET /operator/displays/seen``: when each display was connected last, for the open page."""
    found = await pairing.displays(part(request, Database))
    return page("display/_seen.html", [_seen(one) for one in found])


async def pair(request: Request) -> Response:
    """``POST /operator/displays``: pairs the screen that shows the code."""
    form, wish = await _typed(request)
    try:
        made: int = await run_again_on_conflict(lambda: pairing.pair(part(request, Database), wish))
    except Problem as problem:
        return await _refused(request, problem, form)
    return RedirectResponse(f"{HOME}?paired={made}", 303)


async def change(request: Request) -> Response:
    """``POST /operator/displays/{display}``: another name, lot or language."""
    form, wish = await _typed(request)
    number = _number(request)
    try:
        await run_again_on_conflict(lambda: pairing.change(part(request, Database), number, wish))
    except Problem as problem:
        return await _refused(request, problem, form, number)
    return RedirectResponse(f"{HOME}?changed={number}", 303)


async def revoke(request: Request) -> Response:
    """``POST /operator/displays/{display}/revoke``: the screen is no wall any more."""
    number, by = _number(request), account(request).name
    try:
        await run_again_on_conflict(lambda: pairing.revoke(part(request, Database), number, by))
    except Problem as problem:
        return await _refused(request, problem, Form())
    return RedirectResponse(f"{HOME}?revoked=1", 303)


async def _page(request: Request, form: Form | None = None, number: int | None = None) -> DisplaysPage:
    """``form`` holds what was typed: for a new display, or for the one of this number."""
    database = part(request, Database)
    async with database.look() as connection:
        lots = await slots.lots(connection, limit=MOST_LOTS)
    rows = [_row(one) for one in await pairing.displays(database)]
    if form is not None and number is not None:
        rows = [replace(row, form=form, open=True) if row.id == number else row for row in rows]
    return DisplaysPage(
        operator=account(request).name,
        address=f"{origin_of(request)}/display",
        lots=tuple(Option(one.code, one.name) for one in lots),
        rows=tuple(rows),
        form=form if form is not None and number is None else Form(),
    )


async def _refused(request: Request, problem: Problem, form: Form, number: int | None = None) -> Response:
    if isinstance(problem, InvalidInput):
        form = replace(form, errors={one.field: told(one.message) for one in problem.errors})
        return page("display/displays.html", await _page(request, form, number), 422)
    view = await _page(request, form)
    view = replace(view, problem=problem.title, problem_more=problem.detail)
    return page("display/displays.html", view, problem.status)


async def _typed(request: Request) -> tuple[Form, Wish]:
    sent = await read_form(request)
    name, lot, language, code = (sent.get(one, "")[:200] for one in ("name", "lot", "language", "code"))
    form = Form(name, lot, language, code)
    session = digest(request.cookies.get(cookie_name(request, COOKIE), ""))
    return form, Wish(form.name, form.lot, form.language, account(request).name, form.code, session)


def _number(request: Request) -> int:
    text = request.path_params["display"]
    # Of what is no number no display is called.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _row(one: Paired) -> Row:
    return Row(
        id=one.id,
        name=one.name,
        lot=one.lot_name,
        lot_url=f"/display/{one.lot_code}",
        language=LANGUAGES.get(one.language, ""),
        since=f"{words.day(one.paired_at, one.time_zone)} {words.clock(one.paired_at, one.time_zone)}",
        by=one.paired_by,
        seen=_seen(one),
        form=Form(one.name, one.lot_code, one.language),
    )


def _seen(one: Paired) -> Seen:
    away, last = is_away(one), one.last_seen_at
    if last is None:
        return Seen(one.id, say("Never seen") if away else say("Connecting"), away)
    if not away:
        return Seen(one.id, say("Connected"), away)
    at = words.clock(last, one.time_zone, one.now)
    return Seen(one.id, say("Last seen {time}, {span} ago", time=at, span=words.span(one.now - last)), away)


def _notice(request: Request, view: DisplaysPage) -> str:
    """What the page says after something that took place."""
    asked = request.query_params
    names = {str(row.id): row.name for row in view.rows}
    if name := names.get(asked.get("paired", "")):
        return say("{name} is paired. Its screen turns into the wall within a few seconds.", name=name)
    if name := names.get(asked.get("changed", "")):
        return say("{name} is changed. Its screen follows within a few seconds.", name=name)
    if asked.get("revoked") == "1":
        return say("The display is revoked. Its screen shows a new code within a few seconds.")
    return ""
