"""Trials of the relay and of the rebuild: whoever fails in the middle is followed by another worker.

A relay has a change to tell that nobody could tell Redis. A rebuild begins in a Redis that was emptied; many go
on side by side, each in a database of Redis of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from redis.asyncio import Redis
from sqlalchemy import text

from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.db import Database
from app.core.redis import connect
from app.lifespan import opened_desk
from app.live.feed import Feed
from app.slots.rebuild import rebuild_all
from tests.chaos.steps import table, victims
from tests.chaos.steps.boundary import REFUSING_TABLE, listening
from tests.chaos.steps.campaign import AGREES_WITHIN_S
from tests.chaos.steps.ground import Ground, Office, opened_office
from tests.chaos.steps.table import WORK, functions
from tests.chaos.steps.trials import Tried
from tests.chaos.steps.trying import WORK_MAY_RAISE, try_work, work
from tests.chaos.steps.viewers import shown_differences, watched
from tests.chaos.steps.watched import watching
from tests.chaos.truth import outbox_rows, read_slots, redis_differences
from tests.chaos.waiting import TooLate, until_none
from tests.integration.lots import lot_plan, open_lot

# Redis has sixteen databases; the first one is the bookings'.
FIRST_DB, AT_ONCE = 1, 2
LOTS = {1: "many", 2: "few"}
SLOTS = {"many": 60, "few": 3}


async def try_work_of_all(ground: Ground, folder: Path, trials: Sequence[Tried]) -> None:
    """Tries all of them over an empty SQL."""
    async with opened_desk(ground.settings) as (desk, _):
        async with desk.database.unit_of_work() as connection:
            await connection.execute(text(REFUSING_TABLE))
        await rebuild_all(desk.database, desk.status)
        for code in LOTS.values():
            await open_lot(desk, lot_plan(code, slots=SLOTS[code]))
        await reserve(desk, ReserveRequest("FIRST", lot="few"))
        rebuilds = iter([trial for trial in trials if trial.cell.protocol is table.REBUILD])
        relays = iter([trial for trial in trials if trial.cell.protocol is table.RELAY])
        with watching(functions(WORK)), listening():
            await asyncio.gather(
                *(
                    _try_in_turn(ground, folder, desk.database, FIRST_DB + one, rebuilds)
                    for one in range(AT_ONCE)
                )
            )
            await _try_in_turn(ground, folder, desk.database, FIRST_DB, relays)


async def _try_in_turn(
    ground: Ground, folder: Path, database: Database, redis_db: int, queue: Iterator[Tried]
) -> None:
    async with _opened_shop(replace(ground, redis_db=redis_db), folder, database) as shop:
        for trial in queue:
            await shop.try_one(trial)


@dataclass(frozen=True)
class _Shop:
    """``office`` is where a worker fails, and where the next one does not; ``redis`` is never disturbed."""

    ground: Ground
    folder: Path
    database: Database
    office: Office
    redis: Redis
    feeds: dict[int, Feed]

    async def try_one(self, trial: Tried) -> None:
        if trial.cell.protocol is table.REBUILD:
            await self.redis.flushdb()
        else:
            await self._leave_behind(trial)
        if trial.cell.fault.kills:
            log = self.folder / f"worker-{self.ground.redis_db}-{hash(trial.cell)}.log"
            await victims.died(log, self.ground, trial.cell, 0, "")
            trial.wrong += await self._at_death(trial)
        elif not await try_work(self.office, trial.cell):
            trial.wrong.append("the fault never struck")
        try:
            await until_none(lambda: self._go_on(trial), AGREES_WITHIN_S, "another worker mends it")
        except TooLate as late:
            trial.wrong.append(str(late))

    async def _leave_behind(self, trial: Tried) -> None:
        """A change that Redis has not heard of."""
        self.office.ways.redis.is_dead = True
        async with self.office.desk() as desk:
            await reserve(desk, ReserveRequest(f"{trial.cell}"[:60], lot="many"))
        self.office.ways.redis.is_dead = False

    async def _at_death(self, trial: Tried) -> list[str]:
        """What is said to be built is as SQL has it; what is not is unknown."""
        if trial.cell.protocol is table.RELAY:
            return []
        epoch = await self.redis.get("lotline:epoch")
        found, built = [], 0
        for lot_id in LOTS:
            if epoch is None or await self.redis.hget(f"lot:{{{lot_id}}}:meta", "built") != epoch:
                continue
            built += 1
            slots = await read_slots(self.database, lot_id)
            found += await redis_differences(self.redis, lot_id, slots)
        if built != (expected := _built_by(trial)):
            found.append(f"at its death {built} lots were built, not {expected}")
        return found

    async def _go_on(self, trial: Tried) -> list[str]:
        """What is left after another worker has had its turn."""
        async with self.office.desk() as desk:
            with suppress(*WORK_MAY_RAISE):
                await work(trial.cell.protocol, desk)
            found = [] if await desk.status.is_built() else ["not all is built"]
        if rows := await outbox_rows(self.database):
            found.append(f"{rows} rows in the outbox")
        for lot_id, feed in self.feeds.items():
            slots = await read_slots(self.database, lot_id)
            found += await redis_differences(self.redis, lot_id, slots)
            found += shown_differences(feed, slots)
        return found


def _built_by(trial: Tried) -> int:
    """How many lots were built where a rebuild was killed."""
    cell, protocol = trial.cell, trial.cell.protocol
    if cell.step.name == protocol.steps[-1].name:
        return len(LOTS)
    return int(protocol.is_done("finish the lot", cell.step, cell.fault))


@asynccontextmanager
async def _opened_shop(ground: Ground, folder: Path, database: Database) -> AsyncIterator[_Shop]:
    redis = connect(ground.settings.redis_url)
    try:
        async with opened_office(ground, database) as office:
            async with office.desk() as desk:
                await rebuild_all(office.database, desk.status)
            async with watched(database, ground.settings.redis_url, LOTS) as feeds:
                yield _Shop(ground, folder, database, office, redis, feeds)
    finally:
        await redis.aclose()
