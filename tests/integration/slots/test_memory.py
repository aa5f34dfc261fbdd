"""Memory against SQL: the same questions, the same answers."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from app.bookings.attend import check_in, close_slot
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.opening import put_slot
from app.bookings.reserve import reserve
from app.core.db import SqlAway
from app.live.hub import Hub
from app.slots import memory as memory_module
from app.slots import queries
from app.slots.forms import SlotForm
from app.slots.memory import Memory
from app.slots.models import Size, State
from app.slots.pictures import StatusPictures
from app.slots.queries import Cursor, Filter
from app.slots.relay import relay_once
from tests.integration.lots import lot_plan, open_lot

QUESTIONS = 400
LOTS = ("here", "there", "large")


@pytest.fixture
async def memory(desk: Desk, redis: Redis) -> AsyncIterator[Memory]:
    """Three lots whose slots were made in turns, with some taken, and all of it looked at."""
    await open_lot(desk, lot_plan("here", slots=9, premium=2, accessible=1))
    await open_lot(desk, lot_plan("there", slots=3))
    await open_lot(desk, lot_plan("large", slots=40, premium=7))
    for number in range(4):
        await put_slot(desk, SlotForm(f"here-late-{number}", lot="here", area="L", name=f"L{number}"))
        form = SlotForm(
            f"there-late-{number}",
            location=[1.5, number],
            lot="there",
            area="L",
            name=f"L{number}",
            size=Size.VAN,
        )
        await put_slot(desk, form)
    for number, slot in enumerate(("here-A3", "here-late-2", "large-A11", "large-A12", "there-A1")):
        await reserve(desk, ReserveRequest(f"A {number}", slot=slot))
    for code, name, act in (("large", "A11", check_in), ("large", "A30", close_slot)):
        layout = await desk.layouts.of_code(code)
        assert layout is not None
        version = 2 if act is check_in else 1
        await act(desk, layout.by_name[name].id, version)
    await relay_once(desk.database, desk.status, -1)
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    async with Hub(source, redis).running() as hub:
        found = Memory(desk.database, desk.layouts, hub)
        await found.look_around()
        yield found


def question(
    chance: random.Random, identifiers: list[str], ids: list[int]
) -> tuple[Filter, int, int, Cursor | None]:
    def maybe(values: list[Any]) -> Any:
        return chance.choice(values) if chance.random() < 0.3 else None

    wanted = Filter(
        slot=maybe(identifiers) if chance.random() < 0.3 else None,
        status=maybe([State.FREE, State.RESERVED, State.OCCUPIED, State.CLOSED]),
        area=maybe(["A", "L", "Z"]),
        size=maybe([Size.CAR, Size.VAN, Size.BUS]),
        premium=maybe([True, False]),
    )
    if wanted.slot is None:
        wanted = Filter(None, wanted.status, maybe(list(LOTS)), wanted.area, wanted.size, wanted.premium)
    cursor = maybe(ids)
    start = chance.choice([0, 0, 1, 5, 30, 1000])
    limit = chance.choice([1, 2, 10, 1000])
    if cursor is None:
        return wanted, start, limit, None
    return wanted, start, limit, Cursor(max(0, cursor + chance.randint(-1, 1)), chance.random() < 0.5)


async def test_memory_says_what_sql_says(desk: Desk, memory: Memory) -> None:
    async with desk.database.look() as connection:
        everything = (await queries.slot_page(connection, Filter(), 0, 1000, None)).slots
    assert len(everything) == 60
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names, ids = [one.identifier for one in everything], [one.slot_id for one in everything]
    found = 0
    for _ in range(QUESTIONS):
        asked = question(chance, names, ids)
        async with desk.database.look() as connection:
            truth = await queries.slot_page(connection, *asked)
        told = await memory.page(*asked)
        assert told.page == truth, asked
        assert told.complete
        found += bool(truth.slots)
    # Not only empty pages agree.
    assert found > QUESTIONS / 4


async def test_what_the_lots_are_called_is_known_too(memory: Memory, desk: Desk) -> None:
    for search in ("", "HERE", "er", "arge", "nothing"):
        async with desk.database.look() as connection:
            truth = await queries.lots(connection, search)
        assert memory.lots(search, 50) == truth
    assert len(memory.lots("", 2)) == 2


async def test_nothing_is_said_before_anything_was_read(desk: Desk, redis: Redis) -> None:
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    async with Hub(source, redis).running() as hub:
        memory = Memory(desk.database, desk.layouts, hub)
        with pytest.raises(SqlAway):
            memory.lots("", 50)
        with pytest.raises(SqlAway):
            await memory.page(Filter(), 0, 10, None)


async def test_of_an_empty_installation_no_list_is_given(desk: Desk, redis: Redis) -> None:
    """A lot may have been made since: who asks for slots is told to ask again."""
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    async with Hub(source, redis).running() as hub:
        memory = Memory(desk.database, desk.layouts, hub)
        await memory.look_around()
        assert memory.lots("", 50) == []
        with pytest.raises(SqlAway):
            await memory.page(Filter(), 0, 10, None)


async def test_many_lots_are_not_all_claimed_to_be_known(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await memory.page(Filter(), 0, 10, None)).complete
    monkeypatch.setattr(memory_module, "MOST_LOTS", 2)
    await memory.look_around()
    assert not (await memory.page(Filter(), 0, 10, None)).complete
    assert (await memory.page(Filter(lot="here"), 0, 10, None)).complete


async def test_it_looks_around_by_itself_and_goes_on_after_a_fault(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "LOOK_EVERY_S", 0.01)
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    async with Hub(source, redis).running() as hub:
        memory, looks, looked_thrice = Memory(desk.database, desk.layouts, hub), 0, asyncio.Event()
        look_around = memory.look_around

        async def fail_twice() -> None:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise SqlAway("away")
            if looks == 2:
                raise RuntimeError("a fault of ours")
            await look_around()
            looked_thrice.set()

        monkeypatch.setattr(memory, "look_around", fail_twice)
        await open_lot(desk)
        async with memory.kept():
            await asyncio.wait_for(looked_thrice.wait(), 10)
        assert [lot.code for lot in memory.lots("", 50)] == ["here"]
