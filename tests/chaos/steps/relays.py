"""Trials of the relay: a change that nobody could tell Redis, and whoever relays it fails in the middle."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.db import Database
from app.live.feed import Feed
from tests.chaos.steps import victims
from tests.chaos.steps.campaign import AGREES_WITHIN_S
from tests.chaos.steps.ground import Ground, Office, opened_office
from tests.chaos.steps.striking import struck_by
from tests.chaos.steps.trials import Tried
from tests.chaos.steps.trying import work
from tests.chaos.steps.viewers import shown_differences, watched
from tests.chaos.truth import outbox_rows, read_slots, redis_differences
from tests.chaos.waiting import TooLate, until_none

_RESTS_S = 0.05


async def try_relays(
    ground: Ground,
    folder: Path,
    database: Database,
    redis: Redis,
    lot_id: int,
    lot: str,
    trials: Sequence[Tried],
) -> None:
    """One after the other in one lot, where no other change waits. It has two slots for each trial."""
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(opened_office(ground, database))
        gone = await stack.enter_async_context(opened_office(ground, database))
        gone.ways.redis.is_dead = True
        feeds = await stack.enter_async_context(watched(database, ground.settings.redis_url, [lot_id]))
        relays = _Relays(ground, folder, database, redis, lot_id, lot, office, gone, feeds[lot_id])
        for number, trial in enumerate(trials):
            await relays.try_one(number, trial)


@dataclass(frozen=True)
class _Relays:
    """At the ``office`` a relay fails, and the next one does not; who is ``gone`` can't reach Redis."""

    ground: Ground
    folder: Path
    database: Database
    redis: Redis
    lot_id: int
    lot: str
    office: Office
    gone: Office
    feed: Feed

    async def try_one(self, number: int, trial: Tried) -> None:
        await self._leave_behind(f"ONE {number}")
        if trial.cell.fault.kills:
            await victims.died(self.folder / f"relay-{number}.log", self.ground, trial.cell, 0, "")
            trial.wrong += await self._at_death(trial)
        else:
            await self._disturb(number, trial)
        try:
            await until_none(lambda: self._relay(trial), AGREES_WITHIN_S, "another one relays it")
        except TooLate as late:
            trial.wrong.append(str(late))

    async def _leave_behind(self, entity: str) -> None:
        """A change that Redis has not heard of."""
        async with self.gone.desk() as desk:
            await reserve(desk, ReserveRequest(entity, lot=self.lot))

    async def _disturb(self, number: int, trial: Tried) -> None:
        """In this relay; or, where nothing is left of it to be disturbed, in the next one."""
        with struck_by(trial.cell, self.office.ways) as fault:
            async with self.office.desk() as desk:
                await work(trial.cell.protocol, desk)
                if not fault.struck:
                    # By somebody else, who is not to be disturbed.
                    await asyncio.create_task(self._leave_behind(f"TWO {number}"), context=Context())
                    await work(trial.cell.protocol, desk)
            if not fault.struck:
                trial.wrong.append("the fault never struck")

    async def _at_death(self, trial: Tried) -> list[str]:
        """The row is there until the commit; Redis knows from the apply on."""
        protocol, step, fault = trial.cell.protocol, trial.cell.step, trial.cell.fault
        rows = await outbox_rows(self.database)
        differences = await redis_differences(
            self.redis, self.lot_id, await read_slots(self.database, self.lot_id)
        )
        found = []
        if rows != int(not protocol.is_done(protocol.committed_at, step, fault)):
            found.append(f"at its death {rows} rows were in the outbox")
        if bool(differences) is protocol.is_done(protocol.told_at, step, fault):
            found.append(f"at its death Redis lacked {differences}")
        return found

    async def _relay(self, trial: Tried) -> list[str]:
        """What is wrong after another one has had its turn."""
        async with self.office.desk() as desk:
            await work(trial.cell.protocol, desk)
        rows = await outbox_rows(self.database)
        slots = await read_slots(self.database, self.lot_id)
        found = [
            *([f"{rows} rows in the outbox"] if rows else []),
            *await redis_differences(self.redis, self.lot_id, slots),
            *shown_differences(self.feed, slots),
        ]
        if found:
            await asyncio.sleep(_RESTS_S)
        return found
