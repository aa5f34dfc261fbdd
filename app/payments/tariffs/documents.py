"""Tariffs as they are stored and sent: a list of JSON objects, each with its ``kind``."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.core.errors import FieldError
from app.payments.tariffs.lines import (
    DAY_S,
    EndGrace,
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Holding,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    NoParking,
    NoShow,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tiers,
    Window,
)
from app.payments.tariffs.wall_clock import clock_text

KINDS: dict[str, type[Line]] = {
    "per-increment": PerIncrement,
    "tiers": Tiers,
    "flat-rate": FlatRate,
    "free": Free,
    "no-parking": NoParking,
    "overstay": Overstay,
    "holding": Holding,
    "free-time": FreeTime,
    "grace": Grace,
    "end-grace": EndGrace,
    "longest-stay": LongestStay,
    "surcharge": Surcharge,
    "maximum": Maximum,
    "minimum": Minimum,
    "offer": Offer,
    "no-show": NoShow,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_ADAPTERS = {name: TypeAdapter(kind) for name, kind in KINDS.items()}
MOST_LINES = 100
# Each is two moments of a week at which prices may change, and a fee is reckoned from one to the next.
MOST_WINDOWS = 200
# Of these one is enough, and it always holds.
_ONCE = (Overstay, Holding, Grace, EndGrace, Minimum, NoShow)
_ALWAYS = (*_ONCE, FreeTime)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class WrongLines(ValueError):
    """Lines that are no tariff; ``errors`` names each with its place, ``lines.3.price_minor``."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field} {error.message}" for error in errors))
        self.errors = tuple(errors)


def kind_of(line: Line) -> str:
    return _NAMES[type(line)]


