"""What tests of time ask for."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.core.clock import FixedClock
from tests.integration.bookings.timed import timed_desk


@pytest.fixture
async def timed(database_url: str, redis: Redis) -> AsyncIterator[tuple[Desk, FixedClock]]:
    """A desk, and the clock of its database, which only the test moves."""
    async with timed_desk(database_url, redis) as opened:
        yield opened
