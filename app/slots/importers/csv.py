"""Plans an import from CSV: one row a slot, separated by comma, semicolon or tab.

The header names the columns as the REST surface does, in any case: identifier, location, size, premium, lot,
area, name, accessible, charging, latitude, longitude. The spellings of the requirements (Identier,
slotIdentifer, …) are understood. Only the identifier is needed. A location that is a point, "40.01, -83.02"
or GeoJSON, stands for latitude and longitude; any other is text.

A file without usable header raises ImportRefused. A row is refused with every wrong field named; rows are
numbered as a spreadsheet does, the header is row 1. Slots have no outline here, so rank is the order of rows.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.slots.importers.plan import (
    CONTINUED_LOT_SLOTS,
    MAX_LOT_SLOTS,
    MAX_ROWS,
    AreaPlan,
    ImportDefaults,
    ImportPlan,
    ImportRefused,
    LotPlan,
    OnProgress,
    Refusal,
    SlotPlan,
    refuse_if_too_large,
)
from app.slots.importers.values import code_from, flag_of, number_of, size_of, text_of

PROGRESS_EVERY = 10_000
_COLUMNS = {
    "identifier": ("identifier", "identier", "slotidentifier", "slotidentifer", "slot", "id"),
    "location": ("location",),
    "size": ("size",),
    "premium": ("premium", "premimum"),
    "lot": ("lot",),
    "area": ("area",),
    "name": ("name",),
    "accessible": ("accessible",),
    "charging": ("charging",),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
}
_BY_SPELLING = {spelling: column for column, spellings in _COLUMNS.items() for spelling in spellings}
IDENTIFIER = re.compile(r"[^\W_][\w .:/#+@-]{0,119}")
AREA_CODE = re.compile(r"\w[\w .:/#+-]{0,31}")
LONGEST_POINT = 200
_POINT = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*[,; ]\s*([+-]?\d+(?:\.\d+)?)\s*")


@dataclass(slots=True)
class _Lot:
    """A lot as it fills up; ``areas`` keeps the order in which they first occur."""

    code: str
    name: str
    slots: list[SlotPlan] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    areas: dict[str, bool] = field(default_factory=dict)


class _Rows:
    """Turns rows into slots, remembering what was there before."""

    def __init__(self, columns: dict[str, int], defaults: ImportDefaults) -> None:
        self.columns = columns
        self.home = code_from(defaults.lot_code or "") or "main"
        self.home_number = 1
        self.lots: dict[str, _Lot] = {}
        self.seen: set[str] = set()
        self.refusals: list[Refusal] = []
        self._flags: dict[str, bool | None] = {}

    def take(self, number: int, row: Sequence[str]) -> None:
        """Adds the row's slot or refuses it with every reason."""
        values = {column: row[at].strip() if at < len(row) else "" for column, at in self.columns.items()}
        wrong: list[str] = []
        identifier = values["identifier"]
        if not IDENTIFIER.fullmatch(identifier):
            wrong.append(_wrong("identifier", identifier, "1 to 120 letters, digits and . : / # + @ - _"))
        elif identifier in self.seen:
            wrong.append(f"identifier: {identifier} stands in an earlier row")
        lot = self._lot(values, wrong)
        slot = self._slot(values, lot, wrong)
        if wrong or slot is None or lot is None:
            reference = text_of(identifier, 120) or f"row {number}"
            self.refusals.append(Refusal(number, reference, "; ".join(wrong) + "."))
            return
        self.seen.add(identifier)
        lot.names.add(slot.name)
        lot.slots.append(slot)
        lot.areas[slot.area_code] = lot.areas.get(slot.area_code, True) and slot.premium
        self.lots[lot.code] = lot

    def _lot(self, values: dict[str, str], wrong: list[str]) -> _Lot | None:
        """The row's lot. One that is not named goes into the home lot, which is continued when it is full."""
        text = values.get("lot", "")
        if not text:
            code = self._home_code()
            return self.lots.get(code) or _Lot(code, code.replace("-", " ").capitalize())
        code = code_from(text)
        if not code:
            wrong.append(_wrong("lot", text, "a name with at least one letter or digit"))
            return None
        lot = self.lots.get(code) or _Lot(code, text_of(text, 120))
        if len(lot.slots) >= MAX_LOT_SLOTS:
            wrong.append(f"lot: {code} already has {MAX_LOT_SLOTS:,} slots")
        return lot

    def _home_code(self) -> str:
        code = self.home if self.home_number == 1 else f"{self.home}-{self.home_number}"
        if code in self.lots and len(self.lots[code].slots) >= CONTINUED_LOT_SLOTS:
            self.home_number += 1
            return self._home_code()
        return code

    def _slot(self, values: dict[str, str], lot: _Lot | None, wrong: list[str]) -> SlotPlan | None:
        size = size_of(values.get("size", ""))
        if size is None:
            wrong.append(_wrong("size", values["size"], "car, motorcycle, compact, large, van, bus or truck"))
        area = values.get("area") or "A"
        if not AREA_CODE.fullmatch(area):
            wrong.append(_wrong("area", area, "a code of at most 32 letters and digits"))
        premium, accessible, charging = (
            self._flag(column, values, wrong) for column in ("premium", "accessible", "charging")
        )
        name = self._name(values, lot, wrong)
        location = values.get("location", "")
        latitude, longitude = _place(values, location, wrong)
        if wrong or lot is None or size is None:
            return None
        return SlotPlan(
            identifier=values["identifier"],
            name=name,
            area_code=area,
            rank=len(lot.slots),
            size=size,
            premium=premium,
            accessible=accessible,
            charging=charging,
            latitude=latitude,
            longitude=longitude,
            outline=(),
            location=text_of(location),
        )

    def _flag(self, column: str, values: dict[str, str], wrong: list[str]) -> bool:
        text = values.get(column, "")
        flag = flag_of(text)
        if flag is None:
            wrong.append(_wrong(column, text, "yes or no"))
        return bool(flag)

    def _name(self, values: dict[str, str], lot: _Lot | None, wrong: list[str]) -> str:
        """The row's name, or the identifier without its lot's code in front."""
        given = values.get("name", "")
        identifier = values["identifier"]
        name = given or (identifier.removeprefix(f"{lot.code}-") if lot else "") or identifier
        if not given and lot and name in lot.names:
            name = identifier
        if text_of(name, 65) != name or len(name) > 64:
            wrong.append(_wrong("name", name, "at most 64 printable characters"))
        elif lot and name in lot.names:
            wrong.append(f"name: {name} is already used in lot {lot.code}")
        return name