def written(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Lines as JSON objects, without what is as ever."""
    return [{"kind": kind_of(line)} | _without_defaults(line) for line in lines]


def read(objects: Sequence[Any]) -> tuple[Line, ...]:
    """The lines of a document, checked one by one and together. WrongLines names everything that is wrong."""
    if len(objects) > MOST_LINES:
        raise WrongLines([FieldError("lines", f"are more than {MOST_LINES}")])
    errors: list[FieldError] = []
    lines: list[Line] = []
    for number, given in enumerate(objects):
        where = f"lines.{number}"
        if not isinstance(given, dict) or given.get("kind") not in tuple(KINDS):
            errors.append(FieldError(f"{where}.kind", "must be one of " + ", ".join(KINDS)))
            continue
        name = given["kind"]
        body = {key: value for key, value in given.items() if key != "kind"}
        unknown = sorted(body.keys() - {field.name for field in fields(KINDS[name])})
        errors += [FieldError(f"{where}.{key}", f"is nothing that {name} has") for key in unknown]
        try:
            lines.append(
                _ADAPTERS[name].validate_python({key: body[key] for key in body if key not in unknown})
            )
        except ValidationError as problem:
            errors += [
                FieldError(".".join([where, *map(str, error["loc"])]), error["msg"])
                for error in problem.errors()
            ]
    if not errors:
        errors = wrong_together(lines)
    if sum(len(line.windows) for line in lines) > MOST_WINDOWS:
        errors.append(FieldError("lines", f"have more than {MOST_WINDOWS} windows"))
    if errors:
        raise WrongLines(errors)
    return tuple(lines)


def stored(text: str) -> tuple[Line, ...]:
    """Lines that were checked when they were stored, from the JSON of :func:`as_text`."""
    return tuple(
        _ADAPTERS[given["kind"]].validate_python(
            {key: value for key, value in given.items() if key != "kind"}
        )
        for given in json.loads(text)
    )


def as_text(lines: Sequence[Line]) -> str:
    """Lines as they are stored: the same lines are the same text."""
    return json.dumps(written(lines), separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _without_defaults(line: Line) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(line)}
    return {key: _plain(value) for key, value in asdict(line).items() if getattr(line, key) != usual[key]}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


def wrong_together(lines: Sequence[Line]) -> list[FieldError]:
    """What is wrong between lines that are right one by one."""
    errors = [error for number, line in enumerate(lines) for error in _wrong_alone(line, f"lines.{number}")]
    for size, premium in slots_told_apart(lines):
        here = [(number, line) for number, line in enumerate(lines) if line.is_for(size, premium)]
        for error in (*_wrong_twice(here), *_wrong_overlaps(here), *_wrong_minimum(here)):
            if error not in errors:
                errors.append(error)
    return errors


def slots_told_apart(lines: Sequence[Line]) -> list[tuple[str, bool]]:
    """Each size and premium for which the lines may differ; "" stands for every size that no line names."""
    sizes = sorted({size for line in lines for size in line.sizes} | {""})
    return [(size, premium) for size in sizes for premium in (False, True)]


def _wrong_alone(line: Line, where: str) -> list[FieldError]:
    errors = []
    if line.windows and isinstance(line, _ALWAYS):
        errors.append(FieldError(f"{where}.windows", f"{kind_of(line)} always holds: it has no windows"))
    if isinstance(line, Tiers):
        reaches = [tier.up_to_s for tier in line.tiers]
        inner = reaches[:-1]
        if reaches[-1] is not None or None in inner or inner != sorted(set(inner), key=lambda s: s or 0):
            errors.append(
                FieldError(f"{where}.tiers", "must reach further each, and the last one without end")
            )
    if isinstance(line, Maximum):
        if line.per == "period" and not line.period_s:
            errors.append(FieldError(f"{where}.period_s", "is missing"))
        if line.per == "window" and not line.windows:
            errors.append(FieldError(f"{where}.windows", "are missing"))
        if line.per != "window" and line.windows:
            errors.append(FieldError(f"{where}.windows", f"a maximum per {line.per} always holds"))
    if isinstance(line, Surcharge) and bool(line.percent_bp) == bool(line.amount_minor):
        errors.append(FieldError(f"{where}.amount_minor", "or percent_bp: give one of both"))
    if isinstance(line, Offer):
        given = sum(map(bool, (line.percent_bp, line.amount_minor, line.free_s)))
        if given != 1:
            errors.append(FieldError(f"{where}.amount_minor", "or percent_bp or free_s: give one of them"))
        if line.percent_bp > 10_000:
            errors.append(FieldError(f"{where}.percent_bp", "is more than everything"))
    return errors


def _wrong_twice(lines: Sequence[tuple[int, Line]]) -> list[FieldError]:
    errors = []
    seen: set[Any] = set()
    for number, line in lines:
        key = (
            line.code.casefold()
            if isinstance(line, Offer)
            else type(line)
            if isinstance(line, _ONCE)
            else None
        )
        if key is not None and key in seen:
            errors.append(
                FieldError(f"lines.{number}.kind", f"there is a line like this already: {kind_of(line)}")
            )
        seen.add(key)
    return errors


def _wrong_overlaps(lines: Sequence[tuple[int, Line]]) -> list[FieldError]:
    """Two prices for the same time: which of them is meant is not guessed."""
    errors = []
    for of_kind, what in (
        ((PerIncrement, Tiers), "price"),
        ((FlatRate,), "flat rate"),
        ((LongestStay,), "longest stay"),
        ((NoParking,), "time without parking"),
    ):
        priced = [(number, line) for number, line in lines if isinstance(line, of_kind)]
        for index, (number, line) in enumerate(priced):
            for before, other in priced[:index]:
                if (shared := overlap(line, other)) is not None:
                    message = f"has another {what} than line {before + 1} {shared}"
                    errors.append(FieldError(f"lines.{number}.windows", message))
    return errors


def overlap(line: Line, other: Line) -> str | None:
    """Where two lines hold both, in words; ``None``: nowhere."""
    for weekday in range(7):
        for from_s, to_s in _hours(line.windows, weekday):
            for other_from_s, other_to_s in _hours(other.windows, weekday):
                begins_s, ends_s = max(from_s, other_from_s), min(to_s, other_to_s)
                if begins_s < ends_s:
                    return f"on {_DAYS[weekday]} from {clock_text(begins_s)} to {clock_text(ends_s)}"
    return None


def _hours(windows: Sequence[Window], weekday: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for window in windows or (Window(),):
        if weekday in window.days:
            found += (
                [(0, window.to_s), (window.from_s, DAY_S)] if window.wraps else [(window.from_s, window.to_s)]
            )
    return found


def _wrong_minimum(lines: Sequence[tuple[int, Line]]) -> list[FieldError]:
    most = [line.amount_minor for _, line in lines if isinstance(line, Maximum)]
    return [
        FieldError(f"lines.{number}.amount_minor", "is more than a maximum of the same tariff")
        for number, line in lines
        if isinstance(line, Minimum) and most and line.amount_minor > min(most)
    ]


def gaps(lines: Sequence[Line], size: str = "", premium: bool = False) -> list[str]:
    """When no line says what time costs, in words: stays then can't be priced in advance."""
    here = [
        line
        for line in lines
        if line.is_for(size, premium) and isinstance(line, PerIncrement | Tiers | FlatRate | Free | NoParking)
    ]
    found = []
    for weekday in range(7):
        reached_s = 0
        covered = sorted(part for line in here for part in _hours(line.windows, weekday))
        for from_s, to_s in [*covered, (DAY_S, DAY_S)]:
            if from_s > reached_s:
                found.append(f"{_DAYS[weekday]} from {clock_text(reached_s)} to {clock_text(from_s)}")
            reached_s = max(reached_s, to_s)
    return found
