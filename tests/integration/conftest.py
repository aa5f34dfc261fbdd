"""Databases that go away while they are used."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.core.clock import FixedClock
from app.core.migrate import upgrade_url
from tests import servers
from tests.conftest import as_settings_have_it
from tests.integration.bookings.timed import timed_desk
from tests.integration.outages import LockedFile, Outage, PostgreSQL, postgresql

_TEMPLATE = "lotline_template"


@pytest.fixture(scope="session")
def mortal_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgreSQL, str]]:
    """A server beside the one that the other tests use, and its URL; it has a migrated template."""
    with postgresql(tmp_path_factory.mktemp("mortal") / "postgresql.log") as (server, url):
        asyncio.run(servers.execute(url, f"CREATE DATABASE {_TEMPLATE}"))
        asyncio.run(upgrade_url(as_settings_have_it(servers.database_url(url, _TEMPLATE))))
        yield server, url


@pytest.fixture(
    params=[
        pytest.param("locked", id="sqlite locked"),
        pytest.param("frozen", id="postgresql frozen", marks=pytest.mark.postgresql),
        pytest.param("dead", id="postgresql dead", marks=pytest.mark.postgresql),
    ]
)
def way(request: pytest.FixtureRequest) -> tuple[str, tuple[PostgreSQL, str] | None]:
    """Each way in which SQL may go away, with the server that it happens to."""
    if request.param == "locked":
        return "locked", None
    return request.param, request.getfixturevalue("mortal_postgresql")


@pytest.fixture
async def outage(
    way: tuple[str, tuple[PostgreSQL, str] | None], tmp_path: Path, sqlite_template: Path
) -> AsyncIterator[Outage]:
    """An empty database with the newest schema, which can go away."""
    kind, mortal = way
    if mortal is None:
        path = tmp_path / "lotline.db"
        shutil.copy(sqlite_template, path)
        file = LockedFile(path)
        yield Outage(f"sqlite+aiosqlite:///{path}", file.lock, file.unlock)
        file.unlock()
        return
    server, url = mortal
    async with servers.new_database(url, _TEMPLATE) as new:
        url = as_settings_have_it(new)
        begin, end = (server.freeze, server.thaw) if kind == "frozen" else (server.kill, server.start)
        yield Outage(url, begin, end)
        server.be_there()


@pytest.fixture
async def timed(database_url: str, redis: Redis) -> AsyncIterator[tuple[Desk, FixedClock]]:
    """A desk, and the clock of its database, which only the test moves."""
    async with timed_desk(database_url, redis) as opened:
        yield opened
