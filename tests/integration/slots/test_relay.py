"""The outbox, its relay, and the rebuild: Redis comes true again after whatever happened to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import func, select

from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.db import Database
from app.core.errors import Problem
from app.core.redis import connect
from app.slots import relay
from app.slots.layout import Layouts
from app.slots.models import STATE_CODES, SlotState, State, StatusOutbox
from app.slots.relay import lots_lagging, rebuild_all, rebuild_lot, relay_once
from app.slots.status import LotKey, NotBuilt, SlotChange, Status, StatusSnapshot
from tests import servers
from tests.integration.lots import lot_plan, open_lot

_STATE = SlotState.__table__  # type: ignore[attr-defined]


class AwayRedis(Redis):
    """A server that can't be reached."""

    async def execute_command(self, *arguments: object, **options: object) -> object:
        raise RedisConnectionError("away")


def desk_without_redis(desk: Desk) -> Desk:
    """Another process over the same SQL, whose Redis is away."""
    return Desk(desk.database, desk.layouts, Status(AwayRedis(), "x"), desk.signing_key)


async def truth(desk: Desk, lot_id: int) -> tuple[list[int], list[int]]:
    """States and versions by rank, as SQL has them."""
    async with desk.database.look() as connection:
        rows = await connection.execute(
            select(_STATE.c.state, _STATE.c.version).where(_STATE.c.lot_id == lot_id).order_by(_STATE.c.rank)
        )
        found = rows.all()
    return [STATE_CODES[State(row.state)] for row in found], [row.version for row in found]


async def outbox(desk: Desk) -> int:
    async with desk.database.look() as connection:
        return int((await connection.execute(select(func.count()).select_from(StatusOutbox))).scalar_one())


def held(seen: StatusSnapshot) -> tuple[list[int], list[int]]:
    return list(seen.states), list(seen.versions)


async def test_what_could_not_be_applied_is_mended_by_the_relay(desk: Desk) -> None:
    lot = (await open_lot(desk)).id or 0
    await relay_once(desk.database, desk.status, -1)
    before = await desk.status.snapshot(lot)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    assert held(await desk.status.snapshot(lot)) == held(before)
    assert await outbox(desk) == 1
    assert await relay_once(desk.database, desk.status, -1) == 1
    after = await desk.status.snapshot(lot)
    assert held(after) == await truth(desk, lot)
    assert list(after.states) == [0, 1, 0, 0, 0]
    assert after.seq == before.seq + 1
    assert await outbox(desk) == 0


async def test_the_relay_leaves_what_is_younger_to_those_who_committed_it(desk: Desk) -> None:
    await open_lot(desk)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    assert await relay_once(desk.database, desk.status, 60) == 0
    assert await outbox(desk) > 0


async def test_applying_again_changes_nothing_and_tells_nobody(desk: Desk) -> None:
    """The relay may die after the apply and before it deletes the row."""
    lot = (await open_lot(desk)).id or 0
    await reserve(desk, ReserveRequest("A 1", lot="here"))
    before = await desk.status.snapshot(lot)
    assert await outbox(desk) > 0, "the row is swept by the next transaction"
    for _ in range(3):
        async with desk.database.look() as connection:
            slots = list((await connection.execute(select(_STATE.c.slot_id))).scalars())
        await relay.relay_slots(desk.database, desk.status, lot, slots)
    assert await desk.status.snapshot(lot) == before
    await relay_once(desk.database, desk.status, -1)
    assert await relay_once(desk.database, desk.status, -1) == 0
    assert await desk.status.snapshot(lot) == before


async def test_a_relay_that_finds_the_lot_unknown_builds_it(desk: Desk, redis: Redis) -> None:
    lot = (await open_lot(desk)).id or 0
    await reserve(desk, ReserveRequest("A 1", lot="here"))
    await redis.flushall()
    await reserve(desk, ReserveRequest("A 2", lot="here"))
    await relay_once(desk.database, desk.status, -1)
    seen = await desk.status.snapshot(lot)
    assert seen.built
    assert held(seen) == await truth(desk, lot)


