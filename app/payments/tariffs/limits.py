"""The most that windows, days and periods may cost: kept up while a stay is charged.

The narrowest comes first: what a window leaves of a charge is what counts for its day. What is above is taken
off the later charges. Amounts are in the plan's units.
"""

from typing import Any

from app.payments.tariffs.lines import FlatRate, Maximum
from app.payments.tariffs.plan import Plan, Stretch
from app.payments.tariffs.wall_clock import SECOND_US

# After flat rates; in this order nothing is charged by two of these for the same time.
_PER = ("window", "day", "period")


class Limit:
    """What one line lets a window, day or period cost: how often that was reached, how much it took off."""

    __slots__ = ("_most", "_reached", "_sums", "line", "taken")

    def __init__(self, line: FlatRate | Maximum, most: int) -> None:
        self.line = line
        self.taken = 0
        self._most = most
        self._sums: dict[Any, int] = {}
        self._reached: set[Any] = set()

    @property
    def reached(self) -> int:
        return len(self._reached)

    def leaves(self, key: Any, amount: int) -> int:
        """What is left of an amount that the window, day or period named by ``key`` costs in addition."""
        total = self._sums.get(key, 0) + amount
        above = total - self._most
        if above <= 0:
            self._sums[key] = total
            return amount
        self._sums[key] = self._most
        self._reached.add(key)
        self.taken += above
        return amount - above


class Limits:
    """All limits of a plan for one stay."""

    def __init__(self, plan: Plan, begins_us: int) -> None:
        self._begins_us = begins_us
        self._of_windows: dict[int, Limit] = {}
        self._of_days: list[Limit] = []
        self._of_periods: list[tuple[int, Limit]] = []
        self.all: list[Limit] = []
        for number, flat in plan.flats:
            self._of_windows[number] = self._added(flat, flat.price_minor * plan.unit)
        for per in _PER:
            for number, line in plan.maxima:
                if line.per == per:
                    self._sort_in(number, line, self._added(line, line.amount_minor * plan.unit))

    def take_off(self, amount: int, begins_us: int, stretch: Stretch) -> None:
        """Counts what was charged at an instant of a stretch, and takes off what is above a limit."""
        for held in stretch.band.limits:
            amount = self._of_windows[held.number].leaves(held.occurrence(stretch.day), amount)
        for limit in self._of_days:
            amount = limit.leaves(stretch.day, amount)
        if not amount:
            return
        for period_us, limit in self._of_periods:
            amount = limit.leaves((begins_us - self._begins_us) // period_us, amount)

    def _added(self, line: Any, most: int) -> Limit:
        limit = Limit(line, most)
        self.all.append(limit)
        return limit

    def _sort_in(self, number: int, line: Maximum, limit: Limit) -> None:
        if line.per == "window":
            self._of_windows[number] = limit
        elif line.per == "day":
            self._of_days.append(limit)
        else:
            self._of_periods.append((line.period_s * SECOND_US, limit))
