"""What the templates of lots, areas and slots are given, with every text already formatted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from app.core.languages import say_in
from app.operator.money_views import Option, filled
from app.operator.views import tariff_url

HOME = "/operator"
NEW_LOT = "/operator/new-lot"
IMPORT = "/operator/import"


def lot_url(code: str) -> str:
    """A lot's page."""
    return f"/operator/lots/{quote(code, safe='')}"


def area_url(lot: str, area: str) -> str:
    return f"{lot_url(lot)}/areas/{quote(area, safe='')}"


def slot_url(lot: str, slot: str) -> str:
    return f"{lot_url(lot)}/slots/{quote(slot, safe='')}"


def size_words() -> dict[str, str]:
    """Every size as one says it."""
    return {
        "car": say_in("a size", "car"),
        "motorcycle": say_in("a size", "motorcycle"),
        "compact": say_in("a size", "compact"),
        "large": say_in("a size", "large"),
        "van": say_in("a size", "van"),
        "bus": say_in("a size", "bus"),
        "truck": say_in("a size", "truck"),
    }


def kind_words() -> dict[str, str]:
    return {
        "premium": say_in("of a slot", "premium"),
        "accessible": say_in("of a slot", "accessible"),
        "charging": say_in("of a slot", "charging"),
    }


def state_words() -> tuple[str, ...]:
    """By public code."""
    return (
        say_in("of a slot", "free"),
        say_in("of a slot", "reserved"),
        say_in("of a slot", "taken"),
        say_in("of a slot", "closed"),
    )


def size_options() -> tuple[Option, ...]:
    return tuple(Option(size, said) for size, said in size_words().items())


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that an operator should see to, and where."""

    said: str
    url: str


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot in the list. ``figure`` is what is free now, a word where the lot is closed."""

    code: str
    name: str
    address: str
    figure: str
    of: str
    is_closed: bool
    tariff: str
    attention: tuple[Attention, ...]

    @property
    def url(self) -> str:
        return lot_url(self.code)

    @property
    def tariff_url(self) -> str:
        return tariff_url(self.code)


@dataclass(frozen=True, slots=True)
class HomePage:
    """``operator/home.html``. ``more``: not all lots are shown."""

    operator: str
    rows: tuple[LotRow, ...]
    query: str
    lots_at_all: bool
    more: str = ""
    attention: tuple[Attention, ...] = ()


@dataclass(frozen=True, slots=True)
class LotForm:
    """The details of a lot as they were typed; ``seen`` is what they were made from."""

    name: str = ""
    code: str = ""
    address: str = ""
    time_zone: str = ""
    currency: str = ""
    gate_name: str = ""
    plates: bool = True
    grace: str = ""
    seen: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_wrong(self) -> str:
        order = ("name", "code", "address", "time_zone", "currency", "gate_name", "grace")
        return next((name for name in order if name in self.errors), "")


@dataclass(frozen=True, slots=True)
class NewLotPage:
    """``operator/new_lot.html``."""

    operator: str
    form: LotForm
    zones: tuple[str, ...]
    currencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AreaRow:
    """An area in the list."""

    code: str
    name: str
    url: str
    slots: str
    free: str
    kinds: str


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot in the table."""

    name: str
    url: str
    area: str
    size: str
    kinds: str
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class SlotTable:
    """Some slots of a lot: those that ``query`` and ``area`` ask for, a page of them."""

    query: str
    area: str
    areas: tuple[Option, ...]
    rows: tuple[SlotRow, ...]
    said: str
    previous_url: str = ""
    next_url: str = ""


@dataclass(frozen=True, slots=True)
class AddForm:
    """The fields by which slots are added: ``prefix`` + number, from ``first`` on, ``count`` of them."""

    area: str = "A"
    prefix: str = "A"
    first: str = "1"
    count: str = "10"
    size: str = "car"
    premium: bool = False
    accessible: bool = False
    charging: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LotPage:
    """``operator/lot.html``."""

    operator: str
    code: str
    name: str
    address: str
    figure: str
    of: str
    is_closed: bool
    tariff: str
    attention: tuple[Attention, ...]
    form: LotForm
    zones: tuple[str, ...]
    currencies: tuple[str, ...]
    areas: tuple[AreaRow, ...]
    table: SlotTable
    add: AddForm
    sizes: tuple[Option, ...]
    idempotency_key: str
    notice: str = ""
    problem: str = ""
    problem_more: str = ""
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        return lot_url(self.code)

    @property
    def tariff_url(self) -> str:
        return tariff_url(self.code)

    @property
    def import_url(self) -> str:
        return filled(IMPORT, lot=self.code)


@dataclass(frozen=True, slots=True)
class AreaPage:
    """``operator/area.html``. ``all`` says for each kind what its slots are: ``same``, ``yes`` or ``no``."""

    operator: str
    lot_code: str
    lot_name: str
    code: str
    name: str
    level: str
    premium: bool
    seen: str
    slots: str
    choices: Mapping[str, str]
    kinds: Mapping[str, str]
    now: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    problem: str = ""
    problem_more: str = ""
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        return area_url(self.lot_code, self.code)

    @property
    def lot_url(self) -> str:
        return lot_url(self.lot_code)


@dataclass(frozen=True, slots=True)
class SlotPage:
    """``operator/slot.html``."""

    operator: str
    lot_code: str
    lot_name: str
    slot: str
    identifier: str
    state: str
    name: str
    area: str
    size: str
    premium: bool
    accessible: bool
    charging: bool
    revision: str
    areas: tuple[str, ...]
    sizes: tuple[Option, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    problem_more: str = ""

    @property
    def url(self) -> str:
        return slot_url(self.lot_code, self.slot)

    @property
    def lot_url(self) -> str:
        return lot_url(self.lot_code)
