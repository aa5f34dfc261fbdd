"""From the clock on a lot's wall to instants, also in the two nights of a clock change.

An instant is a whole number of microseconds since 1970 (UTC); a day is the ordinal of its local date. A time
that the wall clock shows twice is meant the first time. One that it skips is the instant of the change. So
the stretches of a day follow each other without a gap and without an overlap, and only their length differs.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Beyond it a date can't be told in every zone; there each day is as long as any.
_LAST_DAY = date.max.toordinal() - 2


def as_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant, exactly."""
    return (instant - _BEGINNING) // _MICROSECOND


def as_instant(us: int) -> datetime:
    return _BEGINNING + timedelta(microseconds=us)


def day_of(zone: ZoneInfo, us: int) -> int:
    """The day in whose stretches an instant lies."""
    try:
        day = min(_LAST_DAY, as_instant(us).astimezone(zone).toordinal())
    except OverflowError:
        day = _LAST_DAY
    # Where the clock is put back at midnight, the last hour of a day is shown again after the next has begun.
    while us >= day_begins_us(zone, day + 1):
        day += 1
    return day


@lru_cache(maxsize=8_192)
def day_begins_us(zone: ZoneInfo, day: int) -> int:
    """When a day begins."""
    return instant_us(zone, day, 0)


def instant_us(zone: ZoneInfo, day: int, after_midnight_s: int) -> int:
    """When the wall clock shows so many seconds after the midnight with which ``day`` begins."""
    if day > _LAST_DAY:
        return instant_us(zone, _LAST_DAY, after_midnight_s) + (day - _LAST_DAY) * DAY_US
    shown = datetime.fromordinal(day) + timedelta(seconds=after_midnight_s)
    first = shown.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == shown:
        return as_us(first)
    # Skipped. Read by the offset after the change it lies before it, and the other way round.
    return _change_us(zone, as_us(shown.replace(tzinfo=zone, fold=1)), as_us(first))


def _change_us(zone: ZoneInfo, before_us: int, after_us: int) -> int:
    """The instant between these two from which on the offset of the second one holds."""
    offset = as_instant(after_us).astimezone(zone).utcoffset()
    while after_us - before_us > 1:
        middle_us = (before_us + after_us) // 2
        if as_instant(middle_us).astimezone(zone).utcoffset() == offset:
            after_us = middle_us
        else:
            before_us = middle_us
    return after_us


def clock_text(after_midnight_s: int) -> str:
    """``08:30``; the end of a day is ``24:00``."""
    return f"{after_midnight_s // 3600:02}:{after_midnight_s % 3600 // 60:02}"
