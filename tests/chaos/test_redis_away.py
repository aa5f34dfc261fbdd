"""Redis is away for seconds, frozen or dead: SQL gives out the slots, and everything mends by itself."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Operation, Outcome
from tests.chaos.kills import CLIENTS, HABITS, PREMIUM_SLOTS, SLOTS
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town

AWAY_S = 3.0
OPERATIONS_BEFORE, OPERATIONS_AFTER = 100, 150
TRUE_AGAIN_WITHIN_S = 8.0


def answered_between(operations: list[Operation], first_s: float, last_s: float) -> list[Operation]:
    return [one for one in operations if first_s <= one.answered_s <= last_s]


@pytest.mark.parametrize("fault", ["frozen", "dead"])
async def test_without_redis_bookings_go_on_by_sql_and_it_comes_back_by_itself(
    site: Site, kind: Kind, tmp_path: Path, fault: str
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with (
        site.base(kind, tmp_path) as base,
        opened_town(base, tmp_path, Shape(), SLOTS, PREMIUM_SLOTS) as town,
    ):
        traffic, redis = town.traffic(history, seed, CLIENTS, HABITS), town.deployment["redis"]
        operations = history.operations
        traffic.go()
        await traffic.reaches(OPERATIONS_BEFORE)
        went_s = time.monotonic()
        redis.freeze() if fault == "frozen" else redis.kill()
        await asyncio.sleep(AWAY_S)
        redis.thaw() if fault == "frozen" else redis.start()
        back_s = time.monotonic()
        await traffic.reaches(len(operations) + OPERATIONS_AFTER)
        await traffic.end()
        true_after_s = await town.converged(TRUE_AGAIN_WITHIN_S)
        found = await town.violations(history)
        lives = {name: process.lives for name, process in town.deployment.processes.items()}
        connects = town.screens[0].connects
    meanwhile = answered_between(operations, went_s, back_s)
    longest_s = max(one.answered_s - one.called_s for one in operations)
    print(
        f"{fault} for {back_s - went_s:.1f} s, {len(meanwhile)} answers meanwhile; {history.tally()}; "
        f"longest {longest_s:.2f} s; true {true_after_s:.2f} s after the last request"
    )
    assert [str(violation) for violation in found] == []
    unknown = [one.answer.refusal for one in operations if one.answer.outcome is Outcome.UNKNOWN]
    assert {*unknown} <= {"request-in-flight"}
    booked = {one.asked.action for one in meanwhile if one.answer.outcome is Outcome.OK}
    assert booked == {Action.RESERVE, Action.UNRESERVE}
    # Every other process is still in its first life, and the viewer was never cut off.
    assert lives["web-1"] == lives["status"] == lives["bookings"] == 1
    assert connects == 1
