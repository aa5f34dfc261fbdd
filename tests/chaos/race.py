"""The race: clients who take and give back the slots of one lot that is full again and again."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from tests.chaos.checker import Violation
from tests.chaos.drivers import IN_FLIGHT, Habits
from tests.chaos.history import History, Outcome
from tests.chaos.town import Town

CLIENTS, SLOTS, PREMIUM_SLOTS = 64, 200, 20
HABITS = Habits(most_held=6, arrives=0.75, pause_s=0.01)
SETTLES_WITHIN_S = 10.0


@dataclass(frozen=True)
class Raced:
    """What came of a race. ``settled_s``: from the last answer until Redis and the viewers equalled SQL."""

    found: list[Violation]
    took_s: float
    settled_s: float


async def race(town: Town, history: History, seed: str, operations: int, seconds: float) -> Raced:
    """Races for so many operations or seconds, then waits until all agree, and checks everything."""
    traffic = town.traffic(history, seed, CLIENTS, HABITS)
    began_s = monotonic()
    await traffic.run(operations, seconds)
    took_s = monotonic() - began_s
    settled_s = await town.converged(SETTLES_WITHIN_S)
    found = [*await town.violations(history), *_unserved(history)]
    return Raced(found, took_s, settled_s)


def _unserved(history: History) -> Iterable[Violation]:
    """Nothing is away in a race, so everybody is served, or told that the same request is under way."""
    for one in history.operations:
        if one.answer.outcome is Outcome.UNKNOWN and one.answer.refusal != IN_FLIGHT:
            yield Violation("unserved", f"{one.asked.action} of {one.asked.entity}: {one.answer.refusal}")
