"""The fee by its definition: one minute after the other, slow and without any of the application's reckoning.

For tariffs whose lengths are whole minutes, and stays that begin and end at whole minutes.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from app.payments.fees import Stay
from app.payments.tariffs.lines import (
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tariff,
    Tiers,
)

MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=4096)
def first_minutes(zone: ZoneInfo, day: date) -> dict[int, datetime]:
    """When the clock shows each minute of a day for the first time; one that it skips: the minute after."""
    found: dict[int, datetime] = {}
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for number in range(-16 * 60, 40 * 60):
        instant = midnight + number * MINUTE
        local = instant.astimezone(zone)
        if local.date() == day:
            found.setdefault(local.hour * 60 + local.minute, instant)
    after = first_midnight(zone, day + timedelta(days=1)) if len(found) < 1440 else None
    for minute in reversed(range(1440)):
        if minute not in found:
            later = found.get(minute + 1, after)
            assert later is not None
            found[minute] = later
    return found


def first_midnight(zone: ZoneInfo, day: date) -> datetime:
    return min(
        instant
        for number in range(-16 * 60, 40 * 60)
        if (instant := datetime(day.year, day.month, day.day, tzinfo=UTC) + number * MINUTE)
        .astimezone(zone)
        .date()
        >= day
    )


def shown(zone: ZoneInfo, instant: datetime) -> tuple[date, int]:
    """The day and the minute of it whose first showing was last."""
    day = instant.astimezone(zone).date() + timedelta(days=1)
    while first_minutes(zone, day)[0] > instant:
        day -= timedelta(days=1)
    minutes = first_minutes(zone, day)
    return day, max(minute for minute, at in minutes.items() if at <= instant)


def occurrence(line: Line, day: date, minute: int) -> Any:
    """Names the occurrence of the line's window at that time; ``None`` where it does not hold."""
    if not line.windows:
        return "always"
    for number, window in enumerate(line.windows):
        if day.weekday() not in window.days:
            continue
        second = minute * 60
        if window.from_s < window.to_s:
            if window.from_s <= second < window.to_s:
                return number, day
        elif second >= window.from_s:
            return number, day
        elif second < window.to_s:
            return number, day - timedelta(days=1)
    return None


@dataclass
class Item:
    """Something charged: when it began, and in which occurrences."""

    begins: datetime
    day: date
    minute: int
    amount: Fraction
    is_overstay: bool = False


