"""What a stay costs: lines first, then their sum.

How each kind of rate line is read, also where several meet, is told in ``docs/tariffs.md``. The order: what
time costs (:mod:`~app.payments.tariffs.charging`), then the most that windows, days and periods may cost,
then the minimum, then offers. Amounts are exact until the end; there a fraction of a minor unit is dropped.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.core.money import Money
from app.payments.tariffs.charging import Charge, Charging, Times, length_text
from app.payments.tariffs.limits import Limit
from app.payments.tariffs.lines import (
    FlatRate,
    Holding,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tariff,
    Tiers,
)
from app.payments.tariffs.plan import Plan, plan_of
from app.payments.tariffs.wall_clock import SECOND_US, as_us

_BASIS_POINTS = 10_000
_NEVER_US = 1 << 62


@dataclass(frozen=True)
class Stay:
    """What a fee depends on. ``start``: billed from; ``expected``: booked for; ``until``: the planned end.

    Instants are aware. ``codes``: of the offers that were given for it.
    """

    start: datetime
    end: datetime
    expected: datetime | None = None
    until: datetime | None = None
    size: str = "car"
    premium: bool = False
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeeLine:
    """One rule's share of a fee: how often, of what, and what it comes to."""

    rule: str
    quantity: int
    unit: str
    amount_minor: int


@dataclass(frozen=True)
class Fee:
    """An amount with the lines that it is the sum of."""

    amount_minor: int
    currency: str
    lines: tuple[FeeLine, ...]

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def stored_lines(self) -> list[dict[str, Any]]:
        """The lines as they are kept with the booking that they ended."""
        return [asdict(line) for line in self.lines]


