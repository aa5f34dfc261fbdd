"""The servers that the suite starts for itself."""

import os
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from app.settings import embedded_redis_socket
from tests.servers import database_name, new_database, start_postgresql, start_redis


def test_redis_keeps_its_data_from_one_start_to_the_next(tmp_path: Path) -> None:
    for expected in (None, b"yes"):
        with (
            start_redis(tmp_path) as url,
            redis.Redis.from_url(url) as connection,
        ):
            assert connection.get("kept") == expected
            connection.set("kept", "yes")
    assert not embedded_redis_socket(tmp_path).exists()


@pytest.mark.postgresql
async def test_databases_are_copied_from_a_template_and_gone_afterwards(tmp_path: Path) -> None:
    with start_postgresql(tmp_path) as server:
        async with new_database(server) as template:
            await _run(template, "CREATE TABLE lot (code text); INSERT INTO lot VALUES ('riverside')")
            for _ in range(2):
                async with new_database(server, database_name(template)) as copy:
                    await _run(copy, "INSERT INTO lot VALUES ('second')")
                    assert await _value(copy, "SELECT count(*) FROM lot") == 2
        assert await _value(server, "SELECT count(*) FROM pg_database WHERE datname LIKE 'test_%'") == 0


@pytest.mark.postgresql
@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="another PostgreSQL is used")
async def test_postgresql_is_durable_as_installed_and_leaves_no_process(tmp_path: Path) -> None:
    others = set(psutil.Process().children(recursive=True))
    with start_postgresql(tmp_path) as server:
        durable = [await _value(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
        family = set(psutil.Process().children(recursive=True)) - others
        assert any("postgres" in child.name() for child in family)
    assert durable == ["on", "on"]
    assert [child for child in family if child.is_running()] == []


async def _run(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
