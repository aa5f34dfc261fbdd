"""What every test may ask for: real servers, and a desk over them, on SQLite and on PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.bookings.desk import Desk
from app.core.db import Database
from app.core.migrate import upgrade_url
from app.core.redis import connect
from app.settings import Settings
from app.slots.layout import Layouts
from app.slots.rebuild import rebuild_all
from app.slots.status import Status
from tests import servers

BOTH_DATABASES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgresql),
]


def as_settings_have_it(url: str) -> str:
    """The URL with the driver that the application uses."""
    return Settings.from_environment({"DATABASE_URL": url}).database_url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for the whole run; tests begin with it empty."""
    with servers.start_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for the whole run; each test has a database of its own on it."""
    with servers.start_postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(upgrade_url(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_url: str) -> str:
    """The name of a migrated database, to be copied."""

    async def make() -> str:
        url = servers.database_url(postgresql_url, "lotline_template")
        connection = await asyncpg.connect(postgresql_url)
        await connection.execute("CREATE DATABASE lotline_template")
        await connection.close()
        await upgrade_url(as_settings_have_it(url))
        return "lotline_template"

    return asyncio.run(make())


@pytest.fixture(params=BOTH_DATABASES)
def template(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each kind of database in turn, with what is copied for a test: a file, or server and name."""
    if request.param == "sqlite":
        return "", str(request.getfixturevalue("sqlite_template"))
    return request.getfixturevalue("postgresql_url"), request.getfixturevalue("postgresql_template")


@pytest.fixture
async def database_url(template: tuple[str, str], tmp_path: Path) -> AsyncIterator[str]:
    """An empty database with the newest schema."""
    server, name = template
    if not server:
        shutil.copy(name, tmp_path / "lotline.db")
        yield f"sqlite+aiosqlite:///{tmp_path / 'lotline.db'}"
        return
    async with servers.new_database(server, name) as url:
        yield as_settings_have_it(url)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the server, which is emptied first."""
    client = connect(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def desk(database_url: str, redis: Redis) -> AsyncIterator[Desk]:
    """A desk as a web process has it, with an epoch begun and no lot."""
    database = Database(database_url)
    here = await installation(database)
    status = Status(redis, await read_incarnation(database), lambda: read_incarnation(database))
    await rebuild_all(database, status)
    opened = Desk(database, Layouts(database), status, bytes.fromhex(here.signing_key))
    yield opened
    await opened.ended()
    await database.close()
