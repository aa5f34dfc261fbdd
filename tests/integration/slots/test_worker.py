"""The status worker as a process: it outlives what is away, ends when it is told to, can be measured."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core import metrics
from app.core.migrate import upgrade_url
from app.launch import embedded_redis
from app.lifespan import opened_desk
from app.settings import Settings, embedded_redis_url
from tests.conftest import as_settings_have_it
from tests.integration.launch.run_process import free_port
from tests.integration.lots import open_lot
from tests.integration.outages import LockedFile, Outage, postgresql
from tests.integration.slots.test_relay import desk_without_redis, outbox
from tests.integration.slots.working import is_true, until
from workers import duties

ENDS_WITHIN_S = 4.0
AWAY_S = 2.0


class OwnRedis:
    """A Redis that can be frozen, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = embedded_redis_url(folder)
        self.start()

    def start(self) -> None:
        embedded_redis.prepare(self._folder)
        self._server = subprocess.Popen(embedded_redis.command(self._folder), stdin=subprocess.DEVNULL)
        embedded_redis.wait_until_ready(self._folder, lambda: self._server.poll() is None)

    def freeze(self) -> None:
        self._server.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._server.kill()
        self._server.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    redis = OwnRedis(tmp_path / "redis")
    yield redis
    redis.kill()


def started(log: Path, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("ab") as lines:
        return subprocess.Popen([sys.executable, "-m", "workers.status"], env=env, stderr=lines)


@contextlib.asynccontextmanager
async def worker(
    database_url: str, redis_url: str, log: Path, port: int | None = None
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """``python -m workers.status``, which has begun; its log goes to a file, its metrics to a port."""
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    measured = {"LOTLINE_WORKER_METRICS_PORT": str(port or free_port()), "LOTLINE_SCRUB_SECONDS": "1"}
    process = started(log, {**os.environ, **servers, **measured})

    async def has_begun() -> bool:
        return "worker.metrics_" in log.read_text()

    try:
        await until(has_begun)
        yield process
    finally:
        process.kill()
        process.wait()


def end(process: "subprocess.Popen[bytes]") -> float:
    """Seconds from SIGTERM to its end, which must be a good one."""
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    return time.monotonic() - began_s


@contextlib.asynccontextmanager
async def desk_over(database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    settings = Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    async with opened_desk(settings) as (desk, _):
        yield desk


@contextlib.asynccontextmanager
async def outage_of(kind: str, folder: Path) -> AsyncIterator[Outage]:
    """A migrated database, and how it goes away and comes back."""
    if kind == "sqlite":
        locked = LockedFile(folder / "lotline.db")
        outage = Outage(f"sqlite:///{folder / 'lotline.db'}", locked.lock, locked.unlock)
        await upgrade_url(as_settings_have_it(outage.url))
        try:
            yield outage
        finally:
            locked.unlock()
        return
    with postgresql(folder / "postgresql.log") as (server, url):
        await upgrade_url(as_settings_have_it(url))
        if kind == "dead postgresql":
            yield Outage(url, server.kill, server.start)
        else:
            yield Outage(url, server.freeze, server.thaw)


KINDS = [
    "sqlite",
    pytest.param("frozen postgresql", marks=pytest.mark.postgresql),
    pytest.param("dead postgresql", marks=pytest.mark.postgresql),
]


@pytest.mark.parametrize("redis_too", [False, True], ids=["SQL", "SQL and Redis"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_away_comes_back_by_itself(
    tmp_path: Path, own_redis: OwnRedis, kind: str, redis_too: bool
) -> None:
    log = tmp_path / "worker.log"
    async with (
        outage_of(kind, tmp_path) as sql,
        desk_over(sql.url, own_redis.url) as desk,
        worker(sql.url, own_redis.url, log) as process,
    ):
        lot = (await open_lot(desk)).id or 0
        await until(lambda: is_true(desk, lot))
        await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
        sql.begin()
        if redis_too:
            own_redis.kill()
        await asyncio.sleep(AWAY_S)
        sql.end()
        if redis_too:
            own_redis.start()

        async def is_mended() -> bool:
            return not await outbox(desk) and await is_true(desk, lot)

        await until(is_mended)
        await reserve(desk_without_redis(desk), ReserveRequest("A 2", slot="here-A3"))
        await until(is_mended)
        assert process.poll() is None
        assert end(process) < ENDS_WITHIN_S
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("kind", KINDS[:2])
async def test_a_worker_that_waits_for_sql_ends_when_it_is_told_to(
    tmp_path: Path, own_redis: OwnRedis, kind: str
) -> None:
    """Also one that never came so far as to open anything."""
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    async with outage_of(kind, tmp_path) as sql, worker(sql.url, own_redis.url, one) as running:
        async with desk_over(sql.url, own_redis.url) as desk:
            await until(desk.status.is_built)
        sql.begin()
        async with worker(sql.url, own_redis.url, two) as starting:
            await asyncio.sleep(AWAY_S)
            assert end(starting) < ENDS_WITHIN_S
        assert end(running) < ENDS_WITHIN_S


async def test_a_worker_that_waits_for_redis_ends_when_it_is_told_to(
    tmp_path: Path, database_url: str, own_redis: OwnRedis
) -> None:
    async with (
        desk_over(database_url, own_redis.url) as desk,
        worker(database_url, own_redis.url, tmp_path / "worker.log") as process,
    ):
        await until(desk.status.is_built)
        own_redis.freeze()
        await asyncio.sleep(AWAY_S)
        assert end(process) < ENDS_WITHIN_S


def measured(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


async def test_a_worker_tells_its_metrics_and_two_with_one_port_both_work(
    tmp_path: Path, database_url: str, own_redis: OwnRedis
) -> None:
    port = free_port()
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    async with (
        desk_over(database_url, own_redis.url) as desk,
        worker(database_url, own_redis.url, one, port) as first,
        worker(database_url, own_redis.url, two, port) as second,
    ):
        assert "worker.metrics_served" in one.read_text()
        assert "worker.metrics_not_served" in two.read_text()
        lot = (await open_lot(desk)).id or 0
        await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))

        async def is_mended() -> bool:
            return await is_true(desk, lot) and not await outbox(desk)

        async def is_counted() -> bool:
            return "lotline_lots_scrubbed_total 0.0" not in measured(port)

        await until(is_mended)
        await until(is_counted)
        assert 'lotline_scrub_findings_total{kind="ahead"} 0.0' in measured(port)
        assert "lotline_outbox_lag_seconds" in measured(port)
        assert end(second) < ENDS_WITHIN_S
        assert end(first) < ENDS_WITHIN_S


async def test_a_duty_with_a_fault_ends_neither_itself_nor_the_others(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []
    monkeypatch.setattr(duties, "AFTER_A_FAULT_S", 0.0)

    async def faulty() -> bool:
        did.append("faulty")
        raise ValueError("a fault")

    async def sound() -> bool:
        did.append("sound")
        return False

    before = metrics.WORKER_FAILURES.labels("faulty")._value.get()
    settings = Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    stop = asyncio.Event()
    working = asyncio.create_task(duties.run(settings, stop, lambda desk, _: (faulty, sound), 0.01))

    async def both_again() -> bool:
        return min(did.count("faulty"), did.count("sound")) > 2

    await until(both_again)
    stop.set()
    await working
    assert metrics.WORKER_FAILURES.labels("faulty")._value.get() > before + 2
