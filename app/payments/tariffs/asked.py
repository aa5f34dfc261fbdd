"""What a slot costs at one instant, for showing: nobody is charged by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.core.languages import say, say_in
from app.core.money import Money
from app.core.words import Length
from app.payments.tariffs.lines import FlatRate, Free, PerIncrement, Surcharge, Tariff, Tiers
from app.payments.tariffs.plan import Band, plan_of
from app.payments.tariffs.wall_clock import as_us

_BASIS_POINTS = 10_000
_HOUR_S = 3600
_DAY_S = 86_400


@dataclass(frozen=True)
class Price:
    """``price_minor`` for each ``per_s``, in started increments of ``increment_s``.

    A flat rate has neither; what is free costs 0. ``unknown``: no rate line says what the time costs.
    """

    tariff_id: int
    version: int
    currency: str
    price_minor: int
    increment_s: int = 0
    per_s: int = 0
    premium: bool = False
    kind: Literal["time", "flat", "free", "unknown"] = "time"

    @property
    def money(self) -> Money:
        return Money(self.price_minor, self.currency)

    @property
    def per_hour(self) -> Money:
        """What an hour costs: the increments that begin in it."""
        if self.kind != "time":
            return self.money
        begun_s = -(-_HOUR_S // self.increment_s) * self.increment_s
        return Money(self.price_minor * begun_s // self.per_s, self.currency)

    @property
    def text(self) -> str:
        """``€1.00 per started 30 min``, ``€2.00 per hour, by started minute``; "" where it is unknown."""
        if self.kind == "unknown":
            return ""
        if self.kind == "free":
            return say("free now")
        if self.kind == "flat":
            return say("{price} flat", price=self.money)
        started = _started(self.increment_s)
        if self.per_s == self.increment_s:
            return say("{price} per {started}", price=self.money, started=started)
        return say(
            "{price} per {length}, by {started}", price=self.money, length=_each(self.per_s), started=started
        )

    @property
    def hour_text(self) -> str:
        """``€2.00 / h``, where space is short."""
        return say("{price} / h", price=self.per_hour) if self.kind == "time" else self.text


def _started(seconds: int) -> str:
    """What is paid for once it has begun: of one alone as one says it."""
    whole = {60: say("started minute"), _HOUR_S: say("started hour"), _DAY_S: say("started day")}
    return whole.get(seconds) or say("started {length}", length=Length(seconds))


def _each(seconds: int) -> str:
    whole = {
        60: say_in("what it costs for each", "minute"),
        _HOUR_S: say_in("what it costs for each", "hour"),
        _DAY_S: say_in("what it costs for each", "day"),
    }
    return whole.get(seconds) or str(Length(seconds))


def asked(tariff: Tariff, at: datetime, *, size: str = "car", premium: bool = False) -> Price:
    """The price of a slot for who comes at ``at``."""
    at_us = as_us(at)
    stretch = next(plan_of(tariff, size, premium).stretches(at_us, at_us + 1))
    kind, price_minor, increment_s, per_s = _of_band(stretch.band)
    for held in stretch.band.surcharges:
        line: Surcharge = held.line
        price_minor += price_minor * line.percent_bp // _BASIS_POINTS
    return Price(tariff.id, tariff.version, tariff.currency, price_minor, increment_s, per_s, premium, kind)


def _of_band(band: Band) -> tuple[Literal["time", "flat", "free", "unknown"], int, int, int]:
    line = band.price.line if band.price else band.flat.line if band.flat else None
    if isinstance(line, PerIncrement):
        return "time", line.price_minor, line.increment_s, line.per_s
    if isinstance(line, Tiers):
        first = line.tiers[0]
        return "time", first.price_minor, first.increment_s, first.increment_s
    if isinstance(line, FlatRate):
        return "flat", line.price_minor, 0, 0
    return ("free" if isinstance(line, Free) else "unknown"), 0, 0, 0
