"""SQL, Redis, lots alike, a worker that runs all along, and somebody who watches each lot."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import select, text

from app.bookings.desk import Desk
from app.lifespan import opened_desk
from app.live.feed import Feed
from app.live.hub import Hub
from app.live.picture import Picture
from app.slots.models import StatusOutbox
from app.slots.pictures import StatusPictures
from app.slots.rebuild import rebuild_all
from tests.chaos.deployment import keep_redis_true
from tests.chaos.processes import Fork, Process
from tests.chaos.region import multiply
from tests.chaos.screens import Screen
from tests.chaos.steps.boundary import REFUSING_TABLE
from tests.chaos.steps.ground import Ground
from tests.chaos.steps.requests import LOT_SLOTS
from tests.chaos.truth import TrueSlot, read_slots, redis_differences, screen_differences
from tests.integration.lots import lot_plan, open_lot

_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
# What the scrub says when it finds something.
_FOUND = "status.scrub_found"


class _States:
    """What a viewer sees of a map, without the words beside it."""

    name = "states"
    with_states = True

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        return ""


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
        return [*await redis_differences(self.redis, lot_id, slots), *self._shown(lot_id, slots)]

    async def is_in_outbox(self, lot_id: int) -> bool:
        """Whether Redis may not have heard yet of a change in this lot."""
        async with self.desk.database.look() as connection:
            waiting = select(_OUTBOX.c.id).where(_OUTBOX.c.lot_id == lot_id).limit(1)
            return (await connection.execute(waiting)).first() is not None

    def scrubbed(self) -> list[str]:
        """What the scrub has found in Redis; it should be nothing."""
        return [line for line in self.worker.log.splitlines() if _FOUND in line]

    def _shown(self, lot_id: int, slots: Sequence[TrueSlot]) -> list[str]:
        screen = Screen()
        screen.take(self.feeds[lot_id].after(0)[0])
        return screen_differences(screen.shown, slots)


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
        worker = await stack.enter_async_context(_working(ground, folder))
        feeds = await stack.enter_async_context(_watched(ground, range(1, lots + 1)))
        yield Bench(ground, folder, desk, redis, worker, feeds)


@asynccontextmanager
async def _working(ground: Ground, folder: Path) -> AsyncIterator[Process]:
    async def serves() -> bool:
        return True

    worker = Fork("worker", keep_redis_true, folder / "worker.log", serves, ground.settings.as_environment())
    worker.start()
    try:
        yield worker
        assert worker.is_running, worker.log[-4000:]
    finally:
        if worker.is_running:
            worker.kill()


@asynccontextmanager
async def _watched(ground: Ground, lots: Sequence[int]) -> AsyncIterator[dict[int, Feed]]:
    """As by viewers of one web process."""
    async with opened_desk(ground.settings) as (desk, redis), AsyncExitStack() as stack:
        source = StatusPictures(desk.database, desk.layouts, desk.status)
        hub = await stack.enter_async_context(Hub(source, redis).running())
        feeds = {}
        for lot_id in lots:
            feed = await stack.enter_async_context(hub.watching(lot_id, _States()))
            assert feed is not None
            feeds[lot_id] = feed
        yield feeds
