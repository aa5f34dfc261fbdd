"""Unreserve: the slot becomes free and the fee is fixed."""

from datetime import datetime

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, UnreserveRequest
from app.bookings.jobs import Ending
from app.bookings.results import Released
from app.core import metrics
from app.core.errors import Problem


async def unreserve(desk: Desk, request: UnreserveRequest) -> Released:
    """Ends an entity's booking of a slot and says what it costs; repeated, it answers the same.

    Raises a Problem: 404 where the entity never held that slot, 409 where the same key is being worked
    on, 422 for wrong fields or a key that came with another request, 503.
    """
    async with desk.in_flight.working_on("unreserve", request.idempotency):
        return await _end(desk, Ending(request))


async def release(desk: Desk, reservation: str, left_at: datetime | None = None) -> Released:
    """Ends the booking with this identifier, for who may do so; repeated, it answers the same.

    ``left_at``: when its driver said so, where that could not be written down at once.
    """
    return await _end(desk, Ending(reservation=reservation, left_at=left_at))


async def release_seen(
    desk: Desk, reservation: str, seen: tuple[int, int], key: IdempotencyKey | None
) -> Released:
    """Ends a booking for who saw its slot, with this number, at this version.

    Repeated under its key, it answers the same.

    Raises a Problem: 409 where the slot has changed since, and as ``unreserve``.
    """
    return await _end(desk, Ending(reservation=reservation, seen=seen, idempotency=key))


async def _end(desk: Desk, ending: Ending) -> Released:
    try:
        released = await desk.served(ending)
    except Problem as problem:
        metrics.RELEASES.labels(problem.type).inc()
        raise
    metrics.RELEASES.labels("released").inc()
    assert isinstance(released, Released)
    return released
