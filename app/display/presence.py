"""The displays that are connected to this process: which were moved or revoked, and when each was seen."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from app.core import metrics
from app.core.clock import monotonic_s
from app.core.db import Database, SqlAway
from app.core.ids import digest
from app.core.remembered import Remembered
from app.core.tasks import end_all
from app.display import pairing
from app.display.pairing import Paired, Screen

log = structlog.get_logger()
LOOKS_EVERY_S = 2.0
NOTED_EVERY_S = 30.0
# A display that was seen within this time is connected.
SEEN_WITHIN_S = 75.0
CHANGED = 4409
"""A websocket is closed with it where its screen is to be shown something else: load the page again."""


class Displays:
    """Asks SQL for each screen; while that is away, what it said last holds, for as long as it takes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = Remembered[str, Screen]("display")
        self._connected: dict[asyncio.Future[int], Screen] = {}
        self._noted_at_s: dict[int, float] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Displays"]:
        """These displays, looked after until the block ends."""
        loop = asyncio.create_task(self._look_after(), name="displays.look_after")
        try:
            yield self
        finally:
            await end_all([loop])

    async def of(self, secret: str) -> Screen | None:
        """What the screen with this secret shows, where it is paired. SqlAway where nobody can say."""
        key = digest(secret)
        return await self._known.ask(key, lambda: pairing.screen_of(self._database, key))

    @contextmanager
    def connected(self, screen: Screen) -> Iterator["asyncio.Future[int]"]:
        """A screen's stay; what is yielded gets ``CHANGED`` once the screen is to show something else."""
        ends: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._connected[ends] = screen
        try:
            yield ends
        finally:
            del self._connected[ends]

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await self._look()
            except SqlAway:
                # Nobody could have changed anything either.
                continue
            except Exception:
                log.exception("displays.look_failed")

    async def _look(self) -> None:
        if not self._connected:
            return
        ids = sorted({screen.id for screen in self._connected.values()})
        now = await pairing.screens_by_id(self._database, ids)
        for ends, screen in self._connected.items():
            if now.get(screen.id) != screen and not ends.done():
                ends.set_result(CHANGED)
        due_s = monotonic_s() - NOTED_EVERY_S
        due = [one for one in ids if one in now and self._noted_at_s.get(one, due_s) <= due_s]
        if due:
            await pairing.seen(self._database, due)
        self._noted_at_s = {one: self._noted_at_s[one] for one in ids if one in self._noted_at_s}
        self._noted_at_s |= dict.fromkeys(due, monotonic_s())


async def count_displays(database: Database) -> None:
    """Sets the metric of how many displays are connected, and how many are away."""
    found = await pairing.displays(database)
    away = [one for one in found if is_away(one)]
    metrics.DISPLAYS.labels("away").set(len(away))
    metrics.DISPLAYS.labels("connected").set(len(found) - len(away))


def is_away(display: Paired) -> bool:
    """Whether it has not been connected for too long; one that was just paired has a moment."""
    last = display.last_seen_at or display.paired_at
    return (display.now - last).total_seconds() > SEEN_WITHIN_S
