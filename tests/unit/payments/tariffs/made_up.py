"""Tariffs and stays for Hypothesis, and the rounds of the year at which clocks and calendars change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from app.payments.fees import Stay
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
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tariff,
    Tier,
    Tiers,
    Window,
)

# Berlin and New York change at two or three in the night, Lord Howe by half an hour, Cairo and Havana at
# midnight, Kathmandu never and by three quarters of an hour off.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Havana",
    "Asia/Kathmandu",
)
CURRENCIES = ("EUR", "JPY", "KWD")
# Both nights of a clock change of each zone, a month's and a year's end, a leap day, and any day.
DAYS = (
    datetime(2026, 3, 28, tzinfo=UTC),
    datetime(2026, 10, 24, tzinfo=UTC),
    datetime(2026, 3, 7, tzinfo=UTC),
    datetime(2026, 10, 31, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 4, 23, tzinfo=UTC),
    datetime(2026, 10, 29, tzinfo=UTC),
    datetime(2026, 12, 31, tzinfo=UTC),
    datetime(2028, 2, 28, tzinfo=UTC),
    datetime(2026, 6, 10, tzinfo=UTC),
)

amounts = st.integers(0, 2_000)
minutes_s = st.sampled_from([60, 120, 600, 900, 1800, 2700, 3600, 7200])
edges_s = st.integers(0, 47).map(lambda half_hour: half_hour * 1800)


@st.composite
def instants(draw: Any) -> datetime:
    """At whole minutes, mostly near a night that is out of the ordinary."""
    minute = draw(st.integers(0, 3 * 1440))
    return draw(st.sampled_from(DAYS)) - timedelta(hours=12) + timedelta(minutes=minute)


@st.composite
def priced_weeks(draw: Any, *, tiered: bool = True) -> list[Line]:
    """Prices that cover the week: each day is cut at the same edges, and each part is one line's."""
    cuts = sorted({0, *draw(st.lists(edges_s, max_size=3)), DAY_S})
    split = draw(st.sampled_from([(range(7),), (range(5), range(5, 7))]))
    lines: list[Line] = []
    for days in split:
        for from_s, to_s in pairwise(cuts):
            lines.append(draw(time_prices((Window(frozenset(days), from_s, to_s),), tiered=tiered)))
    if len(cuts) > 2 and draw(st.booleans()):
        # A window over midnight in place of the first and the last one.
        inner = [line for line in lines if (0 not in _from(line)) and (DAY_S not in _to(line))]
        night = draw(time_prices((Window(frozenset(range(7)), cuts[-2], cuts[1]),), tiered=tiered))
        lines = [*inner, night]
    return lines


def _from(line: Line) -> set[int]:
    return {window.from_s for window in line.windows}


def _to(line: Line) -> set[int]:
    return {window.to_s for window in line.windows}


@st.composite
def time_prices(draw: Any, windows: tuple[Window, ...], *, tiered: bool = True) -> Line:
    kinds = ["increment", "increment", "flat", "free", *(["tiers"] if tiered else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "tiers":
        first = draw(minutes_s)
        tiers = (Tier(first, draw(amounts), draw(minutes_s)), Tier(None, draw(amounts), draw(minutes_s)))
        return Tiers(windows=windows, tiers=tiers)
    if kind == "flat":
        return FlatRate(windows=windows, price_minor=draw(amounts))
    if kind == "free":
        return Free(windows=windows)
    per_s = draw(minutes_s)
    increment_s = draw(st.sampled_from([per_s, 60]))
    return PerIncrement(windows=windows, price_minor=draw(amounts), increment_s=increment_s, per_s=per_s)


some_windows = st.builds(
    Window, st.sets(st.integers(0, 6), min_size=1).map(frozenset), edges_s, edges_s.map(lambda s: s + 1800)
)


@st.composite
def extras(draw: Any, *, capped: bool = True) -> list[Line]:
    """What changes prices. ``capped``: also what a stay that is cut in two has twice, or begins anew."""
    lines: list[Line] = []
    if draw(st.booleans()):
        lines.append(Surcharge(windows=(draw(some_windows),), percent_bp=draw(st.integers(1, 20_000))))
    if not capped:
        return lines
    if draw(st.booleans()):
        lines.append(Surcharge(windows=(draw(some_windows),), amount_minor=draw(st.integers(1, 500))))
    if draw(st.booleans()):
        lines.append(FreeTime(lasts_s=draw(minutes_s)))
    if draw(st.booleans()):
        lines.append(Grace(lasts_s=draw(minutes_s)))
    if draw(st.booleans()):
        lines.append(Maximum(amount_minor=draw(st.integers(500, 5_000)), per="day"))
    if draw(st.booleans()):
        period_s = draw(st.sampled_from([3600, 12 * 3600, DAY_S]))
        lines.append(Maximum(amount_minor=draw(st.integers(500, 5_000)), per="period", period_s=period_s))
    if draw(st.booleans()):
        window = (draw(some_windows),)
        lines.append(Maximum(windows=window, amount_minor=draw(st.integers(500, 5_000)), per="window"))
    if draw(st.booleans()):
        lines.append(Minimum(amount_minor=draw(st.integers(0, 500))))
    if draw(st.booleans()):
        lines.append(Overstay(price_minor=draw(amounts), increment_s=draw(minutes_s)))
    if draw(st.booleans()):
        lines.append(LongestStay(lasts_s=draw(minutes_s), windows=(draw(some_windows),)))
    if draw(st.booleans()):
        lines.append(Offer(code="HALF", percent_bp=draw(st.integers(1, 10_000))))
        lines.append(Offer(code="hour", free_s=draw(minutes_s)))
        lines.append(Offer(code="less", amount_minor=draw(st.integers(1, 500))))
    return lines


@st.composite
def tariffs(draw: Any, *, capped: bool = True) -> Tariff:
    lines = [*draw(priced_weeks(tiered=capped)), *draw(extras(capped=capped))]
    return Tariff(1, 1, draw(st.sampled_from(CURRENCIES)), draw(st.sampled_from(ZONES)), tuple(lines))


@st.composite
def stays(draw: Any, longest: timedelta = timedelta(days=3)) -> Stay:
    start = draw(instants())
    minutes = draw(st.one_of(st.integers(0, 300), st.integers(0, longest // timedelta(minutes=1))))
    until = draw(st.none() | st.integers(0, 2_000).map(lambda minute: start + timedelta(minutes=minute)))
    codes = draw(st.sets(st.sampled_from(["half", "HOUR", "less", "none"])))
    return Stay(start, start + timedelta(minutes=minutes), until=until, codes=tuple(sorted(codes)))
