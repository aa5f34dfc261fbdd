"""The audit trail as an operator reads it: who did what, when, to what, and whether the chain holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from app.accounts.access import account
from app.audit import listing, trail
from app.audit.models import AuditEntry
from app.core import words
from app.core.days import day_span, read_day
from app.core.db import Database
from app.core.languages import say, say_many
from app.core.parts import part
from app.core.templating import page
from app.operator.money_views import filled
from app.slots import queries

AUDIT = "/operator/audit"
LONGEST = 120
LONGEST_VALUE = 160
MOST_WRONG = 20


@dataclass(frozen=True, slots=True)
class Row:
    """An entry: ``subject`` is what it was done to, ``facts`` what else was noted."""

    when: str
    who: str
    act: str
    subject: str
    facts: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What reckoning the chain again has shown; ``wrong`` is empty where it holds."""

    said: str
    digest: str
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """``operator/audit.html``. ``chain`` is None until somebody asks for it."""

    operator: str
    day: str
    who: str
    zone: str
    rows: tuple[Row, ...]
    check_url: str
    older_url: str = ""
    newest_url: str = ""
    chain: Chain | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        return bool(self.day or self.who or self.newest_url)


async def audit(request: Request) -> Response:
    """``GET /operator/audit``: a page of the trail; ``?check=1`` reckons the chain again."""
    asked = request.query_params
    fields = {name: asked.get(name, "").strip()[:LONGEST] for name in ("day", "who")}
    errors: dict[str, str] = {}
    chain = None
    async with part(request, Database).look() as connection:
        zones = await queries.time_zones(connection)
        zone = next(iter(zones)) if len(zones) == 1 else "UTC"
        during = None
        if fields["day"]:
            try:
                during = day_span(read_day(fields["day"]), zone)
            except ValueError as error:
                errors["day"] = str(error)
        text = asked.get("before", "")
        before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        found = listing.Page([], None)
        if not errors:
            wanted = listing.Wanted(during, fields["who"] or None, before)
            found = await listing.entries(connection, wanted)
        if asked.get("check") == "1":
            chain = _chain(await trail.verify(connection))
    view = AuditPage(
        operator=account(request).name,
        **fields,
        zone=words.place(zone),
        rows=tuple(_row(one, zone) for one in found.entries),
        check_url=filled(AUDIT, **fields, check="1"),
        older_url=filled(AUDIT, **fields, before=str(found.following)) if found.following else "",
        newest_url=filled(AUDIT, **fields) if before is not None else "",
        chain=chain,
        errors=errors,
    )
    return page("operator/audit.html", view, 422 if errors else 200)


def _chain(verdict: trail.Verdict) -> Chain:
    sealed = say_many("{count} entry is sealed.", "{count} entries are sealed.", verdict.sealed)
    waits = say_many("{count} waits for its seal.", "{count} wait for their seals.", verdict.unsealed)
    return Chain(f"{sealed} {waits}", verdict.digest, verdict.wrong[:MOST_WRONG])


def act_words() -> dict[str, str]:
    """What was done, as one says it; what is not here is shown as it was noted."""
    return {
        "lot.created": say("made a lot"),
        "lot.edited": say("edited a lot"),
        "lot.closed": say("closed a lot"),
        "lot.opened": say("opened a lot"),
        "lot.imported": say("imported slots"),
        "slots.created": say("made slots"),
        "slots.changed": say("changed slots"),
        "area.edited": say("edited an area"),
        "tariff.published": say("published a tariff"),
        "day.closed": say("closed a day"),
    }


def _row(one: AuditEntry, zone: str) -> Row:
    facts = json.loads(one.detail)
    # A lot is called by its code where that was noted, else by its number.
    subject = str(facts.pop("lot", "") or one.subject)
    told = [f"{name} {_value(value)}" for name, value in facts.items() if value not in ("", None)]
    return Row(
        when=f"{words.day(one.at, zone)} {words.clock_s(one.at, zone)}",
        who=one.who,
        act=act_words().get(one.act, one.act),
        subject=subject,
        facts=", ".join(told),
    )


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
