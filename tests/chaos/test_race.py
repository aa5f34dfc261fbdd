"""64 clients race for one lot of 200 slots, over HTTP: no slot ever has two owners, and no 404 is false."""

import random
from pathlib import Path

from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.race import PREMIUM_SLOTS, SLOTS, race
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town

OPERATIONS, SECONDS = 3_000, 45


async def test_64_clients_race_for_200_slots_and_no_slot_ever_has_two_owners(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with (
        site.base(kind, tmp_path) as base,
        opened_town(base, tmp_path, Shape(webs=kind.webs), SLOTS, PREMIUM_SLOTS) as town,
    ):
        raced = await race(town, history, seed, OPERATIONS, SECONDS)
        frames = min(screen.frames for screen in town.screens)
    print(f"{history.tally()} in {raced.took_s:.1f} s; settled after {raced.settled_s:.2f} s")
    assert [str(violation) for violation in raced.found] == []
    # The race was one: many were served, the lot was full, named slots were lost, keys were repeated.
    assert history.count(Action.RESERVE, Outcome.OK) > 200
    assert history.count(Action.UNRESERVE, Outcome.OK) > 100
    assert history.count(Action.RESERVE, Outcome.REFUSED, "all-taken") > 0.2 * len(history.operations)
    assert history.count(Action.RESERVE, Outcome.REFUSED, "slot-taken") > 50
    assert history.count(Action.RESERVE, Outcome.REFUSED, "entity-has-reservation") > 5
    # The viewers were told of changes as they happened, not every two seconds.
    assert frames > raced.took_s
