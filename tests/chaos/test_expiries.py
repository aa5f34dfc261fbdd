"""Workers that are killed while they end what is due; and workers that end what they should not."""

import random
from pathlib import Path

from tests.chaos.deployment import Shape
from tests.chaos.expiries import SMALL, WORKERS, end_what_is_due
from tests.chaos.sabotage import end_whatever_is_there
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town


async def test_several_workers_that_are_killed_end_each_booking_and_hold_once_and_nothing_else(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed = f"{random.randrange(2**32)}"
    print(f"seed {seed}")
    async with (
        site.base(kind, tmp_path) as base,
        opened_town(base, tmp_path, Shape(webs=1, enders=WORKERS), SMALL.slots, 0) as town,
    ):
        ended = await end_what_is_due(town, SMALL, seed)
    print(f"{ended.due} ended in {ended.took_s:.1f} s, {ended.kills} kills, {ended.rebooked} booked again")
    assert [str(one) for one in ended.found] == []
    assert ended.kills > 0
    assert ended.rebooked > 0


async def test_a_worker_that_ends_whatever_stands_there_is_caught(site: Site, tmp_path: Path) -> None:
    shape = Shape(webs=1, enders=WORKERS, end=end_whatever_is_there)
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        opened_town(base, tmp_path, shape, SMALL.slots, 0) as town,
    ):
        ended = await end_what_is_due(town, SMALL, "broken")
    assert "lost booking" in {one.kind for one in ended.found}
