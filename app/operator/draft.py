"""What a tariff's form comes to: rate lines, from when on, and what is wrong at which field."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from babel.dates import format_date

from app.core import words
from app.core.days import EARLIEST, LATEST
from app.core.forms import fit_text
from app.core.languages import locale, say
from app.operator.spelling import amount_text, read_amount, read_clock, read_days, read_length, read_share
from app.operator.tariff_form import (
    BY_THE_MINUTE,
    FLAT,
    FREE,
    HOUR_S,
    LIMITS,
    MINUTE_S,
    SLOTS,
    STARTED,
    Band,
    Typed,
    band_token,
    code_token,
    day_from_the_start,
    other_token,
    premium_surcharge,
)
from app.payments.tariffs.documents import MOST_LINES, WrongLines, read, written, wrong_together
from app.payments.tariffs.lines import (
    DAY_S,
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    NoShow,
    Offer,
    Overstay,
    PerIncrement,
    Tariff,
    Window,
)
from app.payments.tariffs.wall_clock import as_instant, instant_us

Value = TypeVar("Value")
FURTHEST_AHEAD = timedelta(days=731)
_PREMIUM = {text: premium for premium, text in SLOTS.items()}
# Where a row shows what is wrong with a part of its line.
_AT = {"name": "name", "price_minor": "price", "increment_s": "minutes", "per_s": "minutes"}
_TIME = re.compile(r"\d *(?:d|h|min|m)\b", re.IGNORECASE)
_LINE_NUMBER = re.compile(r"\bline (\d+)\b")


@dataclass(frozen=True)
class Draft:
    """``lines`` are those that could be read; ``errors`` has a sentence for each wrong field, by its name.

    ``starts``: from when on, ``None`` for at once. ``of_band``: each row's line, by its key.
    """

    typed: Typed
    lines: tuple[Line, ...]
    errors: Mapping[str, str]
    starts: datetime | None
    of_band: Mapping[int, Line]

    def tariff(self, currency: str, time_zone: str) -> Tariff:
        """The lines as a tariff, to reckon with."""
        return Tariff(0, 0, currency, time_zone, self.lines)


def draft_of(typed: Typed, currency: str, time_zone: str, now: datetime) -> Draft:
    """Reads the whole form; what is wrong in one field keeps no other from being read."""
    reading = _Reading(typed, currency)
    starts = reading.start(time_zone, now)
    reading.bands()
    reading.limits()
    reading.codes()
    reading.others()
    lines = reading.together()
    errors = {name: " ".join(said) for name, said in reading.errors.items()}
    return Draft(typed, lines, errors, starts, reading.of_band)


@dataclass(frozen=True)
class _Source:
    """A line, the token of its place, what it is called in an error, and the field where errors stand."""

    line: Line
    token: str
    called: str
    at: Callable[[str], str]


class _Reading:
    def __init__(self, typed: Typed, currency: str) -> None:
        self._typed = typed
        self._currency = currency
        self._sources: list[_Source] = []
        self.errors: dict[str, list[str]] = {}
        self.of_band: dict[int, Line] = {}

    def bands(self) -> None:
        for number, band in enumerate(self._typed.bands, 1):
            if band.is_empty:
                continue
            line = self._band(band)
            called = (
                say("{name} in row {number}", name=band.name, number=number)
                if band.name
                else say("the one in row {number}", number=number)
            )
            if line and self._add(line, band_token(band.key), called, _row_field(f"band-{band.key}-")):
                self.of_band[band.key] = line

    def _band(self, band: Band) -> Line | None:
        prefix = f"band-{band.key}-"
        windows = self._windows(band, prefix)
        if band.slots not in _PREMIUM or band.how not in (STARTED, BY_THE_MINUTE, FLAT, FREE):
            self._wrong(prefix + "how", say("Choose one of these."))
            return None
        about: dict[str, Any] = {"name": band.name, "premium": _PREMIUM[band.slots]}
        if band.how == FREE:
            return None if windows is None else Free(**about, windows=windows)
        minor = self._value(prefix + "price", self._amount, band.price)
        increment_s: int | None = MINUTE_S
        if band.how == STARTED:
            increment_s = self._value(prefix + "minutes", read_length, band.minutes)
        if windows is None or minor is None or increment_s is None:
            return None
        if band.how == FLAT:
            return FlatRate(**about, windows=windows, price_minor=minor)
        per_s = HOUR_S if band.how == BY_THE_MINUTE else increment_s
        return PerIncrement(**about, windows=windows, price_minor=minor, increment_s=increment_s, per_s=per_s)

    def _windows(self, band: Band, prefix: str) -> tuple[Window, ...] | None:
        """When a row holds, ``None`` where that can't be read. Without hours it is the whole day."""
        before = len(self.errors)
        days = self._value(prefix + "days", read_days, band.days)
        from_s = self._value(prefix + "from", read_clock, band.from_ or "00:00")
        to_s = self._value(prefix + "to", read_clock, band.to or "24:00")
        if from_s == DAY_S:
            self._wrong(prefix + "from", say("Begins before 24:00."))
        if len(self.errors) > before:
            return None
        assert from_s is not None
        assert to_s is not None
        if days is None:
            if (from_s, to_s) != (0, DAY_S):
                self._wrong(prefix + "days", say("Always is the whole day: say every day."))
                return None
            return ()
        return (Window(days, from_s, to_s),)

    def limits(self) -> None:
        given = {name: self._typed.limits.get(name, "") for name in LIMITS}
        for name in ("grace", "free_time", "longest_stay"):
            seconds = self._given(name, read_length, given[name])
            if seconds is not None:
                kind = {"grace": Grace, "free_time": FreeTime, "longest_stay": LongestStay}[name]
                self._limit(kind(lasts_s=seconds), name)
        for name in ("day_most", "period_most", "minimum", "no_show"):
            minor = self._given(name, self._amount, given[name])
            if minor is not None:
                lines: dict[str, Line] = {
                    "day_most": Maximum(amount_minor=minor, per="day"),
                    "period_most": day_from_the_start(minor),
                    "minimum": Minimum(amount_minor=minor),
                    "no_show": NoShow(amount_minor=minor),
                }
                self._limit(lines[name], name)
        share = self._given("premium", read_share, given["premium"])
        if share is not None:
            self._limit(premium_surcharge(share), "premium")
        if given["overstay"] or given["overstay_minutes"]:
            minor = self._value("overstay", self._amount, given["overstay"])
            increment_s = self._value("overstay_minutes", read_length, given["overstay_minutes"])
            if minor is not None and increment_s is not None:
                self._limit(Overstay(price_minor=minor, increment_s=increment_s), "overstay")

    def codes(self) -> None:
        for code in self._typed.codes:
            if code.is_empty:
                continue
            prefix = f"code-{code.key}-"
            if not code.code:
                self._wrong(prefix + "code", say("Give the code."))
            worth = self._value(prefix + "gives", self._worth, code.gives)
            if code.code and worth is not None:
                called = say("code {code}", code=code.code)
                line = replace(Offer(code=code.code), **worth)  # type: ignore[arg-type]
                self._add(line, code_token(code.key), called, _code_field(prefix))

    def _worth(self, text: str) -> dict[str, int]:
        """A share, a time or an amount, whichever it is written as."""
        if text.endswith("%"):
            return {"percent_bp": read_share(text)}
        if _TIME.search(text):
            return {"free_s": read_length(text)}
        try:
            return {"amount_minor": self._amount(text)}
        except ValueError:
            example = amount_text(200, self._currency)
            said = say("Give a share, an amount or a time: 10 %, {amount} or 30 min.", amount=example)
            raise ValueError(said) from None

    def others(self) -> None:
        """The JSON field: an object a line, or a list of them."""
        text = self._typed.other.strip()
        number = 0
        parts = [text] if text.startswith("[") else text.split("\n")
        for row, part in enumerate(parts, 1):
            if not part.strip():
                continue
            try:
                found = json.loads(part)
            except (ValueError, RecursionError):
                self._wrong("other", say("Line {number} is not JSON.", number=row))
                continue
            for document in found if isinstance(found, list) else [found]:
                called = say("other line {number}", number=number + 1)
                if (line := self._other(document, called)) is not None:
                    self._add(line, other_token(number), called, lambda place: "other")
                number += 1

    def _other(self, document: Any, called: str) -> Line | None:
        try:
            (line,) = read([document])
            fit_text("".join(line.sizes))
        except WrongLines as wrong:
            for error in wrong.errors:
                place = error.field.removeprefix("lines.0.")
                self._wrong("other", f"{_capital(called)}: {place} {_lower(error.message)}.")
        except ValueError as error:
            self._wrong("other", f"{_capital(called)}: {error}.")
        else:
            return line
        return None

    def together(self) -> tuple[Line, ...]:
        """All lines in their order, and what is wrong between them."""
        ordered = sorted(self._sources, key=self._rank())
        if len(ordered) > MOST_LINES:
            said = say(
                "A tariff has at most {most} lines; these are {count}.", most=MOST_LINES, count=len(ordered)
            )
            self._wrong("other", said)
        for error in wrong_together([source.line for source in ordered]):
            _, number, place = error.field.split(".", 2)
            source = ordered[int(number)]
            said = _LINE_NUMBER.sub(lambda found: ordered[int(found[1]) - 1].called, error.message)
            about = f"{_capital(source.called)}: " if source.at(place) == "other" else ""
            self._wrong(source.at(place), f"{about}{said if about else _capital(said)}.")
        return tuple(source.line for source in ordered)

    def start(self, time_zone: str, now: datetime) -> datetime | None:
        """From when on it applies. A time that has passed is wrong, but for the minute that passes."""
        day_text, time_text = self._typed.start_day, self._typed.start_time
        if not day_text:
            if time_text:
                self._wrong("start_day", say("Say the day as well, or neither: then it is at once."))
            return None
        day = self._value("start_day", _read_day, day_text)
        after_s = self._value("start_time", read_clock, time_text or "00:00")
        if day is None or after_s is None:
            return None
        zone = words.zone(time_zone)
        starts = as_instant(instant_us(zone, day.toordinal(), after_s))
        if starts > now + FURTHEST_AHEAD:
            self._wrong("start_day", say("At most two years ahead."))
        elif starts <= now - timedelta(minutes=1):
            earliest = now.astimezone(zone)
            date_text = format_date(earliest.date(), "d MMM y", locale())
            when = f"{date_text}, {earliest:%H:%M}"
            self._wrong("start_day", say("This has passed. Earliest is {when}.", when=when))
        elif starts > now:
            return starts
        return None

    def _rank(self) -> Callable[[_Source], tuple[int, int]]:
        """Lines stay where they stood; new ones follow those of their kind."""
        stood = {token: place for place, token in enumerate(self._typed.order.split()[:1_000])}

        def rank(source: _Source) -> tuple[int, int]:
            if source.token in stood:
                return stood[source.token], 0
            alike = [place for token, place in stood.items() if _group(token) <= _group(source.token)]
            return max(alike, default=-1), 1 + _group(source.token)

        return rank

    def _limit(self, line: Line, name: str) -> None:
        self._add(line, name, name.replace("_", " "), lambda place: name)

    def _add(self, line: Line, token: str, called: str, at: Callable[[str], str]) -> bool:
        """Takes the line, unless something is wrong with it alone; says whether it did."""
        try:
            read(written([line]))
        except WrongLines as wrong:
            for error in wrong.errors:
                self._wrong(at(error.field.removeprefix("lines.0.")), f"{_capital(error.message)}.")
            return False
        self._sources.append(_Source(line, token, called, at))
        return True

    def _amount(self, text: str) -> int:
        return read_amount(text, self._currency)

    def _given(self, name: str, reader: Callable[[str], Value], text: str) -> Value | None:
        return self._value(name, reader, text) if text else None

    def _value(self, name: str, reader: Callable[[str], Value], text: str) -> Value | None:
        try:
            return reader(text)
        except ValueError as error:
            self._wrong(name, str(error))
            return None

    def _wrong(self, name: str, said: str) -> None:
        self.errors.setdefault(name, [])
        if said not in self.errors[name]:
            self.errors[name].append(said)


def _row_field(prefix: str) -> Callable[[str], str]:
    return lambda place: prefix + _AT.get(place.split(".")[0], "days")


def _code_field(prefix: str) -> Callable[[str], str]:
    return lambda place: prefix + ("code" if place.startswith("code") else "gives")


def _group(token: str) -> int:
    """Rows, then limits, then the others."""
    if token in LIMITS:
        return 1
    return 0 if token.startswith("b") else 2


def _read_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(say("Give a day, such as 2026-11-30.")) from None
    # At the ends of the calendar no zone has an instant; both are as wrong a little nearer.
    return min(max(day, EARLIEST), LATEST)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