@dataclass
class PlainFee:
    """One stay, walked through."""

    tariff: Tariff
    stay: Stay
    items: list[Item] = field(default_factory=list)
    uncovered: bool = False

    def minor(self) -> int | None:
        """The fee; ``None`` where it is not covered."""
        stay = self.stay
        lasts = stay.end - stay.start
        if lasts <= timedelta(0):
            return 0
        lines = [line for line in self.tariff.lines if line.is_for(stay.size, stay.premium)]
        if any(isinstance(line, Grace) and lasts <= timedelta(seconds=line.lasts_s) for line in lines):
            return 0
        self._walk(lines)
        self._limit(lines)
        total = sum((item.amount for item in self.items), Fraction(0))
        for line in lines:
            if isinstance(line, Minimum) and 0 < total < line.amount_minor:
                total = Fraction(line.amount_minor)
        return None if self.uncovered else floor(self._offered(lines, total))

    def _walk(self, lines: list[Line]) -> None:
        zone, stay = ZoneInfo(self.tariff.time_zone), self.stay
        codes = {code.casefold() for code in stay.codes}
        free = sum(line.lasts_s for line in lines if isinstance(line, FreeTime)) // 60
        free += (
            sum(line.free_s for line in lines if isinstance(line, Offer) and line.code.casefold() in codes)
            // 60
        )
        overstay = next((line for line in lines if isinstance(line, Overstay)), None)
        paid_until = now = stay.start
        stood: dict[Any, int] = {}
        tiered: dict[int, int] = {}
        once: set[Any] = set()
        while now < stay.end:
            day, minute = shown(zone, now)
            here = [(line, key) for line in lines if (key := occurrence(line, day, minute)) is not None]
            over = stay.until is not None and now >= stay.until and overstay is not None
            if not over:
                for line, key in here:
                    if isinstance(line, LongestStay):
                        stood[line, key] = stood.get((line, key), 0) + 1
                        if stood[line, key] * 60 > line.lasts_s:
                            over = True
                            self.uncovered |= overstay is None
            prices = [one for one in here if isinstance(one[0], PerIncrement | Tiers)]
            flats = [one for one in here if isinstance(one[0], FlatRate)]
            price: tuple[Any, Any] | None = prices[0] if prices else flats[0] if flats else None
            if over:
                price = None if overstay is None else (overstay, "always")
            elif price is None and not any(isinstance(line, Free) for line, _ in here):
                self.uncovered = True
            if price is not None and now >= paid_until:
                if free:
                    free -= 1
                else:
                    paid_until = self._begin(price, now, day, minute, here, tiered, once, over)
            now += MINUTE

    def _begin(
        self,
        price: tuple[Any, Any],
        now: datetime,
        day: date,
        minute: int,
        here: list[tuple[Line, Any]],
        tiered: dict[int, int],
        once: set[Any],
        over: bool,
    ) -> datetime:
        line, key = price
        lasts_s, amount = 0, Fraction(0)
        if isinstance(line, PerIncrement):
            lasts_s, amount = line.increment_s, Fraction(line.price_minor * line.increment_s, line.per_s)
        elif isinstance(line, Overstay):
            lasts_s, amount = line.increment_s, Fraction(line.price_minor)
        elif isinstance(line, Tiers):
            lasted = tiered.get(id(line), 0)
            tier = next(one for one in line.tiers if one.up_to_s is None or lasted < one.up_to_s)
            lasts_s, amount = tier.increment_s, Fraction(tier.price_minor)
            tiered[id(line)] = lasted + lasts_s
        elif (line, key) not in once:
            # A flat rate is looked at anew each minute, and charged once.
            once.add((line, key))
            lasts_s, amount = 60, Fraction(line.price_minor)
        else:
            return now
        self.items.append(Item(now, day, minute, amount, over))
        for extra, when in here:
            if isinstance(extra, Surcharge) and not over:
                added = amount * extra.percent_bp / 10_000
                if extra.amount_minor and (extra, when) not in once:
                    once.add((extra, when))
                    added += extra.amount_minor
                self.items.append(Item(now, day, minute, added))
        return now + timedelta(seconds=lasts_s)

    def _limit(self, lines: list[Line]) -> None:
        for line in lines:
            if isinstance(line, FlatRate):
                self._at_most(
                    line.price_minor, lambda item, line=line: occurrence(line, item.day, item.minute)
                )
        for per in ("window", "day", "period"):
            for line in lines:
                if isinstance(line, Maximum) and line.per == per:
                    self._at_most(line.amount_minor, lambda item, line=line: self._group(line, item))

    def _group(self, line: Maximum, item: Item) -> Any:
        if line.per == "window":
            return occurrence(line, item.day, item.minute)
        if line.per == "day":
            return item.day
        return (item.begins - self.stay.start) // timedelta(seconds=line.period_s)

    def _at_most(self, most: int, group: Any) -> None:
        sums: dict[Any, Fraction] = {}
        for item in self.items:
            key = None if item.is_overstay else group(item)
            if key is not None:
                item.amount = min(item.amount, most - sums.get(key, Fraction(0)))
                sums[key] = sums.get(key, Fraction(0)) + item.amount

    def _offered(self, lines: list[Line], total: Fraction) -> Fraction:
        codes = {code.casefold() for code in self.stay.codes}
        offers = [line for line in lines if isinstance(line, Offer) and line.code.casefold() in codes]
        for offer in sorted(offers, key=lambda one: one.percent_bp == 0):
            total -= min(total, total * offer.percent_bp / 10_000 + offer.amount_minor)
        return total
