"""Trials of the rebuild: Redis was emptied, and whoever builds it anew fails in the middle.

Many go on side by side over one SQL, each in a database of Redis of its own: whoever dies keeps others from
the lot for a second.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from redis.asyncio import Redis

from app.core.db import Database
from app.core.redis import connect
from app.slots.status import BUILT_KEY
from tests.chaos.steps import victims
from tests.chaos.steps.campaign import AGREES_WITHIN_S
from tests.chaos.steps.ground import Ground, Office, opened_office
from tests.chaos.steps.striking import struck_by
from tests.chaos.steps.trials import Tried
from tests.chaos.steps.trying import work
from tests.chaos.steps.viewers import seen_first
from tests.chaos.truth import TrueSlot, read_slots, redis_differences, screen_differences
from tests.chaos.waiting import TooLate, until_none

# Redis has sixteen databases.
DATABASES = range(4, 16)
_RESTS_S = 0.25
_TIMES = 3
_EPOCH_KEY = "lotline:epoch"


async def try_rebuilds(
    ground: Ground, folder: Path, database: Database, lots: Sequence[int], trials: Sequence[Tried]
) -> None:
    """Lots are not booked in meanwhile."""
    truth = {lot_id: await read_slots(database, lot_id) for lot_id in lots}
    queue = iter(enumerate(trials))
    await asyncio.gather(
        *(
            _try_in_turn(replace(ground, redis_db=number), folder, database, truth, queue)
            for number in DATABASES
        )
    )


async def _try_in_turn(
    ground: Ground,
    folder: Path,
    database: Database,
    truth: "Truth",
    queue: Iterator[tuple[int, Tried]],
) -> None:
    redis = connect(ground.settings.redis_url)
    try:
        async with opened_office(ground, database) as office:
            rebuilds = _Rebuilds(ground, folder, database, redis, office, truth)
            for number, trial in queue:
                await rebuilds.try_one(number, trial)
    finally:
        await redis.aclose()


Truth = Mapping[int, Sequence[TrueSlot]]


@dataclass(frozen=True)
class _Rebuilds:
    """At the ``office`` a rebuild fails, and the next one does not."""

    ground: Ground
    folder: Path
    database: Database
    redis: Redis
    office: Office
    truth: Truth

    async def try_one(self, number: int, trial: Tried) -> None:
        await self.redis.flushdb()
        if trial.cell.fault.kills:
            await victims.died(self.folder / f"rebuild-{number}.log", self.ground, trial.cell, 0, "")
            trial.wrong += await self._at_death(trial)
        else:
            await self._disturb(trial)
        try:
            await until_none(lambda: self._build(trial), AGREES_WITHIN_S, "another one builds it")
        except TooLate as late:
            trial.wrong.append(str(late))

    async def _disturb(self, trial: Tried) -> None:
        """In this rebuild; or, where nothing is left of it to be disturbed, in one of the next ones."""
        with struck_by(trial.cell, self.office.ways) as fault:
            async with self.office.desk() as desk:
                for _ in range(_TIMES):
                    if not fault.struck:
                        await work(trial.cell.protocol, desk)
            if not fault.struck:
                trial.wrong.append("the fault never struck")

    async def _at_death(self, trial: Tried) -> list[str]:
        """What is said to be built is as SQL has it; what is not is unknown."""
        epoch = await self.redis.get(_EPOCH_KEY)
        found, built = [], 0
        for lot_id, slots in self.truth.items():
            if epoch and await self.redis.hget(f"lot:{{{lot_id}}}:meta", "built") == epoch:
                built += 1
                found += await redis_differences(self.redis, lot_id, slots)
        if built != self._built_by(trial):
            found.append(f"at its death {built} lots were built")
        return found

    def _built_by(self, trial: Tried) -> int:
        """How many lots a rebuild had built when it died."""
        protocol, step = trial.cell.protocol, trial.cell.step
        if step == protocol.steps[-1]:
            return len(self.truth)
        return int(protocol.is_done("finish the lot", step, trial.cell.fault))

    async def _build(self, trial: Tried) -> list[str]:
        """What is wrong after another one has had its turn."""
        async with self.office.desk() as desk:
            await work(trial.cell.protocol, desk)
        epoch, built = await self.redis.get(_EPOCH_KEY), await self.redis.get(BUILT_KEY)
        found = [] if epoch is not None and epoch == built else [f"{epoch!r} began, {built!r} is built"]
        for lot_id, slots in self.truth.items():
            found += await redis_differences(self.redis, lot_id, slots)
            if not found:
                shown = await seen_first(self.database, self.ground.settings.redis_url, lot_id)
                found += screen_differences(shown, slots)
        if found:
            await asyncio.sleep(_RESTS_S)
        return found
