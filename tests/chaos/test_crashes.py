"""``kill -9`` of the web process, the worker or Redis in the middle: afterwards the map equals SQL."""

import time

import pytest

from tests.chaos.town import Town, load

BEFORE, AWAY, AFTER = 150, 40, 200


@pytest.mark.parametrize("victim", ["web", "worker", "redis"])
async def test_after_kill_9_in_the_middle_nothing_is_lost_and_the_map_equals_sql(
    here: Town, victim: str
) -> None:
    epoch = await here.redis.get("lotline:epoch")
    async with load(here):
        await here.history.reaches(BEFORE)
        here.deployment.process(victim).kill()
        killed_s = time.monotonic()
        # Requests go on into the void, or past Redis, before it is started again.
        await here.history.reaches(len(here.history.operations) + AWAY)
        started_s = await here.deployment.start_again(victim)
        away_s = time.monotonic() - killed_s
        await here.history.reaches(len(here.history.operations) + AFTER)
    true_after_s = await here.true_again()
    print(
        f"{victim} away {away_s:.1f} s, of it {started_s:.1f} s to start; {here.history.tally()}; "
        f"true {true_after_s:.2f} s after the last request; the viewer connected {here.screen.connects} times"
    )
    await here.assert_nothing_was_lost()
    assert here.deployment.web.is_running
    assert here.deployment.worker.is_running
    assert (await here.redis.get("lotline:epoch") != epoch) == (victim == "redis")
    assert (here.screen.connects > 1) == (victim == "web")
