"""A desk whose database keeps the time that a test gives it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from redis.asyncio import Redis

from app.accounts.service import installation
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from app.core.db import Database
from app.slots.layout import Layouts
from app.slots.rebuild import rebuild_all
from app.slots.status import Status


@asynccontextmanager
async def timed_desk(database_url: str, redis: Redis) -> AsyncIterator[tuple[Desk, FixedClock]]:
    """A desk and its clock, which stands still until it is told to move."""
    clock = FixedClock(datetime(2027, 3, 1, 9, 0, tzinfo=UTC))
    database = Database(database_url, clock)
    here = await installation(database)
    status = Status(redis, here.incarnation)
    await rebuild_all(database, status)
    desk = Desk(database, Layouts(database), status, bytes.fromhex(here.signing_key))
    try:
        yield desk, clock
    finally:
        await desk.ended()
        await database.close()
