"""Redis is away for seconds, frozen or dead: SQL gives out the slots, and everything mends by itself."""

import asyncio
import time

import pytest

from tests.chaos.history import Action, Operation, Outcome
from tests.chaos.town import Town, load

BEFORE, AFTER = 100, 150
AWAY_S = 3.0


def answered_between(operations: list[Operation], first_s: float, last_s: float) -> list[Operation]:
    return [one for one in operations if first_s <= one.answered_s <= last_s]


@pytest.mark.parametrize("fault", ["frozen", "dead"])
async def test_without_redis_bookings_go_on_by_sql_and_it_comes_back_by_itself(
    here: Town, fault: str
) -> None:
    redis = here.deployment.redis
    async with load(here):
        await here.history.reaches(BEFORE)
        went_s = time.monotonic()
        redis.freeze() if fault == "frozen" else redis.kill()
        await asyncio.sleep(AWAY_S)
        redis.thaw() if fault == "frozen" else here.deployment.start_redis()
        back_s = time.monotonic()
        await here.history.reaches(len(here.history.operations) + AFTER)
    true_after_s = await here.true_again()
    meanwhile = answered_between(here.history.operations, went_s, back_s)
    longest_s = max(one.answered_s - one.called_s for one in here.history.operations)
    print(
        f"{fault} for {back_s - went_s:.1f} s, {len(meanwhile)} answers meanwhile; {here.history.tally()}; "
        f"longest {longest_s:.2f} s; true {true_after_s:.2f} s after the last request"
    )
    await here.assert_nothing_was_lost()
    assert [
        one.answer.refusal for one in here.history.operations if one.answer.outcome is Outcome.UNKNOWN
    ] == []
    booked = [one for one in meanwhile if one.answer.outcome is Outcome.OK]
    assert {one.asked.action for one in booked} == {Action.RESERVE, Action.UNRESERVE}
    # Every process is still in its first life.
    assert here.deployment.web.is_running
    assert here.deployment.worker.is_running
    assert here.screen.connects == 1
