"""What the operator sees of one tariff: the form, and its preview."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request

from app.accounts.access import account
from app.bookings import problems
from app.core import words
from app.core.db import Database
from app.core.languages import say, say_many
from app.core.parts import part
from app.operator import preview as samples
from app.operator import views
from app.operator.draft import Draft, draft_of
from app.operator.publishing import AnotherVersion
from app.operator.spelling import symbol, usual_days
from app.operator.tariff_form import Band, Typed
from app.operator.week import tones, weeks
from app.operator.wording import differences, gap_texts
from app.payments.queries import (
    Version,
    newest_version,
    tariff_in_force,
    versions_in_force,
)
from app.payments.tariffs.lines import Tariff
from app.slots.layout import Layout
from app.slots.models import Area


def made_at_first() -> str:
    """By whom a lot's first tariff is."""
    return say("made with the lot")


@dataclass(frozen=True)
class Place:
    """The lot, or the area of it, whose tariff is looked at."""

    layout: Layout
    area: Area | None

    @property
    def lot_id(self) -> int:
        return self.layout.lot_id

    @property
    def area_id(self) -> int | None:
        return self.area.id if self.area else None

    @property
    def url(self) -> str:
        return views.tariff_url(self.layout.lot.code, self.area.code if self.area else "")

    def draft(self, typed: Typed, now: datetime) -> Draft:
        return draft_of(typed, self.layout.lot.currency, self.layout.lot.time_zone, now)


@dataclass(frozen=True)
class Known:
    """What SQL says of a place's tariff. ``in_force`` is the lot's where the area has none of its own."""

    now: datetime
    in_force: Tariff | None
    holds: Version | None
    newest: Version | None
    own: frozenset[int | None]

    @property
    def number(self) -> int:
        return self.newest.tariff.version if self.newest else 0


def place_of(layout: Layout, area_code: str) -> Place:
    """The area of this code, or the lot for none. A Problem (404) where it has no such area."""
    if not area_code:
        return Place(layout, None)
    found = next((area for area in layout.areas if area.code == area_code), None)
    if found is None:
        raise problems.no_such_area(layout.lot.code, area_code)
    return Place(layout, found)


async def known(request: Request, place: Place) -> Known:
    """Raises SqlAway where it can't be known."""
    database = part(request, Database)
    async with database.look() as connection:
        now = await database.now(connection)
        holding = await versions_in_force(connection, [place.lot_id], now)
        return Known(
            now=now,
            in_force=await tariff_in_force(connection, place.lot_id, place.area_id, now),
            holds=holding.get((place.lot_id, place.area_id)),
            newest=await newest_version(connection, place.lot_id, place.area_id),
            own=frozenset(area_id for _, area_id in holding),
        )


def waits_text(coming: Version) -> str:
    """``Version 4 from Tue 1 Dec 2026, 08:00``."""
    tariff = coming.tariff
    when = instant_text(coming.valid_from, tariff.time_zone)
    return say("Version {number} from {when}", number=tariff.version, when=when)


def instant_text(instant: datetime, time_zone: str) -> str:
    """``Tue 1 Dec 2026, 08:00``."""
    return f"{words.day(instant, time_zone)}, {words.clock(instant, time_zone)}"


def typed_of(place: Place, found: Known) -> Typed:
    """The form of the tariff in force, else of the newest, which waits for its time; else an empty row."""
    tariff = found.in_force or (found.newest.tariff if found.newest else None)
    if tariff is None:
        return Typed(bands=(Band(0),))
    return Typed.of(tariff.lines, place.layout.lot.currency)


async def tariff_page(
    request: Request,
    place: Place,
    found: Known,
    draft: Draft,
    own_stay: views.OwnStay,
    *,
    shows_errors: bool = False,
    notice: str = "",
    meanwhile: views.Meanwhile | None = None,
    focus: str = "",
) -> views.TariffPage:
    """The form as it was typed, with its preview."""
    lot = place.layout.lot
    tariff = draft.tariff(lot.currency, lot.time_zone)
    toned = _tones(draft, tariff)
    waits = found.newest is not None and found.newest.valid_from > found.now
    return views.TariffPage(
        operator=account(request).name,
        lot_code=lot.code,
        area=place.area.code if place.area else "",
        title=say("{lot}, area {area}", lot=lot.name, area=place.area.code) if place.area else lot.name,
        about=_about(place, found),
        currency_symbol=symbol(lot.currency),
        time_zone=words.place(lot.time_zone),
        earliest_day=f"{found.now.astimezone(words.zone(lot.time_zone)):%Y-%m-%d}",
        made_from=found.number,
        typed=draft.typed,
        errors=draft.errors if shows_errors else {},
        bands=_band_rows(draft, toned),
        usual_days=usual_days(),
        areas=_areas(place, found),
        preview=await preview(place, found, draft, own_stay.kept, tariff, toned),
        own_stay=own_stay,
        notice=notice,
        coming=waits_text(found.newest) if waits and found.newest else "",
        meanwhile=meanwhile,
        focus=focus,
    )


