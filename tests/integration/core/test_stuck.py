"""Connections of SQLite that were given up: they end by themselves, and are waited for at the end."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from app.core import db
from app.core.db import Database, SqlAway
from app.core.stuck import ENDS_WITHIN_S, StuckThreads


async def test_one_that_is_given_up_twice_is_waited_for_once(tmp_path: Path) -> None:
    """By whoever opened it and by the pool: its thread answers the first one only."""
    stuck = StuckThreads()
    connection = SimpleNamespace(driver_connection=await stuck.connect(tmp_path / "lotline.db"))
    for _ in range(2):
        try:
            with stuck.unless_given_up(connection):
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            pass
    await asyncio.wait_for(stuck.ended(), ENDS_WITHIN_S / 2)
    assert not connection.driver_connection._thread.is_alive()


async def test_who_first_writes_into_a_locked_file_is_told_so_and_writes_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening it fails in its first statement. Again and again, so that threads end early and late."""
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 100)
    file = tmp_path / "lotline.db"
    # Not turned to WAL yet, which the first statement does.
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("CREATE TABLE written (by INTEGER)")
        holder.execute("BEGIN EXCLUSIVE")
        databases = [Database(f"sqlite+aiosqlite:///{file}") for _ in range(10)]
        for _ in range(10):
            async with asyncio.timeout(ENDS_WITHIN_S):
                told = await asyncio.gather(*map(write, databases), return_exceptions=True)
            assert [type(one) for one in told] == [SqlAway] * len(databases)
    async with asyncio.timeout(ENDS_WITHIN_S):
        for database in databases:
            await write(database)
        await asyncio.gather(*(database.close() for database in databases))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM written").fetchone() == (len(databases),)


async def write(database: Database) -> None:
    async with database.unit_of_work() as connection:
        await connection.execute(text("INSERT INTO written VALUES (1)"))
