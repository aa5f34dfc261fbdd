"""What a stay costs: lines first, then their sum."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from app.core.money import Money


@dataclass(frozen=True)
class Price:
    """What one slot costs: ``price_minor`` for each started ``increment_s``."""

    tariff_id: int
    version: int
    currency: str
    increment_s: int
    price_minor: int
    premium: bool

    @property
    def per_increment(self) -> Money:
        return Money(self.price_minor, self.currency)

    @property
    def per_hour(self) -> Money:
        """What an hour costs, as increments that fit into it, the last one started."""
        return Money(self.price_minor * -(-3600 // self.increment_s), self.currency)


@dataclass(frozen=True)
class FeeLine:
    """One rule's share of a fee."""

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


def fee(price: Price, start: datetime, end: datetime) -> Fee:
    """The fee of a stay from ``start`` to ``end``; nothing where it does not last.

    A started increment counts whole: 30 minutes are one, 30 minutes and a second are two. Elapsed
    time is what counts, so the two nights of a clock change cost what they last.
    """
    lasted_us = (end - start) // timedelta(microseconds=1)
    if lasted_us <= 0:
        return Fee(0, price.currency, ())
    increments = -(-lasted_us // (price.increment_s * 1_000_000))
    amount_minor = increments * price.price_minor
    rule = "premium, per started increment" if price.premium else "per started increment"
    unit = f"{price.increment_s // 60} min" if price.increment_s % 60 == 0 else f"{price.increment_s} s"
    return Fee(amount_minor, price.currency, (FeeLine(rule, increments, unit, amount_minor),))


def lines_from_stored(stored: list[dict[str, Any]]) -> tuple[FeeLine, ...]:
    """The lines of a booking that has ended."""
    return tuple(FeeLine(**line) for line in stored)
