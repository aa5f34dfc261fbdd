"""What is compared at the end, with a flaw planted in Redis or on a screen: each is found."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from tests.chaos.truth import read_slots, redis_differences, screen_differences
from tests.integration.lots import lot_plan, open_lot

LOT, CLASS = "lot:{1}", 1
Plant = Callable[[Redis], Awaitable[object]]


async def a_free_slot_left_out(redis: Redis) -> object:
    return await redis.setbit(f"{LOT}:free:{CLASS}", 4, 0)


async def a_taken_slot_offered(redis: Redis) -> object:
    return await redis.setbit(f"{LOT}:free:{CLASS}", 0, 1)


async def an_older_version(redis: Redis) -> object:
    return await redis.setrange(f"{LOT}:slots", 4 * 8, b"\x00\x00\x00\x00")


async def another_state(redis: Redis) -> object:
    return await redis.setrange(f"{LOT}:slots", 4 * 8 + 6, b"\x01")


async def a_lot_not_built(redis: Redis) -> object:
    return await redis.hdel(f"{LOT}:meta", "built")


async def another_epoch(redis: Redis) -> object:
    return await redis.set("lotline:epoch", "another")


@pytest.mark.parametrize(
    "plant",
    [
        a_free_slot_left_out,
        a_taken_slot_offered,
        an_older_version,
        another_state,
        a_lot_not_built,
        another_epoch,
    ],
    ids=lambda plant: plant.__name__,
)
async def test_what_redis_has_otherwise_than_sql_is_found(desk: Desk, redis: Redis, plant: Plant) -> None:
    lot = await open_lot(desk, lot_plan(slots=5))
    assert lot.id is not None
    await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
    slots = await read_slots(desk.database, lot.id)
    assert await redis_differences(redis, lot.id, slots) == []
    await plant(redis)
    assert await redis_differences(redis, lot.id, slots) != []


async def test_a_leased_slot_is_out_of_its_free_set_and_no_difference(desk: Desk, redis: Redis) -> None:
    lot = await open_lot(desk, lot_plan(slots=5))
    assert lot.id is not None
    slots = await read_slots(desk.database, lot.id)
    await redis.setbit(f"{LOT}:free:{CLASS}", 4, 0)
    assert await redis_differences(redis, lot.id, slots) != []
    await redis.zadd(f"{LOT}:leases", {"4": 1})
    assert await redis_differences(redis, lot.id, slots) == []


async def test_a_screen_that_shows_another_state_is_found(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(slots=3))
    assert lot.id is not None
    await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
    slots = await read_slots(desk.database, lot.id)
    assert screen_differences([1, 0, 0], slots) == []
    for shown in ([0, 0, 0], [1, 0], None):
        assert screen_differences(shown, slots) != []
