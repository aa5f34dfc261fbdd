"""A day is what the clock on the lot's wall says it is."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.core.days import day_of, day_span, read_day
from app.core.words import day_text

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2026, 6, 1), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23),  # midnight itself is skipped
        ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), 0),  # a day that was left out
        ("no/such", date(2026, 3, 29), 24),
    ],
)
def test_a_day_lasts_as_long_as_the_clock_shows_it(zone: str, day: date, hours: float) -> None:
    begin, end = day_span(day, zone)
    assert end - begin == hours * HOUR
    assert begin.tzinfo is UTC
    if hours:
        assert day_of(begin, zone) == day_of(end - timedelta(microseconds=1), zone) == day
        assert day_of(end, zone) == day + timedelta(days=1)
        assert day_of(begin - timedelta(microseconds=1), zone) == day - timedelta(days=1)


def test_days_follow_each_other_without_a_gap() -> None:
    for zone in ("Europe/Berlin", "America/Havana", "America/Santiago", "Pacific/Apia"):
        day = date(2011, 1, 1)
        for _ in range(800):
            assert day_span(day, zone)[1] == day_span(day + timedelta(days=1), zone)[0]
            day += timedelta(days=1)


def test_a_day_is_read_as_a_field_has_it() -> None:
    assert read_day(" 2026-02-28 ") == date(2026, 2, 28)
    assert day_text(date(2026, 11, 3)) == "Tue 3 Nov 2026"
    assert day_of(datetime(2026, 6, 1, 22, 30, tzinfo=UTC), "Europe/Berlin") == date(2026, 6, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2026-02-30",
        "2026-2-3",
        "26-02-03",
        "٢٠٢٦-02-03",
        "9999-12-31",
        "1999-12-31",
        "2026-02-03T00:00",
    ],
)
def test_what_is_no_day_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"Write a day|Days are from"):
        read_day(text)
