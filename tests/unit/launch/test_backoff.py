import pytest

from app.launch.backoff import Backoff


class HandClock:
    """Seconds, moved by hand."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def life(backoff: Backoff, clock: HandClock, lasts_s: float) -> float:
    """Lets the process live for ``lasts_s``; returns the wait after its death in seconds."""
    backoff.started()
    clock.now_s += lasts_s
    return backoff.died()


def test_the_wait_doubles_from_a_fifth_of_a_second_to_ten_seconds() -> None:
    clock = HandClock()
    backoff = Backoff(clock)
    waits = [life(backoff, clock, lasts_s=0.1) for _ in range(9)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0])


def test_a_process_that_lived_thirty_seconds_starts_again_at_once() -> None:
    clock = HandClock()
    backoff = Backoff(clock)
    for _ in range(5):
        life(backoff, clock, lasts_s=29.9)
    assert life(backoff, clock, lasts_s=30.0) == pytest.approx(0.2)
    assert life(backoff, clock, lasts_s=0.0) == pytest.approx(0.4)
