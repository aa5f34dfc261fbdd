"""The pages of an import: the form, the dry run, the import as it runs, and its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from app.accounts.access import account
from app.bookings.importing import Changed, Outlook, look_ahead
from app.core.db import Database
from app.core.languages import say, say_many, told
from app.core.parts import part
from app.operator import lot_views
from app.operator.import_runs import Imports
from app.operator.lot_forms import CURRENCIES, zones
from app.operator.lot_views import IMPORT, kind_words, size_words
from app.operator.money_views import Option
from app.operator.uploads import DONE, FAILED, MOST_BYTES, MOST_SLOTS, RUNNING, Upload
from app.slots import queries
from app.slots.importers import ImportPlan, Refusal

MOST_LOTS = 200
MOST_NAMED = 100


def upload_url(id: str) -> str:
    return f"{IMPORT}/{id}"


@dataclass(frozen=True, slots=True)
class ImportForm:
    """``operator/import.html``."""

    operator: str
    lots: tuple[Option, ...]
    lot: str
    time_zone: str
    currency: str
    plates: bool
    zones: tuple[str, ...]
    currencies: tuple[str, ...]
    limits: str
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LotAhead:
    """What would become of one lot. ``url`` is that of a lot that exists."""

    name: str
    code: str
    url: str
    said: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a list: what it is about, and what is said of it. ``row`` is its number in the file."""

    row: str
    name: str
    said: str


@dataclass(frozen=True, slots=True)
class TriedPage:
    """``operator/import_tried.html``: what the import would do; nothing is written yet."""

    operator: str
    url: str
    file: str
    figures: tuple[tuple[str, str], ...]
    lots: tuple[LotAhead, ...]
    changes: tuple[Row, ...]
    changes_more: str
    refusals: tuple[Row, ...]
    refusals_more: str
    notes: tuple[str, ...]
    act: str
    preview: str = ""
    preview_title: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    """``operator/import_run.html``: how far it is, or what came of it."""

    operator: str
    url: str
    file: str
    is_running: bool
    is_done: bool
    percent: int
    said: str
    figures: tuple[tuple[str, str], ...] = ()
    refusals: tuple[Row, ...] = ()
    refusals_more: str = ""
    problem: str = ""
    lots: tuple[LotAhead, ...] = ()


async def import_form(
    request: Request, sent: Mapping[str, str], errors: Mapping[str, str] | None = None
) -> ImportForm:
    """The form with what was filled in; ``?lot=`` chooses a lot."""
    async with part(request, Database).look() as connection:
        lots = await queries.lots(connection, limit=MOST_LOTS)
    first = lots[0] if lots else None
    return ImportForm(
        operator=account(request).name,
        lots=(
            Option("", say("As the file says")),
            *(Option(lot.code, lot.name) for lot in lots),
        ),
        lot=sent.get("lot", ""),
        time_zone=sent.get("time_zone", first.time_zone if first else "Europe/Berlin"),
        currency=sent.get("currency", first.currency if first else "EUR"),
        plates=sent.get("plates", "1") == "1",
        zones=zones(),
        currencies=CURRENCIES,
        limits=say(
            "At most {size} MB and {count} slots at once.",
            size=MOST_BYTES // 1024 // 1024,
            count=f"{MOST_SLOTS:,}",
        ),
        errors=errors or {},
    )


