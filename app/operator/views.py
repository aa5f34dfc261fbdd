"""What the operator's templates are given: one dataclass each, with every text already formatted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from app.core.languages import say
from app.operator.spelling import day_names
from app.operator.tariff_form import Band, Typed


def tariff_url(lot_code: str, area_code: str = "") -> str:
    """The form of a lot's tariff, or of an area's own."""
    url = f"/operator/lots/{quote(lot_code, safe='')}/tariff"
    return f"{url}?area={quote(area_code, safe='')}" if area_code else url


def again(url: str) -> Markup:
    """What makes a button bring the whole form back, changed, without a new page."""
    attributes = (
        'hx-post="{}" hx-select="#tariff" hx-target="#tariff" hx-swap="outerMorph" hx-sync="this:drop"'
    )
    return Markup(attributes).format(url)  # noqa: S704 - the address is escaped


@dataclass(frozen=True, slots=True)
class TariffRow:
    """A tariff in the list: of a lot, or (``area``) of an area that has its own. ``coming`` starts later."""

    url: str
    lot: str
    area: str
    summary: str
    version: int | None
    since: str = ""
    by: str = ""
    coming: str = ""


@dataclass(frozen=True, slots=True)
class TariffsPage:
    """``operator/tariffs.html``: each lot with its tariff, then its areas that have their own."""

    operator: str
    rows: tuple[TariffRow, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a weekday in the drawing, in minutes; ``tone`` is ``t0`` to ``t5``, or ``none``."""

    from_min: int
    to_min: int
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Week:
    """The week as bands, for slots of one kind (``label``, empty where all are alike).

    ``days`` are seven rows; ``rows`` say the same in words; ``hours`` are the marks below, in minutes.
    """

    label: str
    days: tuple[tuple[Stretch, ...], ...]
    rows: tuple[tuple[str, str], ...]
    hours: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CostLine:
    """A line of a sample stay: the rule, how often of what, what it comes to."""

    rule: str
    times: str
    amount: str


@dataclass(frozen=True, slots=True)
class SampleStay:
    """A stay with what it would cost. ``now``: what it costs by the tariff in force, empty where the same.

    ``problem`` stands in the place of the amount where the draft does not say. ``number`` of an own stay is
    what removes it, ``None`` for those that are always there.
    """

    title: str
    about: str
    amount: str
    now: str
    lines: tuple[CostLine, ...]
    problem: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class OwnStay:
    """The fields of a stay that the operator adds; ``kept`` are those that were added, as they are sent."""

    from_: str = ""
    to: str = ""
    premium: bool = False
    error: str = ""
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What stays would cost by the draft, the week, and when nobody can book.

    ``wrong`` has a field's id, its name and what is wrong, for each field that is not right yet.
    ``swatches`` are the tones of the form's rows, by their keys.
    """

    stays: tuple[SampleStay, ...]
    weeks: tuple[Week, ...]
    gaps: tuple[str, ...]
    wrong: tuple[tuple[str, str, str], ...]
    swatches: tuple[tuple[int, str], ...]

    @property
    def day_names(self) -> tuple[str, ...]:
        return day_names()


@dataclass(frozen=True, slots=True)
class PreviewAnswer:
    """``operator/_preview.html``: the preview alone; ``url`` is the form's."""

    preview: Preview
    url: str

    @property
    def again(self) -> Markup:
        return again(self.url)


@dataclass(frozen=True, slots=True)
class AreaLink:
    """Another tariff of the same lot: of the whole lot, or of an area."""

    label: str
    url: str
    is_chosen: bool
    has_own: bool


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Another version was published since the form was opened: which lines went and which came."""

    said: str
    gone: tuple[str, ...]
    come: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TariffPage:
    """``operator/tariff.html``. ``typed`` is shown as it is; ``errors`` has a sentence by a field's name.

    ``made_from`` is the newest version there was when the form was made, 0 for none; it is sent back.
    ``notice`` says what was just done, ``coming`` that a version waits for its time.
    """

    operator: str
    lot_code: str
    area: str
    title: str
    about: str
    currency_symbol: str
    time_zone: str
    earliest_day: str
    made_from: int
    typed: Typed
    errors: Mapping[str, str]
    bands: tuple[BandRow, ...]
    usual_days: tuple[str, ...]
    areas: tuple[AreaLink, ...]
    preview: Preview
    own_stay: OwnStay
    notice: str = ""
    coming: str = ""
    meanwhile: Meanwhile | None = None
    focus: str = ""

    @property
    def url(self) -> str:
        return tariff_url(self.lot_code, self.area)

    @property
    def again(self) -> Markup:
        return again(self.url)

    @property
    def preview_url(self) -> str:
        path, _, query = self.url.partition("?")
        return f"{path}/preview?{query}" if query else f"{path}/preview"

    @property
    def first_wrong(self) -> str:
        """The id of the field where the eye and the keyboard go first."""
        if self.focus:
            return self.focus
        rows = [f"band-{row.band.key}-{part}" for row in self.bands for part in BAND_PARTS]
        codes = [f"code-{code.key}-{part}" for code in self.typed.codes for part in ("code", "gives")]
        return next((name for name in (*rows, *codes, *FIELD_NAMES) if name in self.errors), "")


@dataclass(frozen=True, slots=True)
class BandRow:
    """A row of the form with its place, counted from 1, and the tone in which the week shows it."""

    band: Band
    number: int
    tone: str


BAND_PARTS = ("name", "slots", "days", "from", "to", "price", "how", "minutes")
FIELD_NAMES = (
    "grace",
    "free_time",
    "minimum",
    "day_most",
    "period_most",
    "premium",
    "longest_stay",
    "overstay",
    "overstay_minutes",
    "no_show",
    "start_day",
    "start_time",
    "other",
)


def field_names() -> dict[str, str]:
    """What each field outside the rows is called."""
    return {
        "grace": say("Free when you leave within"),
        "free_time": say("First minutes free"),
        "minimum": say("At least"),
        "day_most": say("Most per calendar day"),
        "period_most": say("Most per 24 h from the start"),
        "premium": say("Premium slots"),
        "longest_stay": say("Longest stay"),
        "overstay": say("Overstay"),
        "overstay_minutes": say("Overstay, per started"),
        "no_show": say("No-show"),
        "start_day": say("Starts to apply"),
        "start_time": say("At"),
        "other": say("Other rate lines"),
    }


def field_label(name: str, bands: tuple[Band, ...]) -> str:
    """What a field is called where an error names it."""
    if name in FIELD_NAMES:
        return field_names()[name]
    kind, key, part = name.split("-", 2)
    if kind == "code":
        return say("Code") if part == "code" else say("What a code gives")
    number = next((at for at, band in enumerate(bands, 1) if str(band.key) == key), 0)
    said = {
        "name": say("name"),
        "slots": say("slots"),
        "days": say("days"),
        "from": say("from"),
        "to": say("to"),
        "price": say("price"),
        "how": say("kind of price"),
        "minutes": say("per started"),
    }
    return say("Row {number}, {field}", number=number, field=said.get(part, part))
