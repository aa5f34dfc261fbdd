"""What the holder of a booking does while it runs: extends it, and arrives."""

from collections.abc import Awaitable
from datetime import datetime

from prometheus_client import Counter

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey
from app.bookings.jobs import Arriving, Extending
from app.bookings.results import Arrived, Extended
from app.core import metrics
from app.core.errors import Problem


async def extend(desk: Desk, extending: Extending) -> Extended:
    """Sets a later end, and says what the stay costs until then.

    Raises a Problem: 404 where there is no such booking, 409 where it has ended, has another end than was
    seen, or its slot is to close, 422 for an end that can't be, 503.
    """
    async with desk.in_flight.working_on("extend", extending.key):
        extended = await _counted(metrics.EXTENSIONS, "extended", desk.served(extending))
    assert isinstance(extended, Extended)
    return extended


async def arrive(desk: Desk, arriving: Arriving) -> Arrived:
    """The car stands there now; repeated, it says when it came.

    Raises a Problem: 404 where there is no such booking, 409 where it has ended, 503.
    """
    async with desk.in_flight.working_on("check-in", arriving.key):
        arrived = await _counted(metrics.ARRIVALS, "arrived", desk.served(arriving))
    assert isinstance(arrived, Arrived)
    return arrived


def extension(
    reservation: str, until: datetime, seen_until: datetime | None, key: IdempotencyKey | None
) -> Extending:
    """An extension by who saw the booking with its planned end."""
    return Extending(until, reservation, seen_until=(seen_until,), key=key)


async def _counted(counter: Counter, word: str, work: Awaitable[object]) -> object:
    try:
        done = await work
    except Problem as problem:
        counter.labels(problem.type).inc()
        raise
    counter.labels(word).inc()
    return done
