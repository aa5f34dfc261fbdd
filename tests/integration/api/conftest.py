"""The whole application in this process, over a real SQL and a real Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.core.clock import Clock, FixedClock
from app.lifespan import lifespan
from app.main import create_app
from app.settings import Settings

ADDRESS = "http://127.0.0.1:8000"


@asynccontextmanager
async def served(
    database_url: str, redis_url: str, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[AsyncClient]:
    """A client of an application with these settings; an exception that gets out of it is raised here."""
    with TemporaryDirectory() as folder:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "LOTLINE_DATA": folder}
        app = create_app(replace(Settings.from_environment(env), **settings), clock)
        async with lifespan(app), AsyncClient(transport=ASGITransport(app), base_url=ADDRESS) as client:
            client.app = app  # type: ignore[attr-defined]
            client.desk = app.state.parts.get(Desk)  # type: ignore[attr-defined]
            yield client


@pytest.fixture
async def client(database_url: str, redis_url: str, redis: Redis) -> AsyncIterator[AsyncClient]:
    """A program on the same machine."""
    async with served(database_url, redis_url) as found:
        yield found


@pytest.fixture
def clock() -> FixedClock:
    """It is a Monday, just before noon, until a test says otherwise."""
    return FixedClock(datetime(2026, 6, 1, 11, 50, tzinfo=UTC))


@pytest.fixture
async def timed_client(
    database_url: str, redis_url: str, redis: Redis, clock: FixedClock
) -> AsyncIterator[AsyncClient]:
    """As ``client``, in the time of ``clock``."""
    async with served(database_url, redis_url, clock) as found:
        yield found
