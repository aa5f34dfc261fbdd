"""The operator's addresses: read, ask, show."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import account
from app.bookings.desk import run_again_on_conflict
from app.bookings.paths import lot_in_path
from app.core.db import Database
from app.core.forms import read_form
from app.core.languages import say
from app.core.parts import part
from app.core.templating import page
from app.operator import tariff_page, views
from app.operator.draft import Draft
from app.operator.publishing import AnotherVersion, Publication, publish
from app.operator.tariff_form import Typed
from app.operator.tariff_list import tariffs_page

# A row has eight fields, and a tariff at most a hundred rows.
MOST_FIELDS = 1_000


async def tariffs(request: Request) -> Response:
    """``GET /operator/tariffs``: every lot with its tariff."""
    return page("operator/tariffs.html", await tariffs_page(request))


async def tariff(request: Request) -> Response:
    """``GET /operator/lots/{lot}/tariff``: the form of a lot's tariff; ``?area=`` of an area's own."""
    place = await _place(request)
    found = await tariff_page.known(request, place)
    draft = place.draft(tariff_page.typed_of(place, found), found.now)
    own = tariff_page.first_own_stay(place, found.now)
    notice = _published(request.query_params.get("published", ""), found)
    return page(
        "operator/tariff.html",
        await tariff_page.tariff_page(request, place, found, draft, own, notice=notice),
    )


async def preview_tariff(request: Request) -> Response:
    """``POST …/tariff/preview``: what stays would cost by what is filled in so far. Nothing is stored."""
    place = await _place(request)
    sent = await read_form(request, MOST_FIELDS)
    found = await tariff_page.known(request, place)
    draft = place.draft(Typed.read(sent), found.now)
    own = tariff_page.own_stay(place, sent, adds=False)
    shown = await tariff_page.preview(place, found, draft, own.kept)
    return page("operator/_preview.html", views.PreviewAnswer(shown, place.url))


async def send_tariff(request: Request) -> Response:
    """``POST …/tariff``: publishes it; or, by the button that was pressed, gives the form back, changed."""
    place = await _place(request)
    sent = await read_form(request, MOST_FIELDS)
    act, _, which = sent.get("act", "").partition(" ")
    typed = Typed.read(sent)
    number = int(which) if which.isascii() and which.isdigit() and len(which) < 6 else -1
    focus = ""
    if act == "add-band":
        typed = typed.with_another_band()
        focus = f"band-{typed.bands[-1].key}-name" if typed.bands else ""
    elif act == "remove-band":
        typed, focus = typed.without_band(number), "add-band"
    elif act == "add-code":
        typed = typed.with_another_code()
        focus = f"code-{typed.codes[-1].key}-code" if typed.codes else ""
    elif act == "remove-code":
        typed, focus = typed.without_code(number), "add-code"
    own = tariff_page.own_stay(
        place, sent, adds=act == "add-stay", drops=number if act == "remove-stay" else None
    )
    if act in ("add-stay", "remove-stay"):
        focus = "stay_from" if own.error else "add-stay"
    found = await tariff_page.known(request, place)
    draft = place.draft(typed, found.now)
    if act != "publish":
        view = await tariff_page.tariff_page(request, place, found, draft, own, focus=focus)
        return page("operator/tariff.html", replace(view, made_from=_made_from(sent)))
    if not draft.lines and not draft.errors:
        draft = replace(draft, errors={"other": say("A tariff without any line says nothing: add a row.")})
    if draft.errors:
        view = await tariff_page.tariff_page(request, place, found, draft, own, shows_errors=True)
        return page("operator/tariff.html", replace(view, made_from=_made_from(sent)), 422)
    try:
        version = await _publish(request, place, draft, _made_from(sent))
    except AnotherVersion as other:
        found = await tariff_page.known(request, place)
        view = await tariff_page.tariff_page(
            request, place, found, draft, own, meanwhile=tariff_page.what_came(place, other)
        )
        return page("operator/tariff.html", view, 409)
    separator = "&" if "?" in place.url else "?"
    return RedirectResponse(f"{place.url}{separator}published={version}", 303)


async def _place(request: Request) -> tariff_page.Place:
    return tariff_page.place_of(await lot_in_path(request), request.query_params.get("area", ""))


async def _publish(request: Request, place: tariff_page.Place, draft: Draft, made_from: int) -> int:
    database = part(request, Database)
    asked = Publication(
        place.layout.lot, place.area_id, draft.lines, draft.starts, account(request).name, made_from
    )

    async def work() -> int:
        async with database.unit_of_work() as connection:
            return await publish(connection, asked, await database.now(connection))

    version: int = await run_again_on_conflict(work)
    return version


def _made_from(sent: dict[str, str]) -> int:
    """The version that the form was made from; what is none is older than all."""
    text = sent.get("made_from", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _published(text: str, found: tariff_page.Known) -> str:
    """What the page says after a publication that took place."""
    if found.newest is None or text != str(found.number):
        return ""
    if found.newest.valid_from <= found.now:
        return say("Version {number} is in force.", number=found.number)
    return say("Version {number} is published.", number=found.number)
