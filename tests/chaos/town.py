"""A deployment under load from outside, with somebody who watches its map all along."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.lifespan import opened_desk
from app.slots.models import State
from app.slots.relay import rebuild_all
from tests.chaos.drivers import Driver, HttpCounter, Place
from tests.chaos.history import History, check
from tests.chaos.offices import fill_lot, running
from tests.chaos.processes import Deployment, deployed
from tests.chaos.screens import Screen, watch_socket
from tests.chaos.truth import Truth, compare, read_truth, redis_differences, screen_differences
from tests.chaos.waiting import until_none

DRIVERS = 24
MEAN_STAY_S = 0.2
TRUE_AGAIN_WITHIN_S = 8.0


@dataclass(frozen=True)
class Town:
    """A deployment under load from outside, and somebody who watches all along."""

    deployment: Deployment
    desk: Desk
    redis: Redis
    http: httpx2.AsyncClient
    lot_id: int
    place: Place
    history: History
    screen: Screen

    async def truth(self) -> Truth:
        return await read_truth(self.desk.database, self.lot_id)

    async def listed(self) -> dict[str, str]:
        """The status of every slot as ``GET /parking`` has it."""
        response = await self.http.get("/parking", params={"lot": self.place.lot, "limit": 1000})
        response.raise_for_status()
        return {slot["identifier"]: slot["status"] for slot in response.json()["slotDetails"]}

    async def true_again(self) -> float:
        """Seconds until Redis and the viewer equal SQL, and the viewer is fed by Redis again."""

        async def differences() -> list[str]:
            truth = await self.truth()
            epoch = (await self.redis.get("lotline:epoch") or b"").decode()
            return [
                *([] if self.screen.epochs[-1:] == [epoch] else [f"{epoch} is not {self.screen.epochs}"]),
                *await redis_differences(self.redis, self.lot_id, truth),
                *screen_differences(self.screen.shown, truth),
            ]

        return await until_none(differences, TRUE_AGAIN_WITHIN_S, "Redis and the viewer equal SQL")

    async def assert_nothing_was_lost(self) -> None:
        """The history is clean, SQL bears it out, and ``GET /parking`` says what SQL has."""
        truth = await self.truth()
        found = [*check(self.history.operations), *compare(self.history.operations, truth)]
        assert [str(violation) for violation in found] == []
        assert await self.listed() == {slot.identifier: slot.state for slot in truth.slots}
        assert {slot.state for slot in truth.slots} <= {State.FREE, State.RESERVED}


@asynccontextmanager
async def town(folder: Path, database_url: str) -> AsyncIterator[Town]:
    """Everything started, one lot of 50 slots, a viewer on its map."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deployed(folder, database_url))
        desk, redis = await stack.enter_async_context(opened_desk(deployment.settings))
        await rebuild_all(desk.database, desk.status)
        lot_id, place = await fill_lot(desk)
        deployment.worker.start()
        await deployment.start_web()
        http = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=deployment.base_url, timeout=httpx2.Timeout(20.0))
        )
        screen = Screen()
        address = f"{deployment.base_url.replace('http', 'ws')}/ws/lots/{place.lot}"
        await stack.enter_async_context(running(watch_socket(address, screen)))
        yield Town(deployment, desk, redis, http, lot_id, place, History(), screen)


@asynccontextmanager
async def load(town: Town) -> AsyncIterator[None]:
    """Drivers who come and go over HTTP for as long as the block lasts; then all requests have ended."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    over = asyncio.Event()
    counters = [HttpCounter(town.http)]
    drivers = [
        Driver(one, counters, town.place, town.history, random.Random(f"{seed} {one}"), MEAN_STAY_S)
        for one in range(DRIVERS)
    ]
    tasks = [asyncio.create_task(driver.drive(over)) for driver in drivers]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)
