"""A deployment with one lot, drivers who use it over HTTP, and viewers who watch its map all along."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.lifespan import opened_desk
from app.slots.models import State
from app.slots.rebuild import rebuild_all
from tests.chaos.checker import Violation
from tests.chaos.deployment import Deployment, Shape, deployed
from tests.chaos.drivers import Habits, HttpCounter, Place, Traffic
from tests.chaos.history import History
from tests.chaos.running import running
from tests.chaos.screens import Screen, watch_socket
from tests.chaos.site import Base
from tests.chaos.truth import (
    epoch_of,
    outbox_rows,
    read_slots,
    read_truth,
    redis_differences,
    screen_differences,
    violations,
)
from tests.chaos.waiting import until_none
from tests.chaos.wire import Wire
from tests.integration.lots import lot_plan, open_lot

LOT = "here"


@dataclass(frozen=True)
class Town:
    """``desk`` and ``redis`` look at the deployment from outside, past its processes and proxies."""

    deployment: Deployment
    desk: Desk
    redis: Redis
    wires: tuple[Wire, ...]
    lot_id: int
    place: Place
    screens: tuple[Screen, ...]

    def traffic(self, history: History, seed: str, drivers: int, habits: Habits) -> Traffic:
        """Drivers who are served by all web processes, and whose requests go into ``history``."""
        counters = [HttpCounter(wire) for wire in self.wires]
        return Traffic(counters, self.place, history, seed, drivers, habits)

    async def converged(self, within_s: float) -> float:
        """Seconds until Redis and every viewer equal SQL, with nothing left to tell and Redis in charge.

        Ask while no request is under way.
        """

        async def differences() -> list[str]:
            slots = await read_slots(self.desk.database, self.lot_id)
            waiting = await outbox_rows(self.desk.database)
            epoch = await epoch_of(self.redis)
            return [
                *([f"{waiting} rows in the outbox"] if waiting else []),
                *await redis_differences(self.redis, self.lot_id, slots),
                *(
                    f"viewer {number}: {difference}"
                    for number, screen in enumerate(self.screens)
                    for difference in [
                        *([] if screen.epoch == epoch else [f"{screen.epoch} is not {epoch}"]),
                        *screen_differences(screen.shown, slots),
                    ]
                ),
            ]

        return await until_none(differences, within_s, "Redis and the viewers equal SQL")

    async def violations(self, history: History) -> list[Violation]:
        """What is wrong, while nothing is under way: with the answers, with SQL, with the lists."""
        truth = await read_truth(self.desk.database, self.lot_id)
        found = violations(history.operations, truth)
        states = {slot.identifier: slot.state for slot in truth.slots}
        for wire in self.wires:
            _, told = await wire.get(f"/parking?lot={LOT}&limit=1000")
            listed = {slot["identifier"]: slot["status"] for slot in told["slotDetails"]}
            if listed != states:
                found.append(Violation("false list", f"{wire.host}: {listed} is not {states}"))
        if unknown := {*states.values()} - {State.FREE, State.RESERVED}:
            found.append(Violation("stuck slot", f"{unknown}"))
        return found


@asynccontextmanager
async def opened_town(
    base: Base, folder: Path, shape: Shape, slots: int, premium: int
) -> AsyncIterator[Town]:
    """Everything started and ready, one lot, a viewer at each web process."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deployed(folder, base, shape))
        desk, redis = await stack.enter_async_context(opened_desk(deployment.settings))
        await rebuild_all(desk.database, desk.status)
        lot = await open_lot(desk, lot_plan(code=LOT, slots=slots, premium=premium))
        names = tuple(f"{LOT}-A{number + 1}" for number in range(slots))
        await deployment.ready()
        wires = tuple(Wire(base_url) for base_url in deployment.base_urls)
        for wire in wires:
            stack.callback(wire.close)
        screens = tuple(Screen() for _ in wires)
        for wire, screen in zip(wires, screens, strict=True):
            await stack.enter_async_context(running(watch_socket(f"ws://{wire.host}/ws/lots/{LOT}", screen)))
        assert lot.id is not None
        place = Place(LOT, names, frozenset(names[:premium]))
        yield Town(deployment, desk, redis, wires, lot.id, place, screens)
