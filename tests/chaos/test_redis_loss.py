"""Redis is emptied, killed, or comes back with an older second, at a steady pace of requests."""

import random
from pathlib import Path

from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.redis_loss import FAULTS, Pace, lose_redis
from tests.chaos.region import opened_region
from tests.chaos.site import Kind, Site

LOTS, LOT_SLOTS, WATCHED, BUSY = 20, 50, 4, 8
PACE = Pace(per_s=100.0, calm_s=1.0, within_s=5.0, gives_up_after_s=20.0)


async def test_whatever_redis_loses_no_answer_fails_and_viewers_see_the_truth_within_five_seconds(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with (
        site.base(kind, tmp_path) as base,
        opened_region(base, tmp_path, Shape(webs=kind.webs), LOTS, LOT_SLOTS, WATCHED, BUSY) as region,
    ):
        lost = await lose_redis(region, history, seed, PACE)
    print(f"{history.tally()}; whole after {lost.whole_after_s}")
    assert [str(violation) for violation in lost.found] == []
    assert {*lost.whole_after_s} == {*FAULTS}
    assert history.count(Action.RESERVE, Outcome.OK) > 100
