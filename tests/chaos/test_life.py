"""All of a booking's life at once, over a Redis Cluster; and the same, where something is wrong."""

import random
from pathlib import Path

import pytest

from tests.chaos import life
from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.life import SMALL, VARIANTS, Variant
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town

OPERATIONS, NO_END_S = 1_000, 60.0


async def test_whatever_people_and_time_do_to_slots_each_has_one_owner_and_nobody_loses_theirs(
    site: Site, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    shape = Shape(webs=2, serve=life.serve_short_holds, end=life.end_short_holds)
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        life.opened_on_cluster(base, tmp_path, shape, SMALL) as town,
    ):
        lived = await life.live(town, history, seed, SMALL, OPERATIONS, NO_END_S)
    print(f"{history.tally()}; {lived.did}")
    assert [str(violation) for violation in lived.found] == []
    assert history.count(Action.RESERVE, Outcome.REFUSED, "all-taken") > 0
    for what in ("ended: no-show", "held", "confirmed", "did not answer", "check_in", "open"):
        assert lived.did[what] > 0, what


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
async def test_a_life_that_goes_wrong_is_caught(site: Site, tmp_path: Path, variant: Variant) -> None:
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        opened_town(
            base,
            tmp_path,
            Shape(webs=1, serve=variant.serve, end=variant.end),
            SMALL.slots,
            SMALL.premium,
        ) as town,
    ):
        lived = await life.live(town, History(), "broken", SMALL, OPERATIONS, NO_END_S)
    assert variant.kinds <= {violation.kind for violation in lived.found}
