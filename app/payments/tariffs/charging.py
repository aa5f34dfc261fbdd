"""From a stay to charges: what begins when, at which price. Reckoned in whole numbers, nothing is rounded."""

from dataclasses import dataclass, field
from typing import Any

from app.core.languages import sentence
from app.core.words import Length
from app.payments.tariffs.limits import Limits
from app.payments.tariffs.lines import Free, NoParking, PerIncrement, Surcharge, Tiers
from app.payments.tariffs.plan import Held, Occurrence, Plan, Stretch
from app.payments.tariffs.wall_clock import SECOND_US, clock_text

_BASIS_POINTS = 10_000
_NEVER_US = 1 << 62


@dataclass(slots=True)
class Charge:
    """All of one price in a stay; ``amount`` is in the plan's units, ``tier`` counts tiers from 0."""

    line: Any
    tier: int
    quantity: int
    amount: int


@dataclass(slots=True)
class Charged:
    """What a stay comes to, before its limits take off what is above them.

    ``charges`` are in the order in which they come up. ``uncovered``: why a part of the stay has no price.
    """

    limits: Limits
    charges: list[Charge] = field(default_factory=list)
    uncovered: list[str] = field(default_factory=list)
    free_used_us: int = 0


@dataclass(frozen=True, slots=True)
class Times:
    """The instants of a stay in microseconds; from ``until_us`` on nothing is as planned."""

    begins_us: int
    expected_us: int
    until_us: int
    ends_us: int


