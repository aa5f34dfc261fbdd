"""Times and durations as the reader writes them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date

from app.core.languages import locale, say

# As CLDR's patterns of the length that fits a line; what is not here is written as in English.
_DAY = {"de": "EEE d. MMM"}


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The lot's time zone; UTC where the name is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def place(time_zone: str) -> str:
    """The city that a time zone is called after."""
    return zone(time_zone).key.rsplit("/", 1)[-1].replace("_", " ")


def clock(instant: datetime, time_zone: str, today: datetime | None = None) -> str:
    """``16:10``, with the day where that is another one than ``today``'s."""
    local = instant.astimezone(zone(time_zone))
    text = f"{local:%H:%M}"
    if today is not None and local.date() != today.astimezone(zone(time_zone)).date():
        return f"{_day(local)} {text}"
    return text


def day(instant: datetime, time_zone: str) -> str:
    """``Mon 23 Nov 2026``."""
    return day_text(instant.astimezone(zone(time_zone)))


def day_text(day: date) -> str:
    """``Mon 23 Nov 2026``."""
    return _day(day, " y")


def _day(day: date, year: str = "") -> str:
    return format_date(day, _DAY.get(locale().language, "EEE d MMM") + year, locale())


def clock_s(instant: datetime, time_zone: str) -> str:
    """``16:10:05``."""
    return f"{instant.astimezone(zone(time_zone)):%H:%M:%S}"


def span(length: timedelta) -> str:
    """``1 h 12 min``; at least a minute."""
    minutes = max(1, int(length.total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        (days, say("{days} d", days=days)),
        (hours, say("{hours} h", hours=hours)),
        (rest, say("{minutes} min", minutes=rest)),
    ]
    return " ".join(text for number, text in parts if number)


@dataclass(frozen=True)
class Length:
    """A length of time that writes itself for its reader: ``2 h``, ``15 min``, ``20 s``.

    The largest unit that divides it; an hour alone is 60 min.
    """

    seconds: int

    def __str__(self) -> str:
        if self.seconds % 3600 == 0 and self.seconds > 3600:
            return say("{hours} h", hours=self.seconds // 3600)
        if self.seconds % 60 == 0:
            return say("{minutes} min", minutes=self.seconds // 60)
        return say("{seconds} s", seconds=self.seconds)


def figures(length: timedelta) -> tuple[tuple[str, str], ...]:
    """Hours and minutes, or days and hours, as big figures with small units."""
    minutes = max(0, int(length.total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    days, day_hours = divmod(hours, 24)
    if days:
        return ((str(days), say("d")), (str(day_hours), say("h")))
    return ((str(hours), say("h")), (str(rest), say("min"))) if hours else ((str(rest), say("min")),)


def metres(length_m: float) -> str:
    """Rounded to tens, as one says a way to walk."""
    return f"{max(10, round(length_m / 10) * 10)} m"
