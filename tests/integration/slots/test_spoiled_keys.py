"""Somebody else has written into the keys: what is no status of ours is forgotten, and built anew."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.slots.epochs import EPOCH_KEY
from app.slots.models import STATE_CODES, State
from app.slots.pictures import StatusPictures
from app.slots.rebuild import rebuild_all, rebuild_lot
from app.slots.scrub import look
from app.slots.status import BUILT_KEY, DOUBTED_KEY, LotKey, NotBuilt
from tests.integration.lots import open_lot

LOT = "lot:{1}:"
KEYS = ["meta", "slots", "leases", "classes", "builder", "free:1"]


async def be_true_again(desk: Desk) -> None:
    """What a worker does, as often as it would within a second: it builds, and it scrubs."""
    for _ in range(4):
        try:
            await rebuild_all(desk.database, desk.status)
            await look(desk.database, desk.status, 1)
        except NotBuilt:
            continue
    assert (await look(desk.database, desk.status, 1)).suspects == {}
    assert (await desk.status.inspect(1)).believed
    assert await desk.status.propose(LotKey(1, 1), [[1]], 1) != []


async def wrong_type(redis: Redis, key: str) -> None:
    await redis.delete(key)
    await (redis.set(key, "7") if key.endswith(("meta", "leases", "classes")) else redis.hset(key, "a", "b"))


async def a_hash(redis: Redis, key: str) -> None:
    await redis.delete(key)
    await redis.hset(key, "a", "b")


async def no_text(redis: Redis, key: str) -> None:
    await redis.set(key, b"\xff\xfe\x00")


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_of_a_lot_that_has_another_type_costs_no_booking_and_is_built_anew(
    desk: Desk, redis: Redis, key: str
) -> None:
    await open_lot(desk)
    await wrong_type(redis, LOT + key)
    first = await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert first.slot_name == "A1"
    shown = await StatusPictures(desk.database, desk.layouts, desk.status).read(1, None)
    assert shown is not None
    assert shown.states.count(STATE_CODES[State.RESERVED]) == 1
    await be_true_again(desk)


@pytest.mark.parametrize("spoil", [a_hash, no_text])
@pytest.mark.parametrize("key", [EPOCH_KEY, BUILT_KEY, DOUBTED_KEY])
async def test_a_key_of_the_installation_that_is_unreadable_is_as_good_as_none(
    desk: Desk, redis: Redis, key: str, spoil: Callable[[Redis, str], Awaitable[None]]
) -> None:
    await open_lot(desk)
    await spoil(redis, key)
    desk.status._epochs.forget()
    assert (await reserve(desk, ReserveRequest("A 1", lot="here"))).slot_name == "A1"
    assert await desk.status.doubted() == set()
    await be_true_again(desk)


@pytest.mark.parametrize("field", ["seq", "order", "layout", "begun", "built", "epoch"])
async def test_a_field_of_a_lots_head_that_is_unreadable_is_found_and_built_anew(
    desk: Desk, redis: Redis, field: str
) -> None:
    await open_lot(desk)
    await redis.hset(LOT + "meta", field, b"\xff\xfe")
    assert (await reserve(desk, ReserveRequest("A 1", lot="here"))).slot_name == "A1"
    assert set(await desk.status.heads([1])) == {1}
    assert field == "begun" or (await look(desk.database, desk.status, 1)).suspects
    await rebuild_lot(desk.database, desk.status, 1)
    await be_true_again(desk)


async def test_a_builder_that_nobody_lets_expire_stops_no_rebuild(desk: Desk, redis: Redis) -> None:
    await open_lot(desk)
    await redis.set(LOT + "builder", "for ever")
    await redis.hdel(LOT + "meta", "built")
    await redis.delete(BUILT_KEY)
    await be_true_again(desk)


async def test_a_head_that_was_thrown_away_begins_with_a_higher_number(desk: Desk, redis: Redis) -> None:
    """A viewer that knows the old number takes no older picture for a newer one."""
    await open_lot(desk)
    before = (await desk.status.snapshot(1)).seq
    await redis.delete(LOT + "meta", BUILT_KEY)
    await be_true_again(desk)
    assert (await desk.status.snapshot(1)).seq > before
