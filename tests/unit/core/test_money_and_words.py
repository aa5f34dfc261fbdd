"""Money, times and distances as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core import words
from app.core.money import Money, exponent

NOON = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("money", "major", "text"),
    [
        (Money(480, "USD"), "4.80", "$4.80"),
        (Money(0, "EUR"), "0.00", "€0.00"),
        (Money(5, "EUR"), "0.05", "€0.05"),
        (Money(150, "JPY"), "150", "¥150"),
        (Money(1_500, "KWD"), "1.500", "KWD1.500"),
        (Money(123_456_789, "EUR"), "1234567.89", "€1,234,567.89"),
        (Money(-250, "EUR"), "-2.50", "-€2.50"),
    ],
    ids=str,
)
def test_money_is_written_with_the_digits_of_its_currency(money: Money, major: str, text: str) -> None:
    assert money.major == major
    assert money.text() == text


def test_exponents_are_those_of_iso_4217() -> None:
    assert [exponent(code) for code in ("EUR", "JPY", "KRW", "KWD", "BHD", "TND", "CLF", "USD")] == [
        2, 0, 0, 3, 3, 3, 4, 2,
    ]  # fmt: skip


def test_a_clock_shows_local_time_and_the_day_where_it_is_another() -> None:
    assert words.clock(NOON, "Europe/Berlin") == "14:00"
    assert words.clock(NOON, "America/New_York", NOON) == "08:00"
    tomorrow = NOON + timedelta(hours=12)
    assert words.clock(tomorrow, "Europe/Berlin", NOON) == "Tue 2 Jun 02:00"
    assert words.clock(tomorrow, "America/New_York", NOON) == "20:00"
    assert words.clock_s(NOON, "Asia/Kolkata") == "17:30:05"


@pytest.mark.parametrize(
    "name", ["Nowhere/None", "", "../etc/passwd", "/etc/localtime", "a\x00b", "x" * 300, "Europe"]
)
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    assert words.zone(name).key == "UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "1 min"),
        (0, "1 min"),
        (59, "1 min"),
        (60, "1 min"),
        (119, "1 min"),
        (3_600, "1 h"),
        (4_320, "1 h 12 min"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h 1 min"),
    ],
)
def test_a_span_is_at_least_a_minute(seconds: int, text: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        (-60, (("0", "min"),)),
        (0, (("0", "min"),)),
        (3_599, (("59", "min"),)),
        (3_600, (("1", "h"), ("0", "min"))),
        (86_400 + 7_200, (("1", "d"), ("2", "h"))),
    ],
)
def test_big_figures_have_at_most_two_parts(seconds: int, parts: tuple[tuple[str, str], ...]) -> None:
    assert words.figures(timedelta(seconds=seconds)) == parts


@pytest.mark.parametrize(("length_m", "text"), [(0, "10 m"), (14, "10 m"), (16, "20 m"), (149, "150 m")])
def test_a_way_is_said_in_tens_of_metres(length_m: float, text: str) -> None:
    assert words.metres(length_m) == text