class Charging:
    """One stay under one plan, walked through from its start to its end.

    An increment costs what it costs when it begins, and is paid for to its end, whatever begins meanwhile.
    """

    def __init__(self, plan: Plan, times: Times, free_us: int) -> None:
        self._plan = plan
        self._times = times
        self._free_us = free_us
        self._paid_until_us = times.begins_us
        self._in_tiers_us: dict[int, int] = {}
        self._stood_us: dict[Occurrence, int] = {}
        self._once: set[Occurrence] = set()
        self._periods_us = [line.period_s * SECOND_US for _, line in plan.maxima if line.per == "period"]
        self._period_ends_us = times.begins_us
        self._by_rule: dict[tuple[int, int], Charge] = {}
        self.charged = Charged(Limits(plan, times.begins_us))

    def walk(self) -> Charged:
        """What the whole stay comes to."""
        times, plan = self._times, self._plan
        from_us = times.begins_us
        if plan.holding is not None:
            ends_us = min(times.expected_us, times.ends_us)
            for stretch in plan.stretches(from_us, ends_us):
                self._at_one_price(plan.holding, stretch, stretch)
            from_us = max(from_us, ends_us)
        for stretch in plan.stretches(from_us, min(times.until_us, times.ends_us)):
            self._stand(stretch)
        over_us = max(from_us, times.until_us + plan.end_grace_us)
        for stretch in plan.stretches(over_us, times.ends_us):
            if plan.overstay is not None:
                self._at_one_price(plan.overstay, stretch, None)
            else:
                self._stand(stretch)
        return self.charged

    def _stand(self, stretch: Stretch) -> None:
        """Time as planned; past the longest stay the overstay's price, if there is one."""
        held = stretch.band.longest
        if held is None:
            self._priced(stretch)
            return
        key = held.occurrence(stretch.day)
        stood_us = self._stood_us.get(key, 0)
        self._stood_us[key] = stood_us + stretch.ends_us - stretch.begins_us
        left_us = held.line.lasts_s * SECOND_US - stood_us
        limit_us = stretch.begins_us + left_us
        if stretch.ends_us <= limit_us:
            self._priced(stretch)
            return
        if left_us > 0:
            self._priced(_cut(stretch, stretch.begins_us, limit_us))
        over_us = max(stretch.begins_us, limit_us + self._plan.end_grace_us)
        if over_us < stretch.ends_us:
            beyond = _cut(stretch, over_us, stretch.ends_us)
            if self._plan.overstay is not None:
                self._at_one_price(self._plan.overstay, beyond, None)
            else:
                self._uncovered(sentence("the longest stay is {length}", length=Length(held.line.lasts_s)))

    def _priced(self, stretch: Stretch) -> None:
        band = stretch.band
        if band.price is None and band.flat is None:
            self._uncovered(sentence("no rate line says what a part of this time costs"))
        elif band.price is None:
            assert band.flat is not None
            self._flat(band.flat, stretch)
        elif isinstance(band.price.line, PerIncrement):
            self._at_one_price(band.price.line, stretch, stretch)
        elif isinstance(band.price.line, Tiers):
            self._in_tiers(band.price, stretch)
        elif isinstance(band.price.line, NoParking):
            self._no_parking(band.price, stretch)
        else:
            assert isinstance(band.price.line, Free)

    def _at_one_price(self, line: Any, stretch: Stretch, capped: Stretch | None) -> None:
        begins_us = self._after_free_time(stretch)
        per_increment = line.price_minor * self._plan.unit
        if isinstance(line, PerIncrement):
            per_increment = per_increment * line.increment_s // line.per_s
        while begins_us < stretch.ends_us:
            begins_us = self._increments(
                line, 0, per_increment, line.increment_s, begins_us, stretch.ends_us, capped
            )

    def _increments(
        self,
        line: Any,
        tier: int,
        each: int,
        increment_s: int,
        begins_us: int,
        ends_us: int,
        stretch: Stretch | None,
    ) -> int:
        """Increments that begin up to ``ends_us`` or to the end of a period; returns until when they last."""
        step_us = increment_s * SECOND_US
        if stretch is not None:
            if begins_us >= self._period_ends_us:
                self._period_ends_us = self._end_of_period_us(begins_us)
            if ends_us > self._period_ends_us:
                ends_us = self._period_ends_us
        number = -((begins_us - ends_us) // step_us)
        self._charge(line, tier, number, number * each, begins_us, stretch)
        self._paid_until_us = begins_us + number * step_us
        return self._paid_until_us

    def _in_tiers(self, held: Held, stretch: Stretch) -> None:
        begins_us, line = self._after_free_time(stretch), held.line
        while begins_us < stretch.ends_us:
            lasted_us = self._in_tiers_us.get(held.number, 0)
            number = next(
                index
                for index, tier in enumerate(line.tiers)
                if tier.up_to_s is None or lasted_us < tier.up_to_s * SECOND_US
            )
            tier = line.tiers[number]
            left_us = _NEVER_US if tier.up_to_s is None else tier.up_to_s * SECOND_US - lasted_us
            ends_us = min(stretch.ends_us, begins_us + left_us)
            paid_us = self._increments(
                line,
                number,
                tier.price_minor * self._plan.unit,
                tier.increment_s,
                begins_us,
                ends_us,
                stretch,
            )
            self._in_tiers_us[held.number] = lasted_us + paid_us - begins_us
            begins_us = paid_us

    def _flat(self, held: Held, stretch: Stretch) -> None:
        key = held.occurrence(stretch.day)
        begins_us = self._after_free_time(stretch)
        if key in self._once or begins_us >= stretch.ends_us:
            return
        self._once.add(key)
        self._charge(held.line, 0, 1, held.line.price_minor * self._plan.unit, begins_us, stretch)

    def _charge(
        self, line: Any, tier: int, quantity: int, amount: int, begins_us: int, stretch: Stretch | None
    ) -> None:
        """Adds something that begins at one instant; what has no ``stretch`` is below no limit."""
        self._add(line, tier, quantity, amount)
        if stretch is None:
            return
        with_surcharges = amount
        for held in stretch.band.surcharges:
            with_surcharges += self._surcharge(held, amount, stretch.day)
        self.charged.limits.take_off(with_surcharges, begins_us, stretch)

    def _surcharge(self, held: Held, amount: int, day: int) -> int:
        line: Surcharge = held.line
        added = amount * line.percent_bp // _BASIS_POINTS
        if line.amount_minor and (key := held.occurrence(day)) not in self._once:
            self._once.add(key)
            added += line.amount_minor * self._plan.unit
        if added:
            self._add(line, 0, 1 if line.amount_minor else 0, added)
        return added

    def _add(self, line: Any, tier: int, quantity: int, amount: int) -> None:
        key = (id(line), tier)
        known = self._by_rule.get(key)
        if known is None:
            known = self._by_rule[key] = Charge(line, tier, 0, 0)
            self.charged.charges.append(known)
        known.quantity += quantity
        known.amount += amount

    def _no_parking(self, held: Held, stretch: Stretch) -> None:
        key = held.occurrence(stretch.day)
        stood_us = self._stood_us.get(key, 0) + stretch.ends_us - stretch.begins_us
        self._stood_us[key] = stood_us
        if stood_us > held.line.loading_s * SECOND_US:
            self._uncovered(_nobody_may(held))

    def _after_free_time(self, stretch: Stretch) -> int:
        """From when on the stretch costs something: nothing is paid for yet, and no time is free any more."""
        begins_us = max(stretch.begins_us, self._paid_until_us)
        if self._free_us and begins_us < stretch.ends_us:
            free_us = min(self._free_us, stretch.ends_us - begins_us)
            self._free_us -= free_us
            self.charged.free_used_us += free_us
            begins_us += free_us
        return begins_us

    def _end_of_period_us(self, begins_us: int) -> int:
        """When the first of the periods that have a maximum ends."""
        first_us = self._times.begins_us
        ends_us = [first_us + ((begins_us - first_us) // one + 1) * one for one in self._periods_us]
        return min(ends_us, default=_NEVER_US)

    def _uncovered(self, why: str) -> None:
        if why not in self.charged.uncovered:
            self.charged.uncovered.append(why)


def _cut(stretch: Stretch, begins_us: int, ends_us: int) -> Stretch:
    return Stretch(stretch.day, begins_us, ends_us, stretch.band)


def _nobody_may(held: Held) -> str:
    if held.back is None:
        return sentence("nobody may park there")
    window = held.line.windows[held.window]
    begins, ends = clock_text(window.from_s), clock_text(window.to_s)
    return sentence("nobody may park there from {begins} to {ends}", begins=begins, ends=ends)


def length_text(seconds: int) -> str:
    """A length as fees are kept with it, in English whoever asks: ``2 h``, ``15 min``, ``20 s``."""
    if seconds % 3600 == 0 and seconds > 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