def _wrong(column: str, text: str, wanted: str) -> str:
    shown = text_of(text, 40)
    return f'{column}: "{shown}" is not {wanted}' if shown else f"{column}: it is missing"


def _place(values: dict[str, str], location: str, wrong: list[str]) -> tuple[float | None, float | None]:
    """Latitude and longitude from their columns, else from a location that is a point; both or neither."""
    north, east = values.get("latitude", ""), values.get("longitude", "")
    if not north and not east:
        return _point_in(location)
    latitude, longitude = number_of(north, -90, 90), number_of(east, -180, 180)
    if latitude is None:
        wrong.append(_wrong("latitude", north, "a number from -90 to 90"))
    if longitude is None:
        wrong.append(_wrong("longitude", east, "a number from -180 to 180"))
    return latitude, longitude


def _point_in(location: str) -> tuple[float | None, float | None]:
    if location.startswith("{"):
        try:
            point = json.loads(location)
            longitude, latitude = (str(value) for value in point["coordinates"][:2])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None, None
    elif len(location) <= LONGEST_POINT and (match := _POINT.fullmatch(" ".join(location.split()))):
        latitude, longitude = match.groups()
    else:
        return None, None
    north, east = number_of(latitude, -90, 90), number_of(longitude, -180, 180)
    return (None, None) if north is None or east is None else (north, east)


def plan_csv(data: bytes, defaults: ImportDefaults, on_progress: OnProgress | None = None) -> ImportPlan:
    """What the file would bring. Raises ImportRefused without a usable header, or if it is too large."""
    refuse_if_too_large(data)
    text = _text(data)
    estimate = text.count("\n") + (not text.endswith("\n"))
    rows = _records(text)
    columns, notes = _header(next(rows, ()))
    reading = _Rows(columns, defaults)
    number = 1
    for number, row in enumerate(rows, 2):
        if number > MAX_ROWS + 1:
            raise ImportRefused(f"The file has more than {MAX_ROWS:,} rows; split it.")
        if isinstance(row, csv.Error):
            reading.refusals.append(Refusal(number, f"row {number}", f"The row cannot be read: {row}."))
        elif any(row):
            reading.take(number, row)
        if on_progress and number % PROGRESS_EVERY == 0:
            on_progress(number, max(number, estimate))
    if on_progress:
        on_progress(number, number)
    if number == 1:
        raise ImportRefused("The file has a header, but no rows below it.")
    lots = tuple(_lot_plan(lot, defaults) for lot in reading.lots.values())
    return ImportPlan(lots, tuple(reading.refusals), tuple(notes))


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ImportRefused(f"The file is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None


def _records(text: str) -> Iterator[Sequence[str] | csv.Error]:
    """The rows, an error in place of one that cannot be read."""
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _header(row: Sequence[str] | csv.Error) -> tuple[dict[str, int], list[str]]:
    """Where each column stands, and a note on those that are not understood."""
    if isinstance(row, csv.Error) or not any(row):
        raise ImportRefused("The file has no header row.")
    columns: dict[str, int] = {}
    unknown = []
    for at, title in enumerate(row):
        column = _BY_SPELLING.get(re.sub(r"[^a-z]", "", title.lower()))
        if column is None:
            unknown.append(text_of(title, 40))
        elif column in columns:
            raise ImportRefused(f'The column "{text_of(title, 40)}" stands in the header twice.')
        else:
            columns[column] = at
    if "identifier" not in columns:
        raise ImportRefused(f"The header has no column named identifier. Known are: {', '.join(_COLUMNS)}.")
    names = ", ".join(name for name in unknown if name)
    return columns, [_left_out(names)] if names else []


def _left_out(names: str) -> str:
    return f"Columns left out because they are not known: {names}. Known are: {', '.join(_COLUMNS)}."


def _lot_plan(lot: _Lot, defaults: ImportDefaults) -> LotPlan:
    """A lot without geometry, placed at the middle of the slots that say where they are."""
    areas = (AreaPlan(code, f"Area {code}", 0, only, None, None, False) for code, only in lot.areas.items())
    return LotPlan(
        code=lot.code,
        name=lot.name,
        address="",
        time_zone=defaults.time_zone,
        currency=defaults.currency,
        latitude=_mean([slot.latitude for slot in lot.slots if slot.latitude is not None]),
        longitude=_mean([slot.longitude for slot in lot.slots if slot.longitude is not None]),
        outline=(),
        map_angle_deg=0.0,
        gate_x=None,
        gate_y=None,
        gate_heading_deg=None,
        gate_name="",
        attribution="",
        areas=tuple(areas),
        slots=tuple(lot.slots),
    )


def _mean(numbers: Sequence[float]) -> float | None:
    return round(sum(numbers) / len(numbers), 7) if numbers else None
