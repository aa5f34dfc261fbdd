"""The rebuild: whatever happens to Redis or to whoever is at it, every lot comes true again."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core import metrics
from app.core.db import Database
from app.core.errors import Problem
from app.slots import rebuild
from app.slots import status as status_module
from app.slots.epochs import EPOCH_KEY
from app.slots.models import State
from app.slots.packed import Packed
from app.slots.rebuild import StateRow, rebuild_all, rebuild_lot
from app.slots.relay import relay_once
from app.slots.status import BUILDER_MS, Begun, BeingBuilt, LotKey, NotBuilt, SlotChange, Status
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_relay import counted, held, truth

SOON_S = 5.0


async def open_lots(desk: Desk, count: int) -> list[int]:
    return [(await open_lot(desk, lot_plan(f"lot{number}"))).id or 0 for number in range(count)]


def another(desk: Desk, redis: Redis) -> Status:
    """The status as another process uses it."""
    return Status(redis, desk.status.incarnation)


async def assert_true(desk: Desk, *lots: int) -> None:
    for lot in lots:
        seen = await desk.status.snapshot(lot)
        assert seen.built
        assert held(seen) == await truth(desk, lot)


async def assert_unknown(desk: Desk, lot: int) -> None:
    """Never 0, never full: unknown."""
    assert not (await desk.status.snapshot(lot)).built
    assert await desk.status.heads([lot]) == {lot: ("", 0)}
    with pytest.raises(NotBuilt):
        await desk.status.propose(LotKey(lot, 1), [[1]], 1)


async def test_a_rebuild_brings_every_lot_and_the_second_one_finds_nothing_to_do(
    desk: Desk, redis: Redis
) -> None:
    lots = await open_lots(desk, 4)
    await reserve(desk, ReserveRequest("A 1", lot="lot2"))
    await redis.flushall()
    assert await rebuild_all(desk.database, desk.status) == 4
    assert await rebuild_all(desk.database, desk.status) == 0
    assert await desk.status.is_built()
    await assert_true(desk, *lots)


async def test_two_workers_at_once_build_each_lot_once(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = await open_lots(desk, 8)
    await redis.flushall()
    await desk.status.begin_epoch()
    rebuilds = counted(metrics.REBUILDS)
    read, both = rebuild.read_states, asyncio.Barrier(2)

    async def read_when_both_are_at_it(database: Database, lot_id: int) -> list[StateRow]:
        monkeypatch.setattr(rebuild, "read_states", read if both.n_waiting else read_when_both_are_at_it)
        await both.wait()
        return await read(database, lot_id)

    monkeypatch.setattr(rebuild, "read_states", read_when_both_are_at_it)
    workers = [another(desk, redis) for _ in range(2)]
    built = await asyncio.gather(*(rebuild_all(desk.database, worker) for worker in workers))
    # What one was at when the other came by is left for another call.
    built.append(await rebuild_all(desk.database, workers[0]))
    assert sum(built) == counted(metrics.REBUILDS) - rebuilds == 8
    assert min(built[:2]) > 0
    assert await workers[0].is_built()
    await assert_true(desk, *lots)


async def test_a_lot_that_another_one_builds_is_left_to_it_and_come_back_to(desk: Desk, redis: Redis) -> None:
    lots = await open_lots(desk, 3)
    await redis.flushall()
    await desk.status.begin_epoch()
    other = another(desk, redis)
    assert await other.begin(LotKey(lots[1], 1), 1) is not None
    assert await rebuild_all(desk.database, desk.status) == 2
    await assert_true(desk, lots[0], lots[2])
    await assert_unknown(desk, lots[1])
    assert not await desk.status.is_built()
    assert (await reserve(desk, ReserveRequest("A 1", lot="lot1"))).slot == "lot1-A1"
    with pytest.raises(BeingBuilt):
        await rebuild_lot(desk.database, desk.status, lots[1])
    await redis.delete(f"lot:{{{lots[1]}}}:builder")
    assert await rebuild_all(desk.database, desk.status) == 1
    assert await desk.status.is_built()
    await assert_true(desk, *lots)


@contextlib.contextmanager
def dying_builder(database_url: str, redis_url: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process that stands still halfway, and the lot that it is at."""
    command = [sys.executable, "-m", "tests.integration.slots.dying_builder", database_url, redis_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            halfway = next(line for line in lines if line.startswith("halfway"))
            yield process, int(halfway.split()[1])
        finally:
            process.kill()


async def test_when_a_builder_is_killed_halfway_another_one_goes_on_when_its_time_is_over(
    desk: Desk, redis: Redis, database_url: str, redis_url: str
) -> None:
    lots = await open_lots(desk, 4)
    await redis.flushall()
    with dying_builder(database_url, redis_url) as (process, halfway):
        # While it lives the lot is its own, however slow it is; all others are built.
        assert await rebuild_all(desk.database, desk.status) == 2
        lives_until_s = time.monotonic() + 2 * BUILDER_MS / 1000
        while time.monotonic() < lives_until_s:
            assert await rebuild_all(desk.database, desk.status) == 0
            await assert_unknown(desk, halfway)
        process.kill()
        killed_s = time.monotonic()
        while not await desk.status.is_built():
            await rebuild_all(desk.database, desk.status)
            assert time.monotonic() - killed_s < SOON_S
    assert time.monotonic() - killed_s < BUILDER_MS / 1000 + 1.0
    await assert_true(desk, *lots)


async def test_who_stood_still_for_too_long_changes_nothing_any_more(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has read is old by then: the lot may not be loaded with it, nor called built."""
    (lot,) = await open_lots(desk, 1)
    load = Status.load
    seen = []

    async def stand_still(self: Status, key: LotKey, begun: Begun, packed: Packed) -> list[range]:
        monkeypatch.undo()
        await redis.delete(f"lot:{{{lot}}}:builder")
        await rebuild_lot(desk.database, another(desk, redis), lot)
        await reserve(desk, ReserveRequest("A 1", slot="lot0-A4"))
        seen.append(await desk.status.snapshot(lot))
        return await load(self, key, begun, packed)

    monkeypatch.setattr(Status, "load", stand_still)
    await rebuild_lot(desk.database, desk.status, lot)
    assert [await desk.status.snapshot(lot)] == seen
    await assert_true(desk, lot)


async def test_a_rebuild_of_an_epoch_that_ended_meanwhile_is_done_again(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stood still takes the lot back into the old epoch: it must not stay there unseen."""
    (lot,) = await open_lots(desk, 1)
    await desk.status.forget_built()
    await redis.hdel(f"lot:{{{lot}}}:meta", "built")
    begin = Status.begin

    async def stand_still(
        self: Status, key: LotKey, layout_version: int, *, again: bool = True
    ) -> Begun | None:
        monkeypatch.undo()
        other = another(desk, redis)
        await redis.delete(EPOCH_KEY)
        await rebuild_all(desk.database, other)
        assert await other.is_built()
        return await begin(self, key, layout_version, again=again)

    monkeypatch.setattr(Status, "begin", stand_still)
    with pytest.raises(NotBuilt):
        await rebuild_all(desk.database, desk.status)
    await assert_unknown(desk, lot)
    assert not await desk.status.is_built()
    assert await rebuild_all(desk.database, desk.status) == 1
    await assert_true(desk, lot)


async def test_whoever_is_at_a_lot_keeps_it_while_sql_is_slow(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lot,) = await open_lots(desk, 1)
    read, begun, answers = rebuild.read_states, asyncio.Event(), asyncio.Event()

    async def read_slowly(database: Database, lot_id: int) -> list[StateRow]:
        monkeypatch.undo()
        begun.set()
        await answers.wait()
        return await read(database, lot_id)

    monkeypatch.setattr(rebuild, "read_states", read_slowly)
    slow = asyncio.create_task(rebuild_lot(desk.database, desk.status, lot))
    await begun.wait()
    until_s = time.monotonic() + 2 * BUILDER_MS / 1000
    while time.monotonic() < until_s:
        with pytest.raises(BeingBuilt):
            await rebuild_lot(desk.database, another(desk, redis), lot)
        await asyncio.sleep(0.02)
    answers.set()
    await slow
    await assert_true(desk, lot)


async def test_a_lot_whose_rebuild_died_is_found_although_all_were_built(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that an import or a repair had begun."""
    lots = await open_lots(desk, 2)
    await rebuild_all(desk.database, desk.status)

    async def die(*_: object) -> list[StateRow]:
        raise OSError("killed")

    monkeypatch.setattr(rebuild, "read_states", die)
    with pytest.raises(OSError, match="killed"):
        await rebuild_lot(desk.database, desk.status, lots[0])
    monkeypatch.undo()
    await assert_unknown(desk, lots[0])
    await redis.delete(f"lot:{{{lots[0]}}}:builder")
    assert await rebuild_all(desk.database, another(desk, redis)) == 1
    await assert_true(desk, *lots)


async def test_a_rebuild_with_bookings_going_on_ends_at_what_sql_has(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several stretches, so that bookings fall into those that are loaded and into those that are not.
    monkeypatch.setattr(status_module, "STRETCH_RANKS", 8)
    lot = (await open_lot(desk, lot_plan(slots=45))).id or 0
    over = asyncio.Event()

    async def come_and_go(plate: str) -> None:
        while not over.is_set():
            with contextlib.suppress(Problem):
                done = await reserve(desk, ReserveRequest(plate, lot="here"))
                await unreserve(desk, UnreserveRequest(plate, done.slot))
        with contextlib.suppress(Problem):
            await reserve(desk, ReserveRequest(plate, lot="here"))

    async def rebuild_again_and_again() -> None:
        for _ in range(6):
            await redis.flushall()
            # Two at once, as two processes that notice at the same time.
            workers = [another(desk, redis) for _ in range(2)]
            await asyncio.gather(
                *(rebuild_lot(desk.database, worker, lot) for worker in workers), return_exceptions=True
            )
        over.set()

    await asyncio.gather(rebuild_again_and_again(), *(come_and_go(f"P {number}") for number in range(12)))
    await rebuild_all(desk.database, desk.status)
    while await relay_once(desk.database, desk.status, -1):
        pass
    await assert_true(desk, lot)
    free = [rank for rank, state in enumerate((await desk.status.snapshot(lot)).states) if state == 0]
    proposed = await desk.status.propose(LotKey(lot, 1), [[1]], 99)
    assert {one.rank for one in proposed} <= set(free)


@pytest.mark.parametrize("stretch", [8, 1024])
async def test_a_change_between_reading_and_loading_is_not_undone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    monkeypatch.setattr(status_module, "STRETCH_RANKS", stretch)
    lot = (await open_lot(desk, lot_plan(slots=20))).id or 0
    load = Status.load

    async def book_first(self: Status, key: LotKey, begun: Begun, packed: Packed) -> list[range]:
        monkeypatch.setattr(Status, "load", load)
        # SQL was read a moment ago; the booking below is newer than what is about to be loaded.
        await reserve(desk, ReserveRequest("A 1", slot="here-A12"))
        return await load(self, key, begun, packed)

    monkeypatch.setattr(Status, "load", book_first)
    await rebuild_lot(desk.database, desk.status, lot)
    assert [rank for rank, state in enumerate((await desk.status.snapshot(lot)).states) if state] == [11]
    await assert_true(desk, lot)


async def test_of_two_rebuilds_at_once_only_the_later_one_ends_it(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one has loaded into what the later one cleared: it must not say that the lot is whole."""
    lot = (await open_lot(desk)).id or 0
    finish = Status.finish
    seen_built = []

    async def begin_another_first(
        self: Status, key: LotKey, layout_version: int, *, built: bool, begun: Begun | None = None
    ) -> None:
        monkeypatch.undo()
        await redis.delete(f"lot:{{{lot}}}:builder")
        await another(desk, redis).begin(key, layout_version)
        try:
            await finish(self, key, layout_version, built=built, begun=begun)
        finally:
            seen_built.append((await desk.status.snapshot(lot)).built)

    monkeypatch.setattr(Status, "finish", begin_another_first)
    await rebuild_lot(desk.database, desk.status, lot)
    assert seen_built == [False]
    await redis.delete(f"lot:{{{lot}}}:builder")
    await rebuild_lot(desk.database, desk.status, lot)
    assert (await desk.status.snapshot(lot)).built


async def test_without_an_epoch_nothing_is_proposed_and_nothing_applied(desk: Desk, redis: Redis) -> None:
    lot = (await open_lot(desk)).id or 0
    await redis.flushall()
    status = Status(redis, "i")
    key = LotKey(lot, 1)
    for work in (
        status.propose(key, [[1]], 1),
        status.apply(key, [SlotChange(0, 9, 1, State.FREE)]),
        status.begin(key, 1),
        status.load(key, Begun(1, ""), Packed(b"", {})),
        status.finish(key, 1, built=True),
    ):
        with pytest.raises(NotBuilt):
            await work
    assert await redis.keys("*") == []