async def tried_page(
    request: Request, upload: Upload, plan: ImportPlan, preview: tuple[str, str]
) -> TriedPage:
    """What the import would do, as the database is now."""
    async with part(request, Database).look() as connection:
        ahead = await look_ahead(connection, plan)
    fresh = sum(len(one.fresh) for one in ahead)
    changed = [each for one in ahead for each in one.changed]
    same = sum(one.same for one in ahead)
    refusals = [*plan.refusals, *(each for one in ahead for each in one.refusals)]
    work = fresh + len(changed)
    markup, title = preview
    return TriedPage(
        operator=account(request).name,
        url=upload_url(upload.id),
        file=upload.name,
        figures=(
            (f"{fresh:,}", say("to be made")),
            (f"{len(changed):,}", say("to be changed")),
            (f"{same:,}", say("left alone")),
            (f"{len(refusals):,}", say("refused")),
        ),
        lots=tuple(_lot_ahead(one) for one in ahead),
        changes=tuple(Row("", each.slot.name, _change_said(each)) for each in changed[:MOST_NAMED]),
        changes_more=_more(len(changed)),
        refusals=refusal_rows(refusals[:MOST_NAMED]),
        refusals_more=_more(len(refusals)),
        notes=plan.notes,
        act=say_many("Import {count} slot", "Import {count} slots", work) if work else "",
        preview=markup,
        preview_title=title,
    )


def run_page(request: Request, upload: Upload) -> RunPage:
    """An import that was begun. One whose process has ended can be begun again."""
    imports = part(request, Imports)
    state, problem = upload.state, upload.problem
    if state == RUNNING and not imports.uploads.is_claimed(upload.id):
        # It may have ended between the two looks.
        upload = imports.uploads.find(upload.id) or upload
        state = upload.state if upload.state != RUNNING else FAILED
        problem = upload.problem or say("The server was stopped meanwhile.")
    report = upload.report
    figures: tuple[tuple[str, str], ...] = ()
    if state == DONE:
        names = (
            ("created", say("made")),
            ("changed", say("changed")),
            ("same", say("left alone")),
            ("refused", say("refused")),
        )
        figures = tuple((f"{report.get(name, 0):,}", said) for name, said in names)
    listed = report.get("refusals", [])
    rows = [Refusal(*one) for one in listed] if isinstance(listed, list) else []
    return RunPage(
        operator=account(request).name,
        url=upload_url(upload.id),
        file=upload.name,
        is_running=state == RUNNING,
        is_done=state == DONE,
        percent=round(100 * upload.done / upload.total) if upload.total else 0,
        said=say("{done} of {total} slots", done=f"{upload.done:,}", total=f"{upload.total:,}")
        if upload.total
        else say("Reading the file"),
        figures=figures,
        refusals=refusal_rows(rows[:MOST_NAMED]),
        refusals_more=_more(int(str(report.get("refused", 0)))),
        problem=problem if state == FAILED else "",
    )


def refusal_rows(refusals: Sequence[Refusal]) -> tuple[Row, ...]:
    return tuple(
        Row("" if one.row is None else str(one.row), one.reference, str(told(one.reason))) for one in refusals
    )


def _more(count: int) -> str:
    return say("{count} more", count=f"{count - MOST_NAMED:,}") if count > MOST_NAMED else ""


def _lot_ahead(one: Outlook) -> LotAhead:
    fresh, changed = len(one.fresh), len(one.changed)
    if one.lot is None:
        said = say_many("new, with {count} slot", "new, with {count} slots", fresh)
        return LotAhead(one.plan.name, one.plan.code, "", said)
    parts = []
    if fresh:
        parts.append(say_many("{count} new slot", "{count} new slots", fresh))
    if changed:
        parts.append(say_many("{count} changed", "{count} changed", changed))
    if one.same:
        parts.append(say_many("{count} as in the file", "{count} as in the file", one.same))
    said = ", ".join(parts) or say("stays as it is")
    return LotAhead(one.lot.name, one.lot.code, lot_views.lot_url(one.lot.code), said)


def _change_said(each: Changed) -> str:
    parts = []
    for name, old, new in each.said:
        parts.append(f"{_field_words()[name]}: {_value(old)} → {_value(new)}")
    if each.redrawn:
        parts.append(say("another outline"))
    return "; ".join(parts)


def _field_words() -> dict[str, str]:
    return {
        "name": say("name"),
        "area": say("area"),
        "size": say("size"),
        "location": say("location"),
        **kind_words(),
    }


def _value(value: object) -> str:
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    text = str(value) if value is not None else "–"
    return size_words().get(text, text)[:80]
