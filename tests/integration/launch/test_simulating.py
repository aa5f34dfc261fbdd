"""Made-up drivers while the database comes and goes."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records
from app.bookings.desk import Desk
from app.core.db import SqlAway
from app.launch.persistence import Persistence
from app.launch.simulation import SOURCE, simulate
from tests.integration.lots import lot_plan, open_lot


class Outage:
    """SQL that can be switched off."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        for name in ("look", "unit_of_work"):
            self._put_before(desk, name, monkeypatch)

    def _put_before(self, desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(desk.database, name)

        @asynccontextmanager
        async def door() -> AsyncIterator[AsyncConnection]:
            if self.is_away:
                raise SqlAway("gone")
            async with real() as connection:
                yield connection

        monkeypatch.setattr(desk.database, name, door)


async def booked(desk: Desk) -> int:
    booking = records.RESERVATION.c
    async with desk.database.look() as connection:
        count = select(func.count()).where(booking.source == SOURCE)
        found: int = (await connection.execute(count)).scalar_one()
        return found


async def is_over(desk: Desk, outage: Outage, running: "asyncio.Task[None]", said: list[str]) -> bool:
    assert not running.done(), running.exception()
    # A booking is gone with the commit; whoever has ended it is told so, and says so, a moment later.
    return not outage.is_away and len(said) > 1 and await booked(desk) == 0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as ``condition`` holds; fails after 20 s."""
    async with asyncio.timeout(20):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def test_an_outage_neither_ends_the_simulation_nor_leaves_a_slot_booked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    await open_lot(desk, lot_plan(slots=80))
    outage = Outage(desk, monkeypatch)
    said: list[str] = []
    filled, leaving = asyncio.Event(), asyncio.Event()
    tries = 0

    async def stay(seconds: float) -> None:
        if asyncio.current_task() is not running:
            await leaving.wait()
            return
        # The lot has been filled; nobody else arrives.
        filled.set()
        await asyncio.Event().wait()

    async def try_again(seconds: float) -> None:
        nonlocal tries
        tries += 1
        outage.is_away = tries < 20
        await asyncio.sleep(0)

    persistence = Persistence(said.append, try_again)
    begun = asyncio.Event()
    work = simulate(desk, "here", 6.0, random.Random(seed), persistence, begun.set, stay)
    running = asyncio.create_task(work)
    await asyncio.wait_for(filled.wait(), 20)
    assert begun.is_set()
    assert await booked(desk) > 0
    outage.is_away = True
    leaving.set()
    await until(lambda: is_over(desk, outage, running, said))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert said == [
        "The database can't be reached: gone. It is tried again until it answers.",
        "The database answers again.",
    ]
