"""What it costs to reckon a fee: 30 days over a tariff of 20 lines, beside a plain loop over its increments.

    bin/bench fees [--days 30] [--rounds 7] [--each 200]

Exit code 1 where the fee takes longer than the loop.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.payments.bills import Bill
from app.payments.fees import Stay, fee
from app.payments.tariffs.documents import read, written
from app.payments.tariffs.lines import (
    FlatRate,
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
    Surcharge,
    Tariff,
    Tier,
    Tiers,
    Window,
)

HOUR_S = 3600
WEEKDAYS, WEEKEND = frozenset(range(5)), frozenset((5, 6))


def band(days: frozenset[int], from_h: int, to_h: int) -> tuple[Window, ...]:
    return (Window(days, from_h * HOUR_S, to_h * HOUR_S),)


def lines() -> tuple[Line, ...]:
    """Twenty lines of all the kinds that a stay passes."""
    quarter = {"increment_s": 900, "per_s": 900}
    half = {"increment_s": 1800, "per_s": 1800}
    return (
        PerIncrement("Morning", band(WEEKDAYS, 7, 11), price_minor=70, **quarter),  # type: ignore[arg-type]
        PerIncrement("Noon", band(WEEKDAYS, 11, 14), price_minor=90, **quarter),  # type: ignore[arg-type]
        Tiers(
            "Afternoon",
            band(WEEKDAYS, 14, 19),
            tiers=(Tier(2 * HOUR_S, 60, 900), Tier(None, 80, 900)),
        ),
        PerIncrement("Evening", band(WEEKDAYS, 19, 7), price_minor=30, **half),  # type: ignore[arg-type]
        FlatRate("Evening", band(WEEKDAYS, 19, 7), price_minor=400),
        PerIncrement("Saturday", band(frozenset((5,)), 8, 20), price_minor=50, **half),  # type: ignore[arg-type]
        FlatRate("Saturday night", band(frozenset((5,)), 20, 8), price_minor=300),
        PerIncrement("Sunday", band(frozenset((6,)), 0, 24), price_minor=40, **half),  # type: ignore[arg-type]
        Surcharge("Match day", band(frozenset((5,)), 14, 18), percent_bp=2_500),
        Surcharge("Premium", premium=True, percent_bp=5_000),
        FreeTime(lasts_s=900),
        Grace(lasts_s=600),
        LongestStay(lasts_s=12 * HOUR_S, windows=band(WEEKDAYS, 7, 19)),
        Overstay(price_minor=200, increment_s=1800),
        Maximum(amount_minor=1_400, per="day"),
        Maximum("Evening", band(WEEKDAYS, 19, 7), amount_minor=500, per="window"),
        Maximum(amount_minor=6_000, per="period", period_s=7 * 24 * HOUR_S),
        Minimum(amount_minor=50),
        Offer(code="CINEMA", percent_bp=2_000),
        NoShow(amount_minor=0),
    )


def plain_loop(tariff: Tariff, stay: Stay) -> int:
    """The floor of who looks at each increment: a step for each half hour, and nothing but its price."""
    at, total = stay.start, 0
    while at < stay.end:
        total += 30
        at += timedelta(minutes=30)
    return total


def microseconds(work: Callable[[], object], each: int) -> float:
    began_s = time.perf_counter()
    for _ in range(each):
        work()
    return (time.perf_counter() - began_s) / each * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    for option, default in (("--days", 30), ("--rounds", 7), ("--each", 200)):
        parser.add_argument(option, type=int, default=default)
    asked = parser.parse_args()
    tariff = Tariff(1, 1, "EUR", "Europe/Berlin", read(written(lines())))
    start = datetime(2026, 10, 5, 8, 3, tzinfo=UTC)
    stay = Stay(start, start + timedelta(days=asked.days), premium=True, codes=("CINEMA",))
    hour = Stay(start, start + timedelta(minutes=72), premium=True)
    bill = Bill("b", 1, "l", "L", "", "s", "S", "A", tariff, stay)
    print(f"{len(tariff.lines)} lines; {asked.days} days: {fee(tariff, stay).money.text()}")
    works: dict[str, Callable[[], object]] = {
        f"{asked.days} days": lambda: fee(tariff, stay),
        "72 minutes": lambda: fee(tariff, hour),
        f"until when the price of {asked.days} days holds": lambda: bill.price_holds_until(stay.end),
        f"a plain loop over the half hours of {asked.days} days": lambda: plain_loop(tariff, stay),
    }
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(asked.rounds):
        for name, work in works.items():
            took[name].append(microseconds(work, asked.each))
    for name, times in took.items():
        print(f"  {name:<46} {statistics.median(times):8.1f} µs")
    fee_us, _, _, loop_us = (statistics.median(times) for times in took.values())
    print(f"  the fee is {fee_us / loop_us:.2f} of the loop")
    sys.exit(fee_us > loop_us)


if __name__ == "__main__":
    main()
