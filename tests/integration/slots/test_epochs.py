"""The epoch: one life of the status in one Redis over one database, and how another life is noticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.accounts.incarnation import read_incarnation, renew_incarnation
from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.db import Database, SqlAway
from app.core.redis import Patience, connect
from app.slots.epochs import LOOK_AGAIN_S, Epochs
from app.slots.layout import Layouts
from app.slots.rebuild import rebuild_all
from app.slots.status import Status
from tests import servers
from tests.integration.lots import open_lot
from tests.integration.slots.test_rebuild import assert_true


class Incarnation:
    """SQL's incarnation, and how often it was read."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.is_away = False
        self.reads = 0

    async def read(self) -> str:
        self.reads += 1
        if self.is_away:
            raise SqlAway("away")
        return self.word


class Clock:
    """Seconds that pass when they are told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_flushing_begins_another_epoch(redis: Redis) -> None:
    status = Status(redis, "one")
    first = await status.begin_epoch()
    assert await status.begin_epoch() == first
    await redis.flushall()
    assert await status.epoch(fresh=True) == ""
    assert await status.begin_epoch() != first


async def test_workers_that_begin_an_epoch_at_once_agree_on_one(redis: Redis) -> None:
    for _ in range(10):
        await redis.flushall()
        begun = await asyncio.gather(*(Status(redis, "one").begin_epoch() for _ in range(8)))
        assert len(set(begun)) == 1


async def test_another_incarnation_of_sql_is_another_epoch(redis: Redis) -> None:
    """A restored copy may lack commits that Redis knows of: nothing of before is believed."""
    first = await Status(redis, "one").begin_epoch()
    other = Status(redis, "two")
    assert await other.epoch() == ""
    assert await other.begin_epoch() != first


async def test_a_process_takes_up_another_incarnation_by_itself(redis: Redis) -> None:
    sql = Incarnation("one")
    web, worker = Status(redis, "one", sql.read), Status(redis, "one", sql.read)
    first = await worker.begin_epoch()
    assert await web.epoch() == first
    sql.word = "two"
    second = await worker.begin_epoch()
    assert second != first
    assert await web.epoch(fresh=True) == second
    assert web.incarnation == "two"


async def test_no_process_asks_sql_more_than_once_a_second_whatever_redis_says(redis: Redis) -> None:
    sql, clock = Incarnation("one"), Clock()
    web = Epochs(redis, "one", sql.read, Patience(), clock)
    await web.begin()
    sql.reads = 0
    for _ in range(50):
        assert await web.current(fresh=True)
    assert sql.reads == 0, "nothing had changed"
    await Status(redis, "two").begin_epoch()
    web.forget()
    for _ in range(50):
        assert await web.current() == ""
    assert sql.reads == 1
    clock.now_s += LOOK_AGAIN_S
    sql.word = "two"
    assert await web.current()
    assert sql.reads == 2


async def test_while_sql_is_away_the_epoch_of_another_incarnation_is_not_believed(redis: Redis) -> None:
    sql, clock = Incarnation("one"), Clock()
    web = Epochs(redis, "one", sql.read, Patience(), clock)
    second = await Status(redis, "two").begin_epoch()
    sql.is_away = True
    assert await web.current() == ""
    clock.now_s += LOOK_AGAIN_S
    sql.is_away, sql.word = False, "two"
    assert await web.current() == second


async def test_who_begins_an_epoch_goes_by_what_sql_says_now(redis: Redis) -> None:
    """Else a process that knows the old incarnation and one that knows the new would take turns for ever."""
    sql = Incarnation("two")
    late = Status(redis, "one", sql.read)
    in_force = await Status(redis, "two").begin_epoch()
    assert await late.begin_epoch() == in_force


async def test_bookings_go_on_through_another_incarnation_without_a_restart(desk: Desk, redis: Redis) -> None:
    lot = (await open_lot(desk)).id or 0
    await rebuild_all(desk.database, desk.status)
    first, known = await desk.status.epoch(), desk.status.incarnation
    worker = Status(redis, known, lambda: read_incarnation(desk.database))
    await renew_incarnation(desk.database, known)
    assert await rebuild_all(desk.database, worker) == 1
    await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert desk.status.incarnation == worker.incarnation != known
    assert await desk.status.epoch() == await worker.epoch() != first
    await assert_true(desk, lot)


@contextlib.asynccontextmanager
async def sqlite_desk(path: Path, redis: Redis) -> AsyncIterator[Desk]:
    database = Database(f"sqlite+aiosqlite:///{path}")
    here = await installation(database)
    yield Desk(database, Layouts(database), Status(redis, here.incarnation), b"key")
    await database.close()


async def test_a_restarted_server_is_another_epoch_although_it_kept_its_data(
    tmp_path: Path, sqlite_template: Path
) -> None:
    (tmp_path / "lotline.db").write_bytes(sqlite_template.read_bytes())
    folder = tmp_path / "redis"
    with servers.start_redis(folder) as url:
        redis = connect(url)
        async with sqlite_desk(tmp_path / "lotline.db", redis) as desk:
            first = await desk.status.begin_epoch()
            lot = (await open_lot(desk)).id or 0
            await rebuild_all(desk.database, desk.status)
            assert (await desk.status.snapshot(lot)).built
        await redis.aclose()
    with servers.start_redis(folder) as url:
        redis = connect(url)
        assert await redis.hget(f"lot:{{{lot}}}:meta", "built") == first.encode()  # type: ignore[misc]
        async with sqlite_desk(tmp_path / "lotline.db", redis) as desk:
            assert await desk.status.epoch() == ""
            assert not (await desk.status.snapshot(lot)).built
            assert await desk.status.heads([lot]) == {lot: ("", 0)}
            booked = await reserve(desk, ReserveRequest("A 1", lot="here"))
            assert await rebuild_all(desk.database, desk.status) == 1
            assert await desk.status.begin_epoch() != first
            assert booked.slot == "here-A1"
            await assert_true(desk, lot)
        await redis.aclose()


@pytest.mark.parametrize("times", [1, 5])
async def test_workers_that_find_lost_commits_at_once_renew_the_incarnation_once(
    desk: Desk, times: int
) -> None:
    known = await read_incarnation(desk.database)
    row = (await installation(desk.database)).incarnation
    await asyncio.gather(*(renew_incarnation(desk.database, known) for _ in range(times)))
    renewed = await read_incarnation(desk.database)
    assert renewed != known
    assert (await installation(desk.database)).incarnation != row
    await renew_incarnation(desk.database, known)
    assert await read_incarnation(desk.database) == renewed
