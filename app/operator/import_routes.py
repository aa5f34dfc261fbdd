"""The operator's addresses of imports: send a file, see what it would do, do it, see how far it is."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import account
from app.core.db import Database
from app.core.errors import Problem
from app.core.forms import read_form, read_upload
from app.core.languages import say, sentence
from app.core.parts import part
from app.core.templating import page
from app.operator import import_page as pages
from app.operator.import_preview import preview
from app.operator.import_runs import Imports
from app.operator.uploads import MOST_BYTES, TRIED, Upload
from app.slots import queries
from app.slots.importers import ImportRefused
from app.slots.importers.values import is_currency, is_time_zone


async def form(request: Request) -> Response:
    """``GET /operator/import``: which file, and what holds where it says nothing."""
    return page("operator/import.html", await pages.import_form(request, request.query_params))


async def send(request: Request) -> Response:
    """``POST /operator/import``: keeps the file and shows what it would do. Nothing is imported yet."""
    sent, name, data = await read_upload(request, "file", MOST_BYTES)
    sent = {"plates": "0", **sent}
    upload, errors = await _read(request, sent, name, data)
    imports = part(request, Imports)
    if not errors:
        kept = imports.uploads.keep(upload, data)
        try:
            await imports.plan(kept)
        except ImportRefused as refused:
            errors["file"] = str(refused)
        else:
            return RedirectResponse(pages.upload_url(kept.id), 303)
    return page("operator/import.html", await pages.import_form(request, sent, errors), 422)


async def _read(
    request: Request, sent: Mapping[str, str], name: str, data: bytes
) -> tuple[Upload, dict[str, str]]:
    """What was sent, and a sentence for each field that is wrong."""
    code = sent.get("lot", "")
    time_zone, currency = sent.get("time_zone", "").strip(), sent.get("currency", "").strip().upper()
    errors: dict[str, str] = {}
    if code:
        async with part(request, Database).look() as connection:
            lot = await queries.lot_of_code(connection, code[:64])
        if lot is None:
            errors["lot"] = say("There is no lot {code}.", code=code[:64])
        else:
            time_zone, currency = lot.time_zone, lot.currency
    if not is_time_zone(time_zone):
        errors["time_zone"] = say("Give a time zone, such as Europe/Berlin.")
    if not is_currency(currency):
        errors["currency"] = say("Give a currency's code, such as EUR.")
    if not name:
        errors["file"] = say("Choose a file.")
    elif len(data) > MOST_BYTES:
        errors["file"] = say("The file is larger than {size} MB.", size=MOST_BYTES // 1024 // 1024)
    upload = Upload(
        id="",
        name=name,
        by=account(request).name,
        time_zone=time_zone,
        currency=currency,
        lot=code,
        plates=sent.get("plates") == "1",
    )
    return upload, errors


async def upload(request: Request) -> Response:
    """``GET /operator/import/{upload}``: what it would do, how far it is, or what came of it."""
    found = _found(request)
    if found.state != TRIED:
        return page("operator/import_run.html", pages.run_page(request, found))
    imports = part(request, Imports)
    try:
        plan = await imports.plan(found)
    except (FileNotFoundError, ImportRefused):
        raise _gone() from None
    view = await pages.tried_page(request, found, plan, await preview(plan))
    return page("operator/import_tried.html", view)


async def begin(request: Request) -> Response:
    """``POST /operator/import/{upload}``: does it; sent again, the same import goes on or begins again."""
    await read_form(request)
    found = _found(request)
    imports = part(request, Imports)
    imports.begin(replace(found, state=TRIED), account(request).name)
    return RedirectResponse(pages.upload_url(found.id), 303)


def _found(request: Request) -> Upload:
    found = part(request, Imports).uploads.find(request.path_params["upload"])
    if found is None:
        raise _gone()
    return found


def _gone() -> Problem:
    return Problem(
        404,
        "no-such-import",
        sentence("This file is no longer kept"),
        sentence("Files are kept for a day. Choose it again under Import."),
    )
