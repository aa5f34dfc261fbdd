"""Where the process takes its time from; tests hand in their own."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of instants: aware, UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that moves only when it is told to."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def advance(self, step: timedelta) -> None:
        self.instant += step


def monotonic_s() -> float:
    """Seconds of a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def _since_boot_s() -> float:
    """Steady, and counting while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(_CLOCK) if _CLOCK is not None else time.monotonic()


_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_BEGAN_S = time.time() - _since_boot_s()


def steady_s() -> float:
    """Unix seconds as this process has counted them since its start: never set back or forward.

    Two processes may differ, as their machines' clocks did when they started. Ages are reckoned by it.
    """
    return _BEGAN_S + _since_boot_s()
