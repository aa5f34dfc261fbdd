"""Cells of the protocols of bookings, tried over one SQL and one Redis: each in a lot of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.chaos.history import Answer, Asked, Operation, Outcome
from tests.chaos.steps import victims
from tests.chaos.steps.bench import Bench
from tests.chaos.steps.boundary import listening
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.ground import Office, opened_office
from tests.chaos.steps.requests import Case, Told, ask, ask_next
from tests.chaos.steps.striking import Cell
from tests.chaos.steps.table import CHECK_IN, Protocol, functions
from tests.chaos.steps.trying import ASKED, BEFORE, NEXT, Attempt, attempt, try_booking
from tests.chaos.steps.watched import watching
from tests.chaos.truth import Truth, read_truth, redis_differences

VICTIMS_AT_ONCE, OFFICES = 2, 6
AGREES_WITHIN_S = 2.0
_AGAIN_AFTER_S = 0.05
_TIMES = 200
_DIED = Told(Answer(Outcome.UNKNOWN, "died"))


@dataclass
class Trial:
    """One cell, with all that was asked and told in its lot, and what was found to be wrong.

    ``at_death``: what SQL had then, and whether Redis had it as well.
    """

    cell: Cell
    case: Case
    attempts: list[Attempt] = field(default_factory=list)
    without_key: Told | None = None
    at_death: tuple[Truth, bool] | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def lot_id(self) -> int:
        return self.case.number + 1

    def told(self, which: str) -> list[Told]:
        """In the order in which it was."""
        return [one.told for one in self.attempts if one.which == which]

    @property
    def operations(self) -> list[Operation]:
        """What the checker is to know; of check-ins it knows nothing."""
        asked: dict[str, Asked] = {BEFORE: self.case.before, NEXT: self.case.next}
        if self.cell.protocol is not CHECK_IN:
            asked[ASKED] = self.case.asked(self.told(BEFORE)[0])
        return [
            Operation(asked[one.which], one.called_s, one.answered_s, one.told.answer)
            for one in self.attempts
            if one.which in asked
        ]


def cells(protocols: Iterable[Protocol]) -> list[Cell]:
    """All of them. To die after a step that leaves nothing is to die before the next one."""
    return [
        Cell(protocol, step, fault)
        for protocol in protocols
        for step in protocol.steps
        for fault in Fault
        if step.leaves or fault is not Fault.KILLED_AFTER
    ]


def trials(of: Iterable[Cell]) -> list[Trial]:
    """One for each cell, with lots numbered from 0."""
    return [Trial(cell, Case(cell.protocol, number)) for number, cell in enumerate(of)]


class Trials:
    """Tries cells at a bench. ``broken`` names what is wrong with the victims."""

    def __init__(self, bench: Bench, broken: str = "") -> None:
        self._bench = bench
        self._desk = bench.desk
        self._broken = broken
        self._checks: list[asyncio.Task[None]] = []

    async def try_all(self, of: Sequence[Trial]) -> None:
        """Each meets its fault; then its request is sent again, to the other desk, until the answer is known."""
        killed = iter([trial for trial in of if trial.cell.fault.kills])
        others = [trial for trial in of if not trial.cell.fault.kills]
        rest = iter(others)
        async with AsyncExitStack() as stack:
            offices = [
                await stack.enter_async_context(opened_office(self._bench.ground, self._desk.database))
                for _ in range(min(OFFICES, len(others)))
            ]
            with watching(functions()), listening():
                await asyncio.gather(
                    *(self._kill(killed) for _ in range(VICTIMS_AT_ONCE)),
                    *(self._disturb(rest, office) for office in offices),
                )
        await asyncio.gather(*self._checks)

    async def _kill(self, queue: Iterator[Trial]) -> None:
        for trial in queue:
            called_s = time.monotonic()
            log = self._bench.folder / f"victim-{trial.case.number}.log"
            trial.attempts += await victims.died(
                log, self._bench.ground, trial.cell, trial.case.number, self._broken
            )
            if not trial.told(ASKED):
                trial.attempts.append(Attempt(ASKED, called_s, time.monotonic(), _DIED))
            truth = await read_truth(self._desk.database, trial.lot_id)
            differences = await redis_differences(self._bench.redis, trial.lot_id, truth.slots)
            trial.at_death = truth, not differences
            await self._settle(trial)

    async def _disturb(self, queue: Iterator[Trial], office: Office) -> None:
        for trial in queue:
            if not await try_booking(office, trial.cell, trial.case, trial.attempts.append):
                trial.wrong.append("the fault never struck")
            await self._settle(trial)

    async def _settle(self, trial: Trial) -> None:
        before = trial.told(BEFORE)[0]
        await self._until_known(trial, ASKED, lambda: ask(self._desk, trial.case, before))
        if trial.told(NEXT):
            await self._until_known(trial, NEXT, lambda: ask_next(self._desk, trial.case))
        trial.without_key = await ask(self._desk, trial.case, before, with_key=False)
        self._checks.append(asyncio.create_task(self._agrees(trial)))

    async def _agrees(self, trial: Trial) -> None:
        """All runs again: a moment later Redis and the viewers have what SQL has."""
        await asyncio.sleep(AGREES_WITHIN_S)
        trial.wrong += await self._bench.differences(trial.lot_id)

    @staticmethod
    async def _until_known(trial: Trial, which: str, again: Callable[[], Awaitable[Told]]) -> None:
        for _ in range(_TIMES):
            told = await attempt(which, again(), trial.attempts.append)
            if told.answer.outcome is not Outcome.UNKNOWN:
                return
            await asyncio.sleep(_AGAIN_AFTER_S)
        trial.wrong.append(f"{which}: never answered, but {told}")
