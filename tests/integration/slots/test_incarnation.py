"""The incarnation of SQL: it changes wherever commits may have been lost, and nowhere else."""

import asyncio
import contextlib
import os
import pwd
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.core.db import Database, SqlAway
from app.core.migrate import upgrade_url
from tests import servers
from tests.conftest import as_settings_have_it
from tests.integration.outages import PostgreSQL
from tests.integration.slots.working import POLL_S, SOON_S

Change = Callable[[str], Awaitable[None]]


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(as_settings_have_it(url))
    try:
        await installation(database)
        yield database
    finally:
        await database.close()


async def incarnation(url: str) -> str:
    async with opened(url) as database:
        return await read_incarnation(database)


def put_back(path: Path, backup: Path) -> None:
    """As ``.restore`` of the command line does it, into the file that others have open."""
    with (
        contextlib.closing(sqlite3.connect(backup)) as source,
        contextlib.closing(sqlite3.connect(path)) as to,
    ):
        source.backup(to)


def copied(path: Path, backup: Path) -> None:
    """A backup as ``.backup`` makes it, while others write."""
    put_back(backup, path)


async def test_every_process_reads_the_same_and_bookings_do_not_change_it(database_url: str) -> None:
    async with opened(database_url) as one, opened(database_url) as other:
        first = await read_incarnation(one)
        assert await read_incarnation(other) == first
        async with one.unit_of_work() as connection:
            await connection.execute(text("INSERT INTO booking_batch VALUES ('1', false, '2026-01-01')"))
        assert await read_incarnation(other) == await read_incarnation(one) == first


async def test_a_backup_put_back_into_the_open_file_changes_it(tmp_path: Path, sqlite_template: Path) -> None:
    file, backup = tmp_path / "lotline.db", tmp_path / "backup.db"
    shutil.copy(sqlite_template, file)
    async with opened(f"sqlite:///{file}") as database:
        first = await read_incarnation(database)
        copied(file, backup)
        assert await read_incarnation(database) == first
        put_back(file, backup)
        assert await read_incarnation(database) != first


@pytest.mark.postgresql
async def test_a_database_put_in_the_place_of_another_changes_it(
    postgresql_url: str, postgresql_template: str
) -> None:
    async with servers.new_database(postgresql_url, postgresql_template) as url:
        first = await incarnation(url)
        name = servers.database_name(url)
        async with servers.new_database(postgresql_url, name) as copy:
            connection = await asyncpg.connect(postgresql_url)
            await connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{name}_lost"')
            await connection.execute(f'ALTER DATABASE "{servers.database_name(copy)}" RENAME TO "{name}"')
            try:
                assert await incarnation(url) != first
            finally:
                await connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{servers.database_name(copy)}"')
                await connection.execute(f'ALTER DATABASE "{name}_lost" RENAME TO "{name}"')
                await connection.close()
        assert await incarnation(url) == first


@pytest.mark.postgresql
async def test_the_rows_of_a_dump_change_it(postgresql_url: str, postgresql_template: str) -> None:
    async with servers.new_database(postgresql_url, postgresql_template) as url:
        first = await incarnation(url)
        connection = await asyncpg.connect(url)
        # What pg_restore does to the data of a table.
        await connection.execute("CREATE TABLE dump AS SELECT * FROM installation")
        assert await incarnation(url) == first
        await connection.execute("TRUNCATE installation")
        await connection.execute("INSERT INTO installation SELECT * FROM dump")
        await connection.close()
        assert await incarnation(url) != first


@pytest.mark.postgresql
async def test_any_account_of_postgresql_may_read_it(postgresql_url: str, postgresql_template: str) -> None:
    async with servers.new_database(postgresql_url, postgresql_template) as url:
        first = await incarnation(url)
        connection = await asyncpg.connect(url)
        await connection.execute("DROP ROLE IF EXISTS plain")
        await connection.execute("CREATE ROLE plain LOGIN")
        await connection.execute("GRANT SELECT, INSERT, UPDATE ON installation TO plain")
        try:
            assert await incarnation(url.replace("postgres@", "plain@")) == first
        finally:
            await connection.execute("DROP OWNED BY plain")
            await connection.execute("DROP ROLE plain")
            await connection.close()


@contextlib.contextmanager
def own_postgresql(log: Path) -> Iterator[tuple[PostgreSQL, servers.PostgreSQLData]]:
    with servers.postgresql_data(log) as data:
        server = PostgreSQL(data)
        server.start()
        try:
            yield server, data
        finally:
            server.kill()


def begin_another_timeline(data: servers.PostgreSQLData) -> None:
    """The next start is a recovery to the end of the log, as when a standby takes over."""
    signal_file = data.place / "data" / "recovery.signal"
    signal_file.touch()
    if os.getuid() == 0:
        os.chown(signal_file, pwd.getpwnam("nobody").pw_uid, -1)
    with (data.place / "data" / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'false'\n")


async def until_incarnation(url: str) -> str:
    """The first one that is told: while the server recovers it is away."""
    until_s = time.monotonic() + SOON_S
    while True:
        try:
            return await incarnation(url)
        except SqlAway:
            assert time.monotonic() < until_s
        await asyncio.sleep(POLL_S)


@pytest.mark.postgresql
async def test_another_timeline_changes_it_and_a_crash_alone_does_not(tmp_path: Path) -> None:
    with own_postgresql(tmp_path / "postgresql.log") as (server, data):
        await upgrade_url(as_settings_have_it(data.url))
        first = await incarnation(data.url)
        server.kill()
        server.start()
        assert await incarnation(data.url) == first
        connection = await asyncpg.connect(data.url)
        await connection.execute("CHECKPOINT")
        await connection.execute("VACUUM FREEZE installation")
        await connection.close()
        assert await incarnation(data.url) == first
        server.kill()
        begin_another_timeline(data)
        server.start()
        assert await until_incarnation(data.url) != first
