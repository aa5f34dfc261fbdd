"""A process dies exactly between its commit and telling Redis: the relay mends it within two seconds."""

import time
from pathlib import Path

import pytest

from tests.chaos.deployment import Shape
from tests.chaos.drivers import HttpCounter, Wanted
from tests.chaos.history import Outcome
from tests.chaos.sabotage import DIES_BY, serve_until_told_to_die
from tests.chaos.site import Kind, Site
from tests.chaos.town import LOT, opened_town
from tests.chaos.truth import read_slots, read_truth, redis_differences, screen_differences

SLOTS, PREMIUM_SLOTS = 10, 1
MENDED_WITHIN_S = 2.0


@pytest.mark.parametrize("step", ["reserve", "unreserve"])
async def test_what_was_committed_and_never_applied_is_shown_within_two_seconds(
    site: Site, kind: Kind, tmp_path: Path, step: str
) -> None:
    shape = Shape(serve=serve_until_told_to_die)
    async with (
        site.base(kind, tmp_path) as base,
        opened_town(base, tmp_path, shape, SLOTS, PREMIUM_SLOTS) as town,
    ):
        counter, web = HttpCounter(town.wires[0]), town.deployment["web-1"]
        booked = await counter.reserve(Wanted("A 1", "first", LOT))
        await town.converged(MENDED_WITHIN_S)
        before = await read_truth(town.desk.database, town.lot_id)

        async def ask() -> Outcome:
            if step == "reserve":
                return (await counter.reserve(Wanted("B 2", "second", LOT))).outcome
            return (await counter.unreserve("A 1", booked.slot, "second")).outcome

        (tmp_path / DIES_BY).touch()
        assert await ask() is Outcome.UNKNOWN
        died_s = time.monotonic()
        web.wait()
        slots = await read_slots(town.desk.database, town.lot_id)
        assert slots != before.slots, "it was committed"
        assert await redis_differences(town.redis, town.lot_id, slots) != []
        assert screen_differences(town.screens[0].shown, slots) != []
        (tmp_path / DIES_BY).unlink()
        await town.deployment.ready()
        await town.converged(MENDED_WITHIN_S)
        took_s = time.monotonic() - died_s
        assert await ask() is Outcome.OK
        after = await read_truth(town.desk.database, town.lot_id)
    print(f"mended after {took_s:.2f} s")
    assert took_s < MENDED_WITHIN_S
    assert after.slots == slots, "the same key did it once"
