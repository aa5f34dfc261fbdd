"""Several web processes' worth of desks in one process, with the worker beside them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.core.tasks import end_all
from app.lifespan import opened_desk
from app.live.hub import Hub
from app.settings import Settings
from app.slots.pictures import StatusPictures
from app.slots.relay import rebuild_all
from tests.chaos.drivers import Place
from tests.chaos.history import History, Violation, check
from tests.chaos.screens import Screen, watch_hub
from tests.chaos.truth import (
    compare,
    outbox_rows,
    read_truth,
    redis_differences,
    screen_differences,
)
from tests.chaos.waiting import until_none
from tests.integration.lots import lot_plan, open_lot
from workers import status as status_worker

DESKS = 3
SLOTS, PREMIUM_SLOTS = 50, 5


@dataclass(frozen=True)
class Office:
    """The desks of one town, its lot, and who watches it."""

    desks: tuple[Desk, ...]
    redis: Redis
    lot_id: int
    place: Place
    screen: Screen

    async def violations(self, history: History) -> list[Violation]:
        """What neither the history nor SQL bears out."""
        truth = await read_truth(self.desks[0].database, self.lot_id)
        return [*check(history.operations), *compare(history.operations, truth)]

    async def settle(self, within_s: float) -> float:
        """Waits until nothing is under way and Redis and the viewer show what SQL has; seconds it took."""

        async def differences() -> list[str]:
            database = self.desks[0].database
            truth = await read_truth(database, self.lot_id)
            waiting = await outbox_rows(database)
            return [
                *([f"{waiting} rows in the outbox"] if waiting else []),
                *await redis_differences(self.redis, self.lot_id, truth),
                *screen_differences(self.screen.shown, truth),
            ]

        return await until_none(differences, within_s, "Redis and the viewer equal SQL")


def settings_of(database_url: str, redis_url: str) -> Settings:
    """The settings of a process over these servers."""
    return Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})


async def fill_lot(desk: Desk) -> tuple[int, Place]:
    """One lot of 50 slots, some of them premium."""
    plan = lot_plan(slots=SLOTS, premium=PREMIUM_SLOTS)
    lot = await open_lot(desk, plan)
    assert lot.id is not None
    names = tuple(slot.identifier for slot in plan.slots)
    return lot.id, Place("here", names, frozenset(names[:PREMIUM_SLOTS]))


@asynccontextmanager
async def opened_office(database_url: str, redis: Redis, redis_url: str) -> AsyncIterator[Office]:
    """Desks with nothing in common but the servers, a viewer that watches from the start, and a worker."""
    settings = settings_of(database_url, redis_url)
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(opened_desk(settings)) for _ in range(DESKS)]
        desks = tuple(desk for desk, _ in opened)
        await rebuild_all(desks[0].database, desks[0].status)
        lot_id, place = await fill_lot(desks[0])
        first, client = opened[0]
        source = StatusPictures(first.database, first.layouts, first.status)
        hub = await stack.enter_async_context(Hub(source, client).running())
        screen = Screen()
        await stack.enter_async_context(running(watch_hub(hub, lot_id, screen)))
        await stack.enter_async_context(worker(settings))
        yield Office(desks, redis, lot_id, place, screen)


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[None]:
    """The status worker as it runs in its own process."""
    stop = asyncio.Event()
    task = asyncio.create_task(status_worker.run(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """``work`` beside the block; what went wrong in it fails the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        ended_by_itself = task.done()
        # Asked again and again: redis-py swallows a cancellation while it shakes hands.
        await end_all([task])
        if ended_by_itself:
            task.result()
