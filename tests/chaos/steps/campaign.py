"""Every trial of the protocols of bookings, with all that is asked afterwards."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack

from tests.chaos.history import Answer, Outcome
from tests.chaos.site import Kind
from tests.chaos.steps import victims
from tests.chaos.steps.bench import Bench
from tests.chaos.steps.boundary import listening
from tests.chaos.steps.ground import Office, opened_office
from tests.chaos.steps.requests import DIED, Told, ask, ask_before, ask_next
from tests.chaos.steps.table import BOOKINGS, functions
from tests.chaos.steps.trials import AtDeath, Trial
from tests.chaos.steps.trying import ASKED, BEFORE, NEXT, Attempt, attempt, try_booking
from tests.chaos.steps.watched import watching
from tests.chaos.truth import read_truth, redis_differences

VICTIMS_AT_ONCE = 2
# SQLite lets one of them write at a time: more would only starve each other.
OFFICES = {Kind.SQLITE: 3, Kind.POSTGRESQL: 6}
AGREES_WITHIN_S = 2.0
_AGAIN_AFTER_S = 0.05
_TIMES = 200
_AT_ONCE = 24


class Campaign:
    """Trials at one bench. ``broken`` names what is wrong with the victims."""

    def __init__(self, bench: Bench, broken: str = "") -> None:
        self._bench = bench
        self._desk = bench.desk
        self._broken = broken

    async def run(self, trials: Sequence[Trial]) -> None:
        """Each meets its fault; then the same is asked at another desk until the answer is known, and once
        more without its key. A moment after that everything has to agree.
        """
        killed = [trial for trial in trials if trial.cell.fault.kills]
        others = [trial for trial in trials if not trial.cell.fault.kills]
        if self._bench.ground.kind is Kind.SQLITE:
            # It lets one process write at a time: the many desks of the one half would starve the worker.
            await self._disturb_all(others)
            await self._kill_all(killed)
        else:
            await asyncio.gather(self._kill_all(killed), self._disturb_all(others))

    async def _kill_all(self, trials: Sequence[Trial]) -> None:
        queue, checks = iter(trials), []

        async def kill() -> None:
            for trial in queue:
                await self._kill(trial)
                await self._settle(trial)
                checks.append(asyncio.create_task(self._agree_soon(trial)))

        await asyncio.gather(*(kill() for _ in range(VICTIMS_AT_ONCE)))
        await asyncio.gather(*checks)

    async def _disturb_all(self, trials: Sequence[Trial]) -> None:
        await in_turn(trials, self._book_before)
        async with AsyncExitStack() as stack:
            offices = [
                await stack.enter_async_context(opened_office(self._bench.ground, self._desk.database))
                for _ in range(min(OFFICES[self._bench.ground.kind], len(trials)))
            ]
            queue = iter(trials)
            with watching(functions(BOOKINGS)), listening():
                await asyncio.gather(*(self._disturb(queue, office) for office in offices))
        await in_turn(trials, self._settle)
        await asyncio.sleep(AGREES_WITHIN_S)
        await in_turn(trials, self._agree)

    async def _book_before(self, trial: Trial) -> None:
        await attempt(BEFORE, ask_before(self._desk, trial.case), trial.attempts.append)

    async def _disturb(self, queue: Iterator[Trial], office: Office) -> None:
        for trial in queue:
            before = trial.told(BEFORE)[0]
            if not await try_booking(office, trial.cell, trial.case, before, trial.attempts.append):
                trial.wrong.append("the fault never struck")

    async def _kill(self, trial: Trial) -> None:
        bench, number, called_s = self._bench, trial.case.number, time.monotonic()
        log = bench.folder / f"victim-{number}.log"
        trial.attempts += await victims.died(log, bench.ground, trial.cell, number, self._broken)
        if not trial.told(ASKED):
            dead = Told(Answer(Outcome.UNKNOWN, DIED))
            trial.attempts.append(Attempt(ASKED, called_s, time.monotonic(), dead))
        truth = await read_truth(self._desk.database, trial.lot_id)
        # In this order: what is in the outbox no longer is in Redis by now.
        is_noted = await bench.is_in_outbox(trial.lot_id)
        differences = await redis_differences(bench.redis, trial.lot_id, truth.slots)
        trial.at_death = AtDeath(truth, is_noted, tuple(differences))

    async def _settle(self, trial: Trial) -> None:
        before = trial.told(BEFORE)[0]
        await self._until_known(trial, ASKED, lambda: ask(self._desk, trial.case, before))
        if trial.told(NEXT):
            await self._until_known(trial, NEXT, lambda: ask_next(self._desk, trial.case))
        trial.without_key = await self._known(lambda: ask(self._desk, trial.case, before, with_key=False))

    @staticmethod
    async def _known(again: Callable[[], Awaitable[Told]]) -> Told:
        """Asked as often as a client would that is told to come back."""
        for _ in range(_TIMES):
            told = await again()
            if told.answer.outcome is not Outcome.UNKNOWN:
                break
            await asyncio.sleep(_AGAIN_AFTER_S)
        return told

    async def _until_known(self, trial: Trial, which: str, again: Callable[[], Awaitable[Told]]) -> None:
        told = await self._known(lambda: attempt(which, again(), trial.attempts.append))
        if told.answer.outcome is Outcome.UNKNOWN:
            trial.wrong.append(f"{which}: never answered, but {told}")

    async def _agree_soon(self, trial: Trial) -> None:
        await asyncio.sleep(AGREES_WITHIN_S)
        await self._agree(trial)

    async def _agree(self, trial: Trial) -> None:
        trial.wrong += await self._bench.differences(trial.lot_id)


async def in_turn(trials: Iterable[Trial], work: Callable[[Trial], Awaitable[None]]) -> None:
    """Does it for each trial, some at once."""
    queue = iter(trials)

    async def go_on() -> None:
        for trial in queue:
            await work(trial)

    await asyncio.gather(*(go_on() for _ in range(_AT_ONCE)))
