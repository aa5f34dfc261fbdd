"""A hub that runs, and those who watch it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.live.hub import Hub
from app.slots.models import State
from app.slots.pictures import StatusPictures
from app.slots.projections import MapProjection
from app.slots.status import LotKey, SlotChange

SOON_S = 10.0


class Watcher:
    """A viewer that keeps what it is sent, as a page would apply it."""

    def __init__(self, hub: Hub, lot_id: int, projection: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        self.states = ""
        self.shown: list[str] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._watch(hub, lot_id, projection))

    async def _watch(self, hub: Hub, lot_id: int, projection: Any) -> None:
        async with hub.watching(lot_id, projection) as feed:
            assert feed is not None
            number = 0
            while True:
                await feed.news(number)
                seen, frames = feed.number, feed.after(number)
                number = seen
                async with self._news:
                    for frame in frames:
                        self._take(json.loads(frame))
                    self._news.notify_all()

    def _take(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if "states" in frame:
            self.states = frame["states"]
        tiles = frame.get("tiles", [])
        for position, state in zip(tiles[::2], tiles[1::2], strict=True):
            self.states = self.states[:position] + str(state) + self.states[position + 1 :]
        self.shown.append(self.states)

    async def until(self, holds: Callable[["Watcher"], bool]) -> None:
        async with asyncio.timeout(SOON_S), self._news:
            await self._news.wait_for(lambda: holds(self))

    async def shows(self, states: str) -> None:
        await self.until(lambda viewer: viewer.states == states)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Stage:
    """A hub that runs, and those who watch."""

    def __init__(self, desk: Desk, redis: Redis) -> None:
        self.now = 1_000.0
        self.source = StatusPictures(desk.database, desk.layouts, desk.status, lambda: self.now)
        self.hub = Hub(self.source, redis, lambda: self.now)
        self.viewers: list[Watcher] = []

    async def watch(self, lot_id: int, projection: Any = None) -> Watcher:
        viewer = Watcher(self.hub, lot_id, projection or MapProjection())
        self.viewers.append(viewer)
        await viewer.until(lambda one: bool(one.frames))
        return viewer


async def change(desk: Desk, lot: int, rank: int, version: int, state: State, *, lost: bool = False) -> None:
    """A change as another process would make it; ``lost`` where its message reaches nobody."""
    await desk.status.apply(LotKey(lot, 1), [SlotChange(rank, version, 1, state)], publish=not lost)
    if lost:
        await desk.status._redis.hincrby(f"lot:{{{lot}}}:meta", "seq", 1)
