"""Times, durations and prices as a driver reads them."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


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
        return f"{local:%a} {local.day} {local:%b} {text}"
    return text


def day(instant: datetime, time_zone: str) -> str:
    """``Mon 23 Nov 2026``."""
    local = instant.astimezone(zone(time_zone))
    return f"{local:%a} {local.day} {local:%b %Y}"


def clock_s(instant: datetime, time_zone: str) -> str:
    """``16:10:05``."""
    return f"{instant.astimezone(zone(time_zone)):%H:%M:%S}"


def span(length: timedelta) -> str:
    """``1 h 12 min``; at least a minute."""
    minutes = max(1, int(length.total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def figures(length: timedelta) -> tuple[tuple[str, str], ...]:
    """Hours and minutes, or days and hours, as big figures with small units."""
    minutes = max(0, int(length.total_seconds() // 60))
    hours, rest = divmod(minutes, 60)
    days, day_hours = divmod(hours, 24)
    if days:
        return ((str(days), "d"), (str(day_hours), "h"))
    return ((str(hours), "h"), (str(rest), "min")) if hours else ((str(rest), "min"),)


def metres(length_m: float) -> str:
    """Rounded to tens, as one says a way to walk."""
    return f"{max(10, round(length_m / 10) * 10)} m"
