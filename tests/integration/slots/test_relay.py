"""The outbox and its relay: Redis hears of what was committed, whoever died before telling it."""

import asyncio
from collections.abc import Collection

import pytest
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from sqlalchemy import func, select

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core import metrics
from app.core.db import Database
from app.core.redis import REDIS_IS_GONE, connect
from app.slots import relay
from app.slots.epochs import EPOCH_KEY
from app.slots.models import STATE_CODES, SlotState, State, StatusOutbox
from app.slots.relay import lots_lagging, relay_once
from app.slots.status import LotKey, Status, StatusSnapshot
from tests.integration.lots import lot_plan, open_lot

_STATE = SlotState.__table__  # type: ignore[attr-defined]


def desk_without_redis(desk: Desk) -> Desk:
    """Another process over the same SQL, whose Redis is away."""
    away = Status(connect("unix:///nowhere/redis.sock"), "x")
    return Desk(desk.database, desk.layouts, away, desk.signing_key)


def away_status(desk: Desk) -> Status:
    return desk_without_redis(desk).status


def counted(metric: Counter | Gauge) -> float:
    """What a metric without labels says."""
    return metric._value.get()


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
    with pytest.raises(REDIS_IS_GONE):
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


async def test_a_row_whose_lot_is_in_another_epoch_is_not_deleted(desk: Desk, redis: Redis) -> None:
    """It stays until its lot is built, whoever builds it."""
    lot = (await open_lot(desk)).id or 0
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    kept = await outbox(desk)
    await redis.flushall()
    await desk.status.begin_epoch()
    begun = await desk.status.begin(LotKey(lot, 1), 1)
    await redis.delete(EPOCH_KEY)
    await desk.status.begin_epoch()
    # The lot is of the epoch before, and somebody is at it.
    assert await relay_once(desk.database, desk.status, -1) == 0
    assert await outbox(desk) == kept > 0
    assert begun is not None
    await redis.delete(f"lot:{{{lot}}}:builder")
    assert await relay_once(desk.database, desk.status, -1) == kept
    assert held(await desk.status.snapshot(lot)) == await truth(desk, lot)


async def test_rows_of_a_lot_that_cannot_be_told_hold_up_no_other_lot(desk: Desk, redis: Redis) -> None:
    lots = [(await open_lot(desk, lot_plan(code))).id or 0 for code in ("here", "there")]
    away = desk_without_redis(desk)
    await relay_once(desk.database, desk.status, -1)
    await reserve(away, ReserveRequest("A 1", slot="here-A2"))
    await reserve(away, ReserveRequest("A 2", slot="there-A3"))
    await desk.status.begin(LotKey(lots[0], 1), 1)
    await redis.hset(f"lot:{{{lots[0]}}}:meta", "epoch", "another")  # type: ignore[misc]
    assert await relay_once(desk.database, desk.status, -1) == 1
    assert await outbox(desk) == 1
    assert list((await desk.status.snapshot(lots[1])).states) == [0, 0, 1, 0, 0]


async def test_several_relays_at_once_end_every_row_once(desk: Desk, redis: Redis) -> None:
    lot = (await open_lot(desk, lot_plan(slots=40))).id or 0
    away = desk_without_redis(desk)
    await relay_once(desk.database, desk.status, -1)
    for number in range(40):
        await reserve(away, ReserveRequest(f"A {number}", slot=f"here-A{number + 1}"))
    rows = await outbox(desk)
    relayed = counted(metrics.RELAYED)
    others = [Status(redis, desk.status.incarnation) for _ in range(3)]
    ended = await asyncio.gather(*(relay_once(desk.database, status, -1) for status in others))
    ended.append(await relay_once(desk.database, desk.status, -1))
    assert sum(ended) == rows == counted(metrics.RELAYED) - relayed
    assert await outbox(desk) == 0
    assert held(await desk.status.snapshot(lot)) == await truth(desk, lot)


async def test_the_age_of_the_oldest_row_is_the_lag_and_an_empty_outbox_has_none(desk: Desk) -> None:
    await open_lot(desk)
    await relay_once(desk.database, desk.status, -1)
    await relay_once(desk.database, desk.status, 60)
    assert counted(metrics.OUTBOX_LAG) == 0
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    async with desk.database.unit_of_work() as connection:
        await connection.execute(StatusOutbox.__table__.update().values(created_at_us=1))  # type: ignore[attr-defined]
    await relay_once(desk.database, away_status(desk), 1e12)
    assert counted(metrics.OUTBOX_LAG) > 1e9


async def test_a_lot_with_a_fault_keeps_back_no_other_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("here", "there"):
        await open_lot(desk, lot_plan(code=code))
        await reserve(desk_without_redis(desk), ReserveRequest(f"A {code}", lot=code))
    as_it_is = relay.relay_slots

    async def faulty_for_one(database: Database, status: Status, lot_id: int, slots: Collection[int]) -> None:
        if lot_id == 1:
            raise ValueError("a fault")
        await as_it_is(database, status, lot_id, slots)

    monkeypatch.setattr(relay, "relay_slots", faulty_for_one)
    with pytest.raises(ValueError, match="a fault"):
        await relay_once(desk.database, desk.status, -1)
    async with desk.database.look() as connection:
        assert await lots_lagging(desk.database, connection, -1) == {1}
    assert held(await desk.status.snapshot(2)) == await truth(desk, 2)
