"""The race over deliberately broken variants: each must be caught, or a clean race would prove nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.drivers import Habits
from tests.chaos.history import History
from tests.chaos.race import CLIENTS
from tests.chaos.running import running
from tests.chaos.sabotage import serve_404_from_redis, serve_acknowledging_from_redis, serve_without_guard
from tests.chaos.site import Kind
from tests.chaos.town import Town

SLOTS, PREMIUM_SLOTS = 50, 5
HABITS = Habits(most_held=2, arrives=0.7, pause_s=0.05)
OPERATIONS_PER_ROUND, ROUNDS = 600, 8
EMPTIED_EVERY_S = 0.7


@dataclass(frozen=True)
class Variant:
    """``kinds``: the violations that it must be caught by. ``emptied``: Redis is, again and again."""

    name: str
    serve: Callable[[], None]
    kinds: frozenset[str]
    without_index: bool = False
    emptied: bool = False
    one_web: bool = False

    def webs(self, kind: Kind) -> int:
        """How many web processes it takes."""
        return 1 if self.one_web else kind.webs


VARIANTS = (
    Variant(
        "without guard and index",
        serve_without_guard,
        frozenset({"double booking", "SQL contradicts itself"}),
        without_index=True,
    ),
    Variant(
        "acknowledging from Redis",
        serve_acknowledging_from_redis,
        frozenset({"double booking", "lost booking"}),
        emptied=True,
        # What one process owes to SQL another one does not know.
        one_web=True,
    ),
    Variant("404 from Redis alone", serve_404_from_redis, frozenset({"false all-taken"})),
)


@dataclass(frozen=True)
class Found:
    """The violations by kind; ``caught`` says whether that is all that had to be found."""

    kinds: Counter[str]
    caught: bool


async def race_until_caught(town: Town, history: History, variant: Variant, seed: str) -> Found:
    """Races, a round after another in one history, until the checker has found all that it must."""
    traffic = town.traffic(history, seed, CLIENTS, HABITS)

    async def empty_again_and_again() -> None:
        while variant.emptied:
            await asyncio.sleep(EMPTIED_EVERY_S)
            await town.redis.flushall()

    found: Counter[str] = Counter()
    async with running(empty_again_and_again()):
        for number in range(1, ROUNDS + 1):
            traffic.go()
            await traffic.reaches(OPERATIONS_PER_ROUND * number)
            await traffic.halt()
            found = Counter(violation.kind for violation in await town.violations(history))
            if variant.kinds <= {*found}:
                break
    await traffic.abandon()
    return Found(found, variant.kinds <= {*found})