async def test_a_relay_without_redis_keeps_its_rows(desk: Desk) -> None:
    await open_lot(desk)
    away = desk_without_redis(desk)
    await reserve(away, ReserveRequest("A 1", lot="here"))
    kept = await outbox(desk)
    with pytest.raises(RedisConnectionError):
        await relay_once(desk.database, away.status, -1)
    assert await outbox(desk) == kept


async def test_lots_lag_while_the_outbox_holds_an_old_row_of_theirs(desk: Desk) -> None:
    lot = (await open_lot(desk)).id or 0
    other = (await open_lot(desk, lot_plan("there"))).id or 0
    await relay_once(desk.database, desk.status, -1)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", lot="here"))
    async with desk.database.look() as connection:
        assert await lots_lagging(desk.database, connection, -1) == {lot}
        assert await lots_lagging(desk.database, connection, 60) == set()
    await relay_once(desk.database, desk.status, -1)
    async with desk.database.look() as connection:
        assert await lots_lagging(desk.database, connection, -1) == set()
    assert other != lot


async def test_a_rebuild_brings_every_lot_and_the_second_one_finds_nothing_to_do(
    desk: Desk, redis: Redis
) -> None:
    lots = [(await open_lot(desk, lot_plan(f"lot{number}"))).id or 0 for number in range(4)]
    await reserve(desk, ReserveRequest("A 1", lot="lot2"))
    await redis.flushall()
    assert await rebuild_all(desk.database, desk.status) == 4
    assert await rebuild_all(desk.database, desk.status) == 0
    for lot in lots:
        assert held(await desk.status.snapshot(lot)) == await truth(desk, lot)


async def test_a_rebuild_that_died_goes_on_where_it_stopped(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lots = [(await open_lot(desk, lot_plan(f"lot{number}"))).id or 0 for number in range(4)]
    await redis.flushall()
    build, built = rebuild_lot, []

    async def build_two(database: Database, status: Status, lot_id: int) -> None:
        if len(built) == 2:
            # As if the process had died with the lot begun and nothing in it.
            await status.begin(LotKey(lot_id, 1), 1)
            raise RedisConnectionError("away")
        built.append(lot_id)
        await build(database, status, lot_id)

    monkeypatch.setattr(relay, "rebuild_lot", build_two)
    with pytest.raises(RedisConnectionError):
        await rebuild_all(desk.database, desk.status)
    heads = await desk.status.heads(lots)
    assert [lot for lot in lots if heads[lot][0]] == built
    assert not (await desk.status.snapshot(lots[2])).built
    with pytest.raises(NotBuilt):
        await desk.status.propose(LotKey(lots[2], 1), [[1]], 1)
    monkeypatch.setattr(relay, "rebuild_lot", build)
    assert await rebuild_all(desk.database, desk.status) == 2
    for lot in lots:
        seen = await desk.status.snapshot(lot)
        assert seen.built
        assert held(seen) == await truth(desk, lot)


async def test_a_rebuild_with_bookings_going_on_ends_at_what_sql_has(desk: Desk, redis: Redis) -> None:
    lot = (await open_lot(desk, lot_plan(slots=12))).id or 0
    plates = [f"P {number}" for number in range(12)]

    async def come_and_go(plate: str) -> None:
        for _ in range(4):
            with contextlib.suppress(Problem):
                done = await reserve(desk, ReserveRequest(plate, lot="here"))
                await unreserve(desk, UnreserveRequest(plate, done.slot))
        with contextlib.suppress(Problem):
            await reserve(desk, ReserveRequest(plate, lot="here"))

    async def rebuild_again_and_again() -> None:
        for _ in range(6):
            await redis.flushall()
            # Two at once, as two processes that notice at the same time.
            await asyncio.gather(
                *(rebuild_lot(desk.database, desk.status, lot) for _ in range(2)), return_exceptions=True
            )

    await asyncio.gather(rebuild_again_and_again(), *map(come_and_go, plates))
    await rebuild_all(desk.database, desk.status)
    while await relay_once(desk.database, desk.status, -1):
        pass
    seen = await desk.status.snapshot(lot)
    assert seen.built
    assert held(seen) == await truth(desk, lot)
    free = [rank for rank, state in enumerate(seen.states) if state == 0]
    proposed = await desk.status.propose(LotKey(lot, 1), [[1]], 99)
    assert {one.rank for one in proposed} <= set(free)


async def test_a_change_between_reading_and_loading_is_not_undone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = (await open_lot(desk)).id or 0
    apply = desk.status.apply

    async def book_first(key: LotKey, changes: object, *, publish: bool = True) -> int:
        monkeypatch.undo()
        # SQL was read a moment ago; the booking below is newer than what is about to be loaded.
        await reserve(desk, ReserveRequest("A 1", slot="here-A4"))
        return await apply(key, changes, publish=publish)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.status, "apply", book_first)
    await rebuild_lot(desk.database, desk.status, lot)
    seen = await desk.status.snapshot(lot)
    assert list(seen.states) == [0, 0, 0, 1, 0]
    assert held(seen) == await truth(desk, lot)


