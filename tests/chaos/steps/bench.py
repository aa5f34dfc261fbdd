"""SQL, Redis, lots alike, a worker that runs all along, and somebody who watches each lot."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import select, text

from app.bookings.desk import Desk
from app.core.db import Database
from app.lifespan import opened_desk
from app.live.feed import Feed
from app.slots.models import StatusOutbox
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from tests.chaos.deployment import keep_redis_true
from tests.chaos.processes import Fork, Process
from tests.chaos.region import multiply
from tests.chaos.steps.boundary import REFUSING_TABLE
from tests.chaos.steps.ground import Ground
from tests.chaos.steps.requests import LOT_SLOTS
from tests.chaos.steps.viewers import shown_differences, watched
from tests.chaos.truth import read_slots, redis_differences
from tests.integration.lots import lot_plan, open_lot

_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
# What the scrub says when it finds something.
_FOUND = "status.scrub_found"


@dataclass(frozen=True)
class Bench:
    """``desk`` and ``redis`` are never disturbed. ``feeds``: what is shown of each lot, by its number."""

    ground: Ground
    folder: Path
    desk: Desk
    redis: Redis
    worker: Process
    feeds: dict[int, Feed]

    async def differences(self, lot_id: int) -> list[str]:
        """Where Redis or a viewer has something else than SQL."""
        slots = await read_slots(self.desk.database, lot_id)
        return [
            *await redis_differences(self.redis, lot_id, slots),
            *shown_differences(self.feeds[lot_id], slots),
        ]

    async def is_in_outbox(self, lot_id: int) -> bool:
        """Whether Redis may not have heard yet of a change in this lot."""
        async with self.desk.database.look() as connection:
            waiting = select(_OUTBOX.c.id).where(_OUTBOX.c.lot_id == lot_id).limit(1)
            return (await connection.execute(waiting)).first() is not None

    def worker_said(self) -> list[str]:
        """What it should not have: that the scrub has found something wrong in Redis, or its last words."""
        said = self.worker.log.splitlines()
        return [line for line in said if _FOUND in line] if self.worker.is_running else said[-20:]


@asynccontextmanager
async def opened_bench(ground: Ground, folder: Path, lots: int) -> AsyncIterator[Bench]:
    """So many empty lots, numbered from 1, in Redis and on screens."""
    async with AsyncExitStack() as stack:
        desk, redis = await stack.enter_async_context(opened_desk(ground.settings))
        await rebuild_all(desk.database, desk.status)
        await open_lot(desk, lot_plan("lot0", slots=LOT_SLOTS))
        await multiply(ground.database_url, lots - 1)
        async with desk.database.unit_of_work() as connection:
            await connection.execute(text(REFUSING_TABLE))
        await desk.status.forget_built()
        await rebuild_all(desk.database, desk.status)
        # Nothing is left of the import that would make a lot lag.
        await relay_once(desk.database, desk.status, 0.0)
        worker = await stack.enter_async_context(_working(ground, folder))
        seen_by = Database(ground.database_url)
        stack.push_async_callback(seen_by.close)
        lot_ids = range(1, lots + 1)
        feeds = await stack.enter_async_context(watched(seen_by, ground.settings.redis_url, lot_ids))
        yield Bench(ground, folder, desk, redis, worker, feeds)


@asynccontextmanager
async def _working(ground: Ground, folder: Path) -> AsyncIterator[Process]:
    async def serves() -> bool:
        return True

    worker = Fork("worker", keep_redis_true, folder / "worker.log", serves, ground.settings.as_environment())
    worker.start()
    try:
        yield worker
    finally:
        if worker.is_running:
            worker.kill()
