"""Made-up drivers for a demo: they book, arrive, stay and leave, by the same functions as everybody else."""

import asyncio
import contextlib
import math
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import select

from app.bookings import records
from app.bookings.attend import check_in
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.reserve import reserve
from app.bookings.results import Reserved
from app.bookings.unreserve import release
from app.core.errors import Problem
from app.launch.persistence import Persistence
from app.slots.layout import Layout, Wish

SOURCE = "simulation"
# A lot that has just been imported is filled to this share at once: an empty map shows nothing.
FIRST_FILL = 0.25
MEDIAN_STAY_S = 25 * 60
# Of the logarithm: a tenth stays longer than an hour.
STAY_SPREAD = 0.7
MEAN_WAY_S = 4 * 60
# Who comes without having booked stands there at once.
DRIVES_UP = 0.6
PREMIUM, CHARGING, ACCESSIBLE = 0.12, 0.05, 0.04
# Who looks for a place of their own takes one anywhere, rather near than far; the others get the nearest.
CHOOSES = 0.55
NEARNESS = 1.6
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"

log = structlog.get_logger()


@dataclass(frozen=True)
class Driver:
    """One made-up driver; times in seconds. ``way_s`` is None for who is there already.

    ``place`` is where they would like to stand, from 0 (at the gate) to 1; None takes what is nearest.
    """

    plate: str
    wish: Wish
    place: float | None
    way_s: float | None
    stay_s: float


def made_up_driver(source: random.Random) -> Driver:
    """A driver as ``source`` has it."""
    letters = "".join(source.choices(_LETTERS, k=3))
    wish = Wish(
        premium=True if source.random() < PREMIUM else None,
        charging=source.random() < CHARGING,
        accessible=source.random() < ACCESSIBLE,
    )
    way_s = None if source.random() < DRIVES_UP else source.expovariate(1 / MEAN_WAY_S)
    place = source.random() ** NEARNESS if source.random() < CHOOSES else None
    return Driver(f"{letters} {source.randrange(10000):04}", wish, place, way_s, stay_s(source))


def chosen_slot(driver: Driver, layout: Layout) -> str | None:
    """The slot at the driver's place that fits their wish; None where the nearest will do."""
    groups = {number for group in layout.groups(driver.wish) for number in group}
    fitting = [slot for slot in layout.by_rank if slot.class_number in groups]
    if driver.place is None or not fitting:
        return None
    return fitting[min(int(driver.place * len(fitting)), len(fitting) - 1)].identifier


def stay_s(source: random.Random) -> float:
    """How long somebody stays, in seconds: many briefly, a few for long."""
    return source.lognormvariate(math.log(MEDIAN_STAY_S), STAY_SPREAD)


async def simulate(
    desk: Desk,
    lot: str,
    per_minute: float,
    source: random.Random,
    persistence: Persistence,
    on_begin: Callable[[], None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Lets drivers come and go in ``lot``, ``per_minute`` arrivals on average, until it is cancelled.

    Who is there from an earlier simulation leaves in time. While SQL is away everybody waits for it.
    ``on_begin`` is called once the lot is found. ValueError where there is no such lot.
    """
    layout = await persistence.until_done(lambda: desk.layouts.of_code(lot))
    if layout is None:
        raise ValueError(f"There is no lot called {lot}. A lot's code stands in its address: /lots/CODE")
    on_begin()
    visit = _Visit(desk, layout, source, persistence, sleep)
    there = await persistence.until_done(lambda: _still_there(desk, layout))
    missing = 0 if there else int(FIRST_FILL * len(layout.by_rank))
    async with asyncio.TaskGroup() as visits:
        for reservation in there:
            visits.create_task(visit.go_on(reservation))
        for _ in range(missing):
            await visit.begin(replace(made_up_driver(source), way_s=None), visits)
        while True:
            await sleep(source.expovariate(per_minute / 60))
            await visit.begin(made_up_driver(source), visits)


async def _still_there(desk: Desk, layout: Layout) -> list[str]:
    """The running bookings of an earlier simulation in this lot."""
    booking = records.RESERVATION.c
    statement = select(booking.id).where(booking.lot_id == layout.lot_id, booking.source == SOURCE)
    async with desk.database.look() as connection:
        return list((await connection.execute(statement)).scalars())


class _Visit:
    """How a driver's visit goes. What the desk refuses ends it: a full lot, a faster hand."""

    def __init__(
        self,
        desk: Desk,
        layout: Layout,
        source: random.Random,
        persistence: Persistence,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._layout = layout
        self._source = source
        self._until_done = persistence.until_done
        self._sleep = sleep

    async def begin(self, driver: Driver, visits: asyncio.TaskGroup) -> None:
        """Books a slot; the rest of the visit happens in ``visits``."""
        anywhere = ReserveRequest(
            driver.plate,
            lot=self._layout.lot.code,
            wish=driver.wish,
            source=SOURCE,
            arrived=driver.way_s is None,
        )
        there = chosen_slot(driver, self._layout)
        try:
            try:
                reserved = await self._reserve(replace(anywhere, slot=there))
            except Problem as problem:
                if problem.type != "slot-taken":
                    raise
                reserved = await self._reserve(anywhere)
        except Problem as problem:
            log.info("simulation.turned_away", type=problem.type)
            return
        visits.create_task(self._stay(driver, reserved.slot, reserved.reservation))

    async def _reserve(self, request: ReserveRequest) -> Reserved:
        # Where the answer was lost, the booking may stand: under its key, the next try finds it.
        key = uuid.uuid4().hex
        once = replace(request, idempotency=IdempotencyKey(SOURCE, key, key))
        return await self._until_done(lambda: reserve(self._desk, once))

    async def go_on(self, reservation: str) -> None:
        """Ends a visit that an earlier simulation began. Part of the stay is over already."""
        await self._sleep(stay_s(self._source) * self._source.random())
        await self._leave(reservation)

    async def _stay(self, driver: Driver, slot: str, reservation: str) -> None:
        if driver.way_s is not None:
            await self._sleep(driver.way_s)
            await self._arrive(slot, reservation)
        await self._sleep(driver.stay_s)
        await self._leave(reservation)

    async def _arrive(self, slot: str, reservation: str) -> None:
        async def work() -> None:
            async with self._desk.database.look() as connection:
                row = await records.slot_by(connection, identifier=slot)
            if row is not None and row.reservation_id == reservation:
                await check_in(self._desk, row.slot_id, row.version)

        with contextlib.suppress(Problem):
            await self._until_done(work)

    async def _leave(self, reservation: str) -> None:
        # Somebody at the desk may have released it already.
        with contextlib.suppress(Problem):
            await self._until_done(lambda: release(self._desk, reservation))
