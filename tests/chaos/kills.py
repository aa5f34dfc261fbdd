"""``kill -9`` at random moments, of whatever there is, while drivers come and go."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic

from tests.chaos.checker import Violation
from tests.chaos.drivers import Habits
from tests.chaos.history import History
from tests.chaos.leaks import leaked
from tests.chaos.town import Town

CLIENTS, SLOTS, PREMIUM_SLOTS = 24, 50, 5
HABITS = Habits(most_held=4, arrives=0.65, pause_s=0.05)
KILLS_PER_ROUND = 10
MEAN_PAUSE_S = 0.3
CONVERGES_WITHIN_S = 2.0
# A measurement that failed is one violation; the rest of the run still tells whether anything was lost.
_GIVES_UP_AFTER_S = 30.0


@dataclass
class Killed:
    """What came of it. ``slowest_s``: the longest that it took, from the moment when every part was ready,
    until no request was under way and Redis, the viewers and SQL agreed, with an empty outbox.
    """

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    slowest_s: float = 0.0
    found: list[Violation] = field(default_factory=list)


async def kill_again_and_again(town: Town, history: History, seed: str, seconds: float) -> Killed:
    """Rounds of kills for so many seconds, and until each part was killed; then checks everything."""
    source = random.Random(seed)
    traffic, killed = town.traffic(history, seed, CLIENTS, HABITS), Killed()
    until_s = monotonic() + seconds
    while monotonic() < until_s or {*killed.kills} != {*town.deployment.processes}:
        traffic.go()
        for _ in range(KILLS_PER_ROUND):
            await asyncio.sleep(source.uniform(0, 2 * MEAN_PAUSE_S))
            _kill_one(town, source, killed)
        await town.deployment.ready()
        ready_s = monotonic()
        await traffic.halt()
        killed.rounds += 1
        await _converge(town, killed, ready_s)
    await traffic.end()
    await _converge(town, killed, monotonic())
    killed.found += await town.violations(history)
    killed.found += await leaked(town, _GIVES_UP_AFTER_S)
    return killed


def _kill_one(town: Town, source: random.Random, killed: Killed) -> None:
    name = source.choice([*town.deployment.processes])
    process = town.deployment[name]
    if process.is_running:
        process.kill()
        killed.kills[name] += 1
    process.start()


async def _converge(town: Town, killed: Killed, since_s: float) -> None:
    await town.converged(_GIVES_UP_AFTER_S)
    took_s = monotonic() - since_s
    killed.slowest_s = max(killed.slowest_s, took_s)
    if took_s > CONVERGES_WITHIN_S:
        killed.found.append(Violation("slow to converge", f"{took_s:.2f} s in round {killed.rounds}"))
