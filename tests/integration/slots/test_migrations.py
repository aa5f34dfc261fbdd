"""From one schema to the next, with rows in it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.migrate import alembic_config, upgrade_url
from tests import servers
from tests.conftest import as_settings_have_it

_NOTED = "INSERT INTO status_outbox (lot_id, slot_id, created_at_us) VALUES (1, {slot}, 7) RETURNING id"


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'old.db'}"
        return
    async with servers.new_database(request.getfixturevalue("postgresql_url")) as url:
        yield as_settings_have_it(url)


async def answers(url: str, *statements: str) -> list[object]:
    """What each statement answers first."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        found = [(await connection.execute(text(one))).scalar() for one in statements]
    await engine.dispose()
    return found


async def upgrade_to(url: str, revision: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), revision))
    await engine.dispose()


async def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, upgrade_url(empty_url)) for _ in range(4)))
    assert await answers(empty_url, "SELECT count(*) FROM alembic_version") == [1]


async def test_a_file_that_cannot_be_made_is_named_at_once(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            await upgrade_url(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'lotline.db'}")


async def test_what_waits_in_the_outbox_is_kept_and_no_number_comes_twice(empty_url: str) -> None:
    await upgrade_to(empty_url, "0001")
    first, second = await answers(empty_url, _NOTED.format(slot=1), _NOTED.format(slot=2))
    await upgrade_url(empty_url)
    kept = await answers(empty_url, "SELECT count(*) FROM status_outbox", "SELECT max(id) FROM status_outbox")
    assert kept == [2, second]
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM status_outbox"))
    await engine.dispose()
    (third,) = await answers(empty_url, _NOTED.format(slot=3))
    assert len({first, second, third}) == 3
