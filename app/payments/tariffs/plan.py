"""A tariff as it stands for one kind of slot: the week in bands, each with the lines that hold in it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from app.core.words import zone
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
    Tariff,
    Tiers,
    Window,
)
from app.payments.tariffs.wall_clock import DAY_US, SECOND_US, day_begins_us, day_of, instant_us

L = TypeVar("L", bound=Line)
# An occurrence of a line's window: the line, the window, and the day on which it began; of a line without
# windows there is one.
Occurrence = tuple[int, int, int]
_BASIS_POINTS = 10_000


@dataclass(frozen=True)
class Held:
    """A line that holds in a band; ``back``: its window began so many days before; ``None``: always holds."""

    line: Any
    number: int
    window: int
    back: int | None

    def occurrence(self, day: int) -> Occurrence:
        return (self.number, self.window, 0 if self.back is None else day - self.back)


@dataclass(frozen=True)
class Band:
    """A stretch of a weekday, from and to so many seconds after local midnight, and what holds in it.

    ``limits``: the flat rate, then the maxima of windows.
    """

    from_s: int
    to_s: int
    price: Held | None
    flat: Held | None
    longest: Held | None
    surcharges: tuple[Held, ...]
    limits: tuple[Held, ...]


@dataclass(slots=True)
class Stretch:
    """A part of a stay that lies in one band, in microseconds."""

    day: int
    begins_us: int
    ends_us: int
    band: Band


@dataclass(frozen=True)
class Plan:
    """The lines of a tariff for slots of one size that are premium or not, ready to be reckoned with.

    ``unit``: what a minor unit is in the whole numbers that amounts are reckoned in.
    """

    tariff: Tariff
    zone: ZoneInfo
    lines: tuple[Line, ...]
    week: tuple[tuple[Band, ...], ...]
    unit: int
    overstay: Overstay | None
    holding: Holding | None
    grace: Grace | None
    end_grace_us: int
    free_us: int
    minimum_minor: int
    no_show: NoShow | None
    maxima: tuple[tuple[int, Maximum], ...]
    flats: tuple[tuple[int, FlatRate], ...]
    offers: tuple[Offer, ...]

    def stretches(self, begins_us: int, ends_us: int) -> Iterator[Stretch]:
        """The parts of that time, in order, without a gap."""
        if ends_us <= begins_us:
            return
        day = day_of(self.zone, begins_us)
        day_us = day_begins_us(self.zone, day)
        while True:
            next_us = day_begins_us(self.zone, day + 1)
            is_plain = next_us - day_us == DAY_US
            for band in self.week[(day - 1) % 7]:
                to_us = (
                    day_us + band.to_s * SECOND_US if is_plain else self._until_us(day, band.to_s, next_us)
                )
                if to_us <= begins_us:
                    continue
                if to_us >= ends_us:
                    yield Stretch(day, begins_us, ends_us, band)
                    return
                yield Stretch(day, begins_us, to_us, band)
                begins_us = to_us
            day, day_us = day + 1, next_us

    def is_in_window(self, line: Line, us: int) -> bool:
        """Whether an instant lies in one of the line's windows."""
        day = day_of(self.zone, us)
        return any(
            instant_us(self.zone, day, part.from_s) <= us < instant_us(self.zone, day, part.to_s)
            for window in line.windows
            for part in _parts(window, (day - 1) % 7)
        )

    def _until_us(self, day: int, after_midnight_s: int, next_us: int) -> int:
        return next_us if after_midnight_s == DAY_S else instant_us(self.zone, day, after_midnight_s)


def plan_of(tariff: Tariff, size: str, premium: bool) -> Plan:
    """The tariff for one kind of slot; made once for each tariff."""
    found: Plan | None = tariff.plans.get((size, premium))
    if found is None:
        found = tariff.plans[size, premium] = _made(tariff, size, premium)
    return found


def _made(tariff: Tariff, size: str, premium: bool) -> Plan:
    lines = tuple(line for line in tariff.lines if line.is_for(size, premium))
    overstay, holding = _only(lines, Overstay), _only(lines, Holding)
    grace, minimum = _only(lines, Grace), _only(lines, Minimum)
    end_grace = _only(lines, EndGrace)
    return Plan(
        tariff=tariff,
        zone=zone(tariff.time_zone),
        lines=lines,
        week=tuple(_bands(lines, weekday) for weekday in range(7)),
        unit=_BASIS_POINTS * math.lcm(*(line.per_s for line in lines if isinstance(line, PerIncrement))),
        overstay=overstay,
        holding=holding,
        grace=grace,
        end_grace_us=end_grace.lasts_s * SECOND_US if end_grace else 0,
        free_us=sum(line.lasts_s for line in lines if isinstance(line, FreeTime)) * SECOND_US,
        minimum_minor=minimum.amount_minor if minimum else 0,
        no_show=_only(lines, NoShow),
        maxima=tuple((number, line) for number, line in enumerate(lines) if isinstance(line, Maximum)),
        flats=tuple((number, line) for number, line in enumerate(lines) if isinstance(line, FlatRate)),
        offers=tuple(line for line in lines if isinstance(line, Offer)),
    )


def _only(lines: Sequence[Line], kind: type[L]) -> L | None:
    return next((line for line in lines if isinstance(line, kind)), None)


def _bands(lines: Sequence[Line], weekday: int) -> tuple[Band, ...]:
    """The bands of a weekday, in order; together they are the whole of it."""
    edges = {0, DAY_S}
    for line in lines:
        for window in line.windows:
            edges.update(edge for part in _parts(window, weekday) for edge in (part.from_s, part.to_s))
    ordered = sorted(edges)
    return tuple(_band(lines, weekday, *pair) for pair in pairwise(ordered))


@dataclass(frozen=True)
class _Part:
    """Where a window lies on a weekday; ``back``: on how many days before its occurrence began."""

    from_s: int
    to_s: int
    back: int


def _parts(window: Window, weekday: int) -> tuple[_Part, ...]:
    if weekday not in window.days:
        return ()
    if not window.wraps:
        return (_Part(window.from_s, window.to_s, 0),)
    return tuple(
        part for part in (_Part(0, window.to_s, 1), _Part(window.from_s, DAY_S, 0)) if part.from_s < part.to_s
    )


def _band(lines: Sequence[Line], weekday: int, from_s: int, to_s: int) -> Band:
    held = [
        one for number, line in enumerate(lines) if (one := _held(line, number, weekday, from_s)) is not None
    ]
    # Where nobody may park no price counts.
    prices = [one for one in held if isinstance(one.line, NoParking)]
    prices += [one for one in held if isinstance(one.line, PerIncrement | Tiers)]
    free = [one for one in held if isinstance(one.line, Free)]
    flats = [one for one in held if isinstance(one.line, FlatRate)]
    longest = [one for one in held if isinstance(one.line, LongestStay)]
    flat = flats[0] if flats else None
    price = prices[0] if prices else free[0] if free and flat is None else None
    return Band(
        from_s,
        to_s,
        price,
        flat,
        longest[0] if longest else None,
        tuple(one for one in held if isinstance(one.line, Surcharge)),
        (
            *flats[:1],
            *(one for one in held if isinstance(one.line, Maximum) and one.line.per == "window"),
        ),
    )


def _held(line: Line, number: int, weekday: int, from_s: int) -> Held | None:
    if not line.windows:
        return Held(line, number, 0, None)
    for index, window in enumerate(line.windows):
        for part in _parts(window, weekday):
            if part.from_s <= from_s < part.to_s:
                return Held(line, number, index, part.back)
    return None
