"""``kill -9`` of every part in the middle, again and again: nothing is lost, and all agree soon after."""

import random
from pathlib import Path

from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.kills import PREMIUM_SLOTS, SLOTS, kill_again_and_again
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town

SECONDS = 8


async def test_after_kill_9_of_every_part_nothing_is_lost_and_all_agree_within_two_seconds(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with (
        site.base(kind, tmp_path) as base,
        opened_town(base, tmp_path, Shape(webs=kind.webs), SLOTS, PREMIUM_SLOTS) as town,
    ):
        killed = await kill_again_and_again(town, history, seed, SECONDS)
        connects = town.screens[0].connects
    print(
        f"killed {dict(killed.kills)} in {killed.rounds} rounds; {killed.slowest_s:.2f} s; {history.tally()}"
    )
    assert [str(violation) for violation in killed.found] == []
    # Answers were lost with the processes, and the viewer came back by itself.
    assert history.count(Action.RESERVE, Outcome.UNKNOWN) > 0
    assert history.count(Action.RESERVE, Outcome.OK) > 50
    assert connects > 1