def _about(place: Place, found: Known) -> str:
    count = sum(place.area is None or slot.area_code == place.area.code for slot in place.layout.slots)
    slots_said = say_many("{count} slot", "{count} slots", count)
    if found.holds is None:
        if place.area and found.in_force:
            return say(
                "{slots}, at the lot's tariff. What you publish here is for this area alone.",
                slots=slots_said,
            )
        return say("{slots}. There is no tariff yet.", slots=slots_said)
    tariff = found.holds.tariff
    since = instant_text(found.holds.valid_from, tariff.time_zone)
    by = say("by {name}", name=found.holds.by) if found.holds.by else made_at_first()
    return say(
        "Version {number}, since {when}, {by}. {slots}.",
        number=tariff.version,
        when=since,
        by=by,
        slots=slots_said,
    )


def _tones(draft: Draft, tariff: Tariff) -> dict[int, str]:
    rows = [draft.of_band.get(band.key) for band in draft.typed.bands if not band.is_empty]
    return tones(tariff, rows)


def _band_rows(draft: Draft, toned: Mapping[int, str]) -> tuple[views.BandRow, ...]:
    lines = draft.of_band
    return tuple(
        views.BandRow(band, number, toned.get(id(lines[band.key]), "none") if band.key in lines else "none")
        for number, band in enumerate(draft.typed.bands, 1)
    )


def _areas(place: Place, found: Known) -> tuple[views.AreaLink, ...]:
    code = place.layout.lot.code
    if not place.layout.areas:
        return ()
    whole = views.AreaLink(say("Whole lot"), views.tariff_url(code), place.area is None, True)
    return (
        whole,
        *(
            views.AreaLink(
                say("Area {area}", area=area.code),
                views.tariff_url(code, area.code),
                place.area is not None and area.id == place.area.id,
                area.id in found.own,
            )
            for area in place.layout.areas
        ),
    )


async def preview(
    place: Place,
    found: Known,
    draft: Draft,
    kept: str,
    tariff: Tariff | None = None,
    toned: Mapping[int, str] | None = None,
) -> views.Preview:
    """What stays would cost by what is filled in so far. Reckoned beside the event loop."""
    lot = place.layout.lot
    tariff = tariff or draft.tariff(lot.currency, lot.time_zone)
    toned = toned if toned is not None else _tones(draft, tariff)
    own = samples.own_samples(samples.kept_stays(kept, lot.time_zone), lot.time_zone)
    shown = (*own, *samples.samples(lot.time_zone, found.now))
    stays = await asyncio.to_thread(_stays, shown, tariff, found.in_force)
    wrong = tuple(
        (name, views.field_label(name, draft.typed.bands), said) for name, said in draft.errors.items()
    )
    if wrong:
        fields = ", ".join(dict.fromkeys(label for _, label, _ in wrong))
        said = say("Not priced while this is not right: {fields}.", fields=fields)
        stays = tuple(replace(stay, problem=said) if stay.problem else stay for stay in stays)
    swatches = tuple((row.band.key, row.tone) for row in _band_rows(draft, toned))
    return views.Preview(stays, weeks(tariff, toned), gap_texts(tariff.lines), wrong, swatches)


def _stays(
    shown: Sequence[samples.Sample], tariff: Tariff, in_force: Tariff | None
) -> tuple[views.SampleStay, ...]:
    return tuple(samples.shown(one, tariff, in_force) for one in shown)


def own_stay(place: Place, sent: Mapping[str, str], *, adds: bool, drops: int | None = None) -> views.OwnStay:
    """The fields of an own stay as they were sent, and with ``adds`` the stay among those that are kept."""
    zone = place.layout.lot.time_zone
    from_, to = sent.get("stay_from", "")[:32], sent.get("stay_to", "")[:32]
    premium = sent.get("stay_premium") == "1"
    kept = samples.kept_stays(sent.get("stays", ""), zone)
    error = ""
    if drops is not None:
        kept = [one for number, one in enumerate(kept) if number != drops]
    if adds:
        try:
            samples.own_stay(from_, to, premium=premium, time_zone=zone)
        except ValueError as wrong:
            error = str(wrong)
        else:
            kept = [*kept, (from_, to, premium)][-samples.MOST_OWN :]
    return views.OwnStay(from_, to, premium, error, json.dumps(kept) if kept else "")


def first_own_stay(place: Place, now: datetime) -> views.OwnStay:
    """What the fields begin with: tomorrow from noon to two."""
    local = now.astimezone(words.zone(place.layout.lot.time_zone))
    day = local.date().fromordinal(local.toordinal() + 1)
    return views.OwnStay(f"{day}T12:00", f"{day}T14:00")


def what_came(place: Place, found: AnotherVersion) -> views.Meanwhile:
    """Which lines somebody else has changed since the form was opened."""
    currency = place.layout.lot.currency
    newest, before = found.newest, found.known
    gone, come = differences(before.tariff.lines if before else (), newest.tariff.lines, currency)
    who = newest.by or say("Somebody")
    when = words.clock(newest.created_at, place.layout.lot.time_zone)
    said = say(
        "{name} has published version {number} at {when}, after you opened this form. "
        "Nothing of yours is published yet. Publish again to put yours in its place.",
        name=who,
        number=newest.tariff.version,
        when=when,
    )
    return views.Meanwhile(said, tuple(gone), tuple(come))
