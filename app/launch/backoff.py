"""How long a dead process waits before it is started again."""

from collections.abc import Callable

FIRST_S = 0.2
LONGEST_S = 10.0
HEALTHY_AFTER_S = 30.0


class Backoff:
    """0.2 s after the first death, twice as long after each further one up to 10 s.

    A process that lived for 30 s counts as healthy: its next death is a first one again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_at_s = clock()
        self._next_s = FIRST_S

    def started(self) -> None:
        """Notes that the process has just been started."""
        self._started_at_s = self._clock()

    def died(self) -> float:
        """Notes that the process has just died; returns the seconds to wait before the next start."""
        if self._clock() - self._started_at_s >= HEALTHY_AFTER_S:
            self._next_s = FIRST_S
        delay_s = self._next_s
        self._next_s = min(delay_s * 2, LONGEST_S)
        return delay_s
