"""SQLite finds no room: whoever books is told to come back, nothing is half there, nothing is restarted."""

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncTransaction

from app.bookings import batches
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.records import RESERVATION
from app.bookings.reserve import reserve
from app.core.errors import Problem
from tests.integration.lots import lot_plan, open_lot

pytestmark = pytest.mark.parametrize("template", ["sqlite"], indirect=True)
KEY = IdempotencyKey("test", "k1", "d1")


async def pages_at_most(desk: Desk, more: int) -> None:
    """The file may grow by so many pages, and no further."""
    async with desk.database.unit_of_work() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages + more}"))


async def bookings(desk: Desk) -> int:
    async with desk.database.look() as connection:
        return len((await connection.execute(RESERVATION.select())).all())


async def test_when_the_disk_is_full_bookings_are_503_and_go_on_when_there_is_room(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=300))
    await pages_at_most(desk, 2)
    made = 0
    with pytest.raises(Problem) as refused:
        for made in range(300):
            key = IdempotencyKey("test", f"k{made}", "d" * 500)
            await reserve(desk, ReserveRequest(f"A {made}", lot="here", idempotency=key))
    assert (refused.value.status, refused.value.type) == (503, "unavailable")
    assert await bookings(desk) == made
    await pages_at_most(desk, 1_000)
    again = await reserve(desk, ReserveRequest(f"A {made}", lot="here", idempotency=key))
    assert again.slot_name
    assert await bookings(desk) == made + 1
    async with desk.database.look() as connection:
        assert (await connection.execute(text("PRAGMA integrity_check"))).scalar_one() == "ok"


async def test_a_commit_that_finds_no_room_is_known_not_to_have_taken_place(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nobody asks what became of it, which would find no room either."""
    await open_lot(desk)
    commit = AsyncTransaction.commit

    async def find_no_room(transaction: AsyncTransaction) -> None:
        await transaction.rollback()
        full = sqlite3.OperationalError("database or disk is full")
        full.sqlite_errorname = "SQLITE_FULL"
        raise OperationalError("COMMIT", {}, full)

    async def ask(*_: object) -> bool:
        raise AssertionError("somebody asked")

    monkeypatch.setattr(AsyncTransaction, "commit", find_no_room)
    monkeypatch.setattr(batches, "was_committed", ask)
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=KEY))
    assert refused.value.status == 503
    monkeypatch.setattr(AsyncTransaction, "commit", commit)
    assert await bookings(desk) == 0
    await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=KEY))
    assert await bookings(desk) == 1
