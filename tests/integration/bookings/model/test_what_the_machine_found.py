"""What the machine has found, in as few steps as lead to it."""

import asyncio
import gc
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.accounts.incarnation import read_incarnation
from app.bookings import records
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.opening import put_slot
from app.bookings.reserve import reserve
from app.bookings.results import Reserved
from app.bookings.unreserve import release
from app.core.clock import SystemClock
from app.core.db import Database
from app.core.errors import Problem
from app.slots import layout
from app.slots.forms import SlotForm
from app.slots.layout import Layouts, Wish
from app.slots.models import Size
from app.slots.relay import relay_once
from app.slots.scrub import look
from app.slots.status import Status
from tests.integration.bookings.model.process import Process
from tests.integration.lots import lot_plan, open_lot

# Older than a second from now: every row there is.
AT_ONCE_S = -1.0


@pytest.fixture
async def other_desk(desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Another process over the same servers. What both know of lots they believe until they are told."""
    monkeypatch.setattr(layout, "BELIEVE_S", float("inf"))
    status = Status(redis, await read_incarnation(desk.database), lambda: read_incarnation(desk.database))
    other = Desk(desk.database, Layouts(desk.database), status, desk.signing_key)
    yield other
    await other.ended()


async def test_who_is_refused_for_its_entity_takes_no_slot_from_who_stands_beside(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=2))
    await reserve(desk, ReserveRequest("holds one", lot="here"))
    asked = [ReserveRequest(entity, lot="here") for entity in ("holds one", "has none")]
    refused, given = await asyncio.gather(*(reserve(desk, one) for one in asked), return_exceptions=True)
    assert isinstance(refused, Problem)
    assert refused.type in ("entity-has-reservation", "all-taken")
    assert isinstance(given, Reserved)


async def test_a_change_is_not_struck_from_the_outbox_for_one_that_was_relayed_before(
    desk: Desk, database_url: str, redis_url: str
) -> None:
    """A number in the outbox must not be given twice: who believes the first row done deletes the second."""
    process = Process(database_url, SystemClock())
    await process.start(redis_url)
    lot = await open_lot(process.desk, lot_plan(slots=2))
    await relay_once(desk.database, desk.status, AT_ONCE_S)
    await reserve(process.desk, ReserveRequest("A 1", lot="here"))
    await relay_once(desk.database, desk.status, AT_ONCE_S)
    process.lose_redis()
    await reserve(process.desk, ReserveRequest("A 2", lot="here"))
    await process.end()
    await relay_once(desk.database, desk.status, AT_ONCE_S)
    assert (await look(desk.database, desk.status, lot.id or 0)).suspects == {}


async def test_a_key_is_answered_alike_after_its_slot_got_another_name(desk: Desk) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", slot="here-A1", idempotency=IdempotencyKey("test", "k1", "d1"))
    first = await reserve(desk, asked)
    await put_slot(desk, SlotForm("here-A1", name="by the door"))
    assert await reserve(desk, asked) == first


async def test_a_key_is_answered_alike_after_its_slot_came_into_another_area(desk: Desk) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", slot="here-A1", idempotency=IdempotencyKey("test", "k1", "d1"))
    first = await reserve(desk, asked)
    await release(desk, first.reservation)
    await put_slot(desk, SlotForm("here-A1", area="B"))
    assert await reserve(desk, asked) == first


async def test_an_area_that_another_process_has_just_made_can_be_booked(desk: Desk, other_desk: Desk) -> None:
    lot = await open_lot(desk)
    await desk.layouts.of(lot.id or 0)
    await put_slot(other_desk, SlotForm("new", lot="here", area="B"))
    asked = ReserveRequest("A 1", lot="here", wish=Wish(area="B"))
    assert (await reserve(desk, asked)).slot == "new"


async def test_a_slot_of_a_kind_that_a_process_has_yet_to_hear_of_is_taken_and_says_so(
    desk: Desk, other_desk: Desk
) -> None:
    lot = await open_lot(desk)
    await desk.layouts.of(lot.id or 0)
    await put_slot(other_desk, SlotForm("here-A1", size=Size.VAN))
    await reserve(other_desk, ReserveRequest("A 1", slot="here-A1"))
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 2", slot="here-A1"))
    assert (refused.value.type, refused.value.extra) == ("slot-taken", {"nearest": None})


async def look_up(database: Database) -> None:
    async with database.look() as connection:
        await connection.execute(text("SELECT 1 FROM sqlite_master"))


async def write(database: Database) -> None:
    async with database.unit_of_work() as connection:
        await connection.execute(text("DELETE FROM lot"))


async def hang_up(call: Coroutine[Any, Any, None], turns: int) -> None:
    """On a call, after so many turns of the loop."""
    calling = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    calling.cancel()
    with suppress(asyncio.CancelledError):
        await calling


@pytest.mark.parametrize("call", [look_up, write])
async def test_a_caller_who_hangs_up_does_not_hold_up_the_end_of_the_process(
    sqlite_template: Path, tmp_path: Path, call: Callable[[Database], Coroutine[Any, Any, None]]
) -> None:
    """At whichever moment; the first call makes its connection as well."""
    file = shutil.copy(sqlite_template, tmp_path / "lotline.db")
    for turns in range(200):
        database = Database(f"sqlite+aiosqlite:///{file}")
        # The driver would wait for ten.
        async with asyncio.timeout(5):
            await hang_up(call(database), turns)
            await database.close()


@pytest.mark.parametrize("call", [look_up, write])
async def test_a_caller_who_hangs_up_leaves_no_lock_on_the_file(
    sqlite_template: Path,
    tmp_path: Path,
    no_garbage_collected: None,
    call: Callable[[Database], Coroutine[Any, Any, None]],
) -> None:
    """At whichever moment, and long before the garbage collector comes by."""
    file = shutil.copy(sqlite_template, tmp_path / "lotline.db")
    for turns in range(200):
        database = Database(f"sqlite+aiosqlite:///{file}")
        await hang_up(call(database), turns)
        await database.close()
        with closing(sqlite3.connect(file, timeout=0)) as alone:
            # Only for who has the file for itself.
            for mode in ("delete", "wal"):
                assert alone.execute(f"PRAGMA journal_mode={mode}").fetchall() == [(mode,)], turns


@pytest.fixture
def no_garbage_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def test_what_was_proposed_to_a_caller_who_hangs_up_is_offered_to_others_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = await open_lot(desk, lot_plan(slots=2))
    insert, is_asked, goes_on = records.insert_reservations, asyncio.Event(), asyncio.Event()

    async def late(*given: Any) -> set[str]:
        is_asked.set()
        await goes_on.wait()
        return await insert(*given)

    monkeypatch.setattr(records, "insert_reservations", late)
    calling = asyncio.create_task(reserve(desk, ReserveRequest("hangs up", lot="here")))
    await is_asked.wait()
    calling.cancel()
    with suppress(asyncio.CancelledError):
        await calling
    goes_on.set()
    await desk.ended()
    assert (await desk.status.inspect(lot.id or 0)).leases == {}
    assert (await reserve(desk, ReserveRequest("hangs up", lot="here"))).slot == "here-A1"