async def test_of_two_rebuilds_at_once_only_the_later_one_ends_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier one has loaded into what the later one cleared: it must not say that the lot is whole."""
    lot = (await open_lot(desk)).id or 0
    finish = desk.status.finish
    seen_built = []

    async def begin_another_first(key: LotKey, layout: int, *, built: bool, begun: int | None = None) -> None:
        monkeypatch.undo()
        await desk.status.begin(key, layout)
        try:
            await finish(key, layout, built=built, begun=begun)
        finally:
            seen_built.append((await desk.status.snapshot(lot)).built)

    monkeypatch.setattr(desk.status, "finish", begin_another_first)
    await rebuild_lot(desk.database, desk.status, lot)
    assert seen_built == [False]
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
        status.finish(key, 1, built=True),
    ):
        with pytest.raises(NotBuilt):
            await work
    assert await redis.keys("*") == []


@contextlib.asynccontextmanager
async def sqlite_desk(path: Path, redis: Redis) -> AsyncIterator[Desk]:
    database = Database(f"sqlite+aiosqlite:///{path}")
    here = await installation(database)
    yield Desk(database, Layouts(database), Status(redis, here.incarnation), b"key")
    await database.close()


async def test_flushing_begins_another_epoch(redis: Redis) -> None:
    status = Status(redis, "one")
    first = await status.begin_epoch()
    assert await status.begin_epoch() == first
    await redis.flushall()
    assert await status.epoch(fresh=True) == ""
    assert await status.begin_epoch() != first


async def test_another_incarnation_of_sql_is_another_epoch(redis: Redis) -> None:
    """A restored copy may lack commits that Redis knows of: nothing of before is believed."""
    first = await Status(redis, "one").begin_epoch()
    other = Status(redis, "two")
    assert await other.epoch() == ""
    assert await other.begin_epoch() != first


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
        assert await redis.hget(f"lot:{{{lot}}}:meta", "built") == first.encode()
        async with sqlite_desk(tmp_path / "lotline.db", redis) as desk:
            assert await desk.status.epoch() == ""
            assert not (await desk.status.snapshot(lot)).built
            assert await desk.status.heads([lot]) == {lot: ("", 0)}
            booked = await reserve(desk, ReserveRequest("A 1", lot="here"))
            assert await rebuild_all(desk.database, desk.status) == 1
            assert await desk.status.begin_epoch() != first
            assert booked.slot == "here-A1"
            assert held(await desk.status.snapshot(lot)) == await truth(desk, lot)
        await redis.aclose()
