"""A day of the calendar as the clock on a lot's wall has it: of 23, 24 or 25 hours."""

import re
from datetime import UTC, date, datetime, time, timedelta

from app.core.languages import say
from app.core.words import zone

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
EARLIEST, LATEST = date(2000, 1, 1), date(2999, 12, 31)


def day_span(day: date, time_zone: str) -> tuple[datetime, datetime]:
    """The first instant of the day there, and the first of the next one, in UTC."""
    return _midnight(day, time_zone), _midnight(day + timedelta(days=1), time_zone)


def _midnight(day: date, time_zone: str) -> datetime:
    # A midnight that the clock shows twice is meant the first time; one that it skips is the change itself.
    return datetime.combine(day, time(), zone(time_zone)).astimezone(UTC)


def day_of(instant: datetime, time_zone: str) -> date:
    """The day that it is there."""
    return instant.astimezone(zone(time_zone)).date()


def read_day(text: str) -> date:
    """The day of ``2026-11-23``. ValueError with a sentence."""
    found = _DAY.fullmatch(text.strip()) if text.isascii() else None
    try:
        day = date(*map(int, found.groups())) if found else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError(say("Write a day as 2026-11-23."))
    if not EARLIEST <= day <= LATEST:
        raise ValueError(say("Days are from {first} to {last}.", first=EARLIEST, last=LATEST))
    return day