class NotCovered(Exception):
    """The tariff does not say what a stay costs, or forbids it; ``reasons`` has a phrase for each part."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


def fee(tariff: Tariff, stay: Stay) -> Fee:
    """The fee of a stay; nothing where it does not last.

    Raises NotCovered where a part of it is covered by no rate line, is longer than one may stand there, or
    lies where nobody may.
    """
    found, uncovered = _reckoned(plan_of(tariff, stay.size, stay.premium), stay)
    if uncovered:
        raise NotCovered(uncovered)
    return found


def fee_of_what_is_covered(tariff: Tariff, stay: Stay) -> Fee:
    """The same for a stay that took place: what no rate line covers costs nothing, and a line says so."""
    found, uncovered = _reckoned(plan_of(tariff, stay.size, stay.premium), stay)
    told = tuple(FeeLine(f"not charged: {why}", 1, "stay", 0) for why in uncovered)
    return Fee(found.amount_minor, found.currency, found.lines + told)


def fee_of_no_show(tariff: Tariff, stay: Stay) -> Fee:
    """What a booking costs whose driver did not arrive: the line for it, else the time until it was ended."""
    line = plan_of(tariff, stay.size, stay.premium).no_show
    if line is None:
        return fee_of_what_is_covered(tariff, stay)
    told = FeeLine(_rule(line, "not arrived in time"), 1, "booking", line.amount_minor)
    return Fee(line.amount_minor, tariff.currency, (told,))


def _reckoned(plan: Plan, stay: Stay) -> tuple[Fee, list[str]]:
    times = _times(plan, stay)
    lasts_us = times.ends_us - times.begins_us
    if lasts_us <= 0:
        return Fee(0, plan.tariff.currency, ()), []
    if plan.grace is not None and lasts_us <= plan.grace.lasts_s * SECOND_US:
        told = FeeLine(_rule(plan.grace, "left in time"), 1, length_text(plan.grace.lasts_s), 0)
        return Fee(0, plan.tariff.currency, (told,)), []
    offers = _offers(plan, stay, times)
    charging = Charging(plan, times, plan.free_us + sum(one.free_s for one in offers) * SECOND_US)
    charged = charging.walk()
    sums = _Sums(plan.unit)
    if charged.free_used_us:
        sums.add(FeeLine("free time", 1, length_text(-(-charged.free_used_us // SECOND_US)), 0), 0)
    for charge in charged.charges:
        sums.add(_line(charge), charge.amount)
    for limit in charged.limits.all:
        if limit.reached:
            sums.add(_limited(limit), -limit.taken)
    _lift_to_minimum(plan, sums)
    _take_offers_off(plan, offers, sums)
    return Fee(sums.rounded_minor, plan.tariff.currency, sums.lines()), charged.uncovered


def _times(plan: Plan, stay: Stay) -> Times:
    begins_us, ends_us = as_us(stay.start), as_us(stay.end)
    expected_us = begins_us if stay.expected is None else as_us(stay.expected)
    until_us = _NEVER_US if stay.until is None else max(begins_us, as_us(stay.until))
    return Times(begins_us, max(begins_us, expected_us), until_us, ends_us)


def _offers(plan: Plan, stay: Stay, times: Times) -> list[Offer]:
    """Those whose code was given and in whose windows the stay begins; each counts once."""
    given = {code.casefold() for code in stay.codes}
    return [
        offer
        for offer in plan.offers
        if offer.code.casefold() in given and (not offer.windows or plan.is_in_window(offer, times.begins_us))
    ]


class _Sums:
    """Exact sums by rule, in the order in which the rules come up."""

    def __init__(self, unit: int) -> None:
        self._unit = unit
        self._added: list[tuple[FeeLine, int]] = []
        self.total = 0

    def add(self, line: FeeLine, amount: int) -> None:
        self.total += amount
        self._added.append((line, amount))

    @property
    def rounded_minor(self) -> int:
        return self.total // self._unit

    def lines(self) -> tuple[FeeLine, ...]:
        """Each rounded so that together they are the rounded sum."""
        lines, before = [], 0
        for line, amount in self._added:
            after = before + amount
            rounded = after // self._unit - before // self._unit
            # A share is one, of whatever number of prices it is.
            lines.append(FeeLine(line.rule, max(1, line.quantity), line.unit, rounded))
            before = after
        return tuple(lines)


def _line(charge: Charge) -> FeeLine:
    line = charge.line
    if isinstance(line, PerIncrement):
        return FeeLine(
            _rule(line, "per started increment"), charge.quantity, length_text(line.increment_s), 0
        )
    if isinstance(line, Tiers):
        tier = line.tiers[charge.tier]
        reach = "beyond" if tier.up_to_s is None else f"up to {length_text(tier.up_to_s)}"
        rule = _rule(line, f"per started increment, {reach}")
        return FeeLine(rule, charge.quantity, length_text(tier.increment_s), 0)
    if isinstance(line, FlatRate):
        return FeeLine(_rule(line, "flat rate"), charge.quantity, "time" if line.windows else "stay", 0)
    if isinstance(line, Surcharge):
        share = Decimal(line.percent_bp) / 100
        unit = f"{share.normalize():f} %" if line.percent_bp else "time"
        return FeeLine(_rule(line, "surcharge"), charge.quantity, unit, 0)
    assert isinstance(line, Overstay | Holding)
    what = "overstay" if isinstance(line, Overstay) else "held before the start"
    rule = _rule(line, f"{what}, per started increment")
    return FeeLine(rule, charge.quantity, length_text(line.increment_s), 0)


def _rule(line: Any, what: str) -> str:
    return f"{line.name}, {what}" if line.name else what


def _limited(limit: Limit) -> FeeLine:
    line = limit.line
    if isinstance(line, FlatRate):
        return FeeLine(_rule(line, "at most the flat rate"), limit.reached, "time", 0)
    unit = length_text(line.period_s) if line.per == "period" else line.per
    return FeeLine(_rule(line, f"at most per {line.per}"), limit.reached, unit, 0)


def _lift_to_minimum(plan: Plan, sums: _Sums) -> None:
    least = plan.minimum_minor * plan.unit
    if 0 < sums.total < least:
        sums.add(FeeLine("at least", 1, "stay", 0), least - sums.total)


def _take_offers_off(plan: Plan, offers: Sequence[Offer], sums: _Sums) -> None:
    """Shares first, of what is left each; then amounts; never more than what is left."""
    for offer in sorted(offers, key=lambda one: one.percent_bp == 0):
        off = min(
            sums.total,
            -(-sums.total * offer.percent_bp // _BASIS_POINTS) + offer.amount_minor * plan.unit,
        )
        if off > 0:
            sums.add(FeeLine(_rule(offer, f"offer {offer.code}"), 1, "stay", 0), -off)


_LOOKED_AHEAD = timedelta(days=8)
_MICROSECOND = timedelta(microseconds=1)


def dearer_from(
    tariff: Tariff,
    stay: Stay,
    within: timedelta = _LOOKED_AHEAD,
    step: timedelta = _MICROSECOND,
    paid_minor: int = 0,
) -> tuple[datetime, Fee] | None:
    """The last end at which the stay costs no more, and what it costs then; ``None``: not ``within`` so long.

    Of a stay for which something is paid: the last end at which it costs no more than that. A longer stay
    never costs less, so the instant is found by halving, down to ``step``.
    """

    def amount(end: datetime) -> int:
        return fee_of_what_is_covered(tariff, _ending(stay, end)).amount_minor

    now_minor = max(paid_minor, amount(stay.end))
    low = timedelta(0)
    high = timedelta(minutes=1)
    while amount(stay.end + high) <= now_minor:
        if high >= within:
            return None
        low, high = high, min(high * 4, within)
    while high - low > step:
        middle = (low + high) // 2 // step * step
        if amount(stay.end + middle) > now_minor:
            high = middle
        else:
            low = middle
    return stay.end + low, fee_of_what_is_covered(tariff, _ending(stay, stay.end + high))


def _ending(stay: Stay, end: datetime) -> Stay:
    return Stay(stay.start, end, stay.expected, stay.until, stay.size, stay.premium, stay.codes)


def lines_from_stored(stored: list[dict[str, Any]]) -> tuple[FeeLine, ...]:
    """The lines of a booking that has ended."""
    return tuple(FeeLine(**line) for line in stored)
