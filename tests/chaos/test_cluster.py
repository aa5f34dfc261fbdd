"""A Redis Cluster whose primaries are killed and replaced, and whose lots move, while requests come in."""

import random
from pathlib import Path

from tests.chaos.cluster import FAULTS, opened_on_cluster, shake
from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.redis_loss import Pace
from tests.chaos.sabotage import serve_from_old_topology, serve_listening_where_it_was
from tests.chaos.site import Kind, Site

LOTS, LOT_SLOTS, WATCHED, BUSY = 12, 50, 6, 9
PACE = Pace(per_s=100.0, calm_s=0.5, within_s=5.0, gives_up_after_s=20.0)
# Long enough for a true one, which needs less than a second.
IMPATIENT = Pace(per_s=50.0, calm_s=0.2, within_s=4.0, gives_up_after_s=6.0)


async def test_whatever_the_servers_do_no_answer_fails_and_viewers_see_the_truth_within_five_seconds(
    site: Site, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    shape = Shape(webs=2)
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        opened_on_cluster(base, tmp_path, shape, LOTS, LOT_SLOTS, WATCHED, BUSY) as (region, cluster),
    ):
        shaken = await shake(region, cluster, history, seed, PACE)
    print(f"{history.tally()}; {shaken}")
    assert [str(violation) for violation in shaken.found] == []
    assert {*shaken.faults} == {*FAULTS}
    assert history.count(Action.RESERVE, Outcome.OK) > 100


async def test_who_never_asks_again_which_server_keeps_what_is_caught(site: Site, tmp_path: Path) -> None:
    shape = Shape(serve=serve_from_old_topology)
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        opened_on_cluster(base, tmp_path, shape, LOTS, LOT_SLOTS, WATCHED, BUSY) as (region, cluster),
    ):
        shaken = await shake(region, cluster, History(), "1", IMPATIENT, faults=["failed over"])
    assert "never shown" in {violation.kind for violation in shaken.found}


async def test_who_goes_on_listening_where_a_lot_was_is_caught(site: Site, tmp_path: Path) -> None:
    shape = Shape(serve=serve_listening_where_it_was)
    async with (
        site.base(Kind.POSTGRESQL, tmp_path) as base,
        opened_on_cluster(base, tmp_path, shape, LOTS, LOT_SLOTS, WATCHED, BUSY) as (region, cluster),
    ):
        shaken = await shake(region, cluster, History(), "1", IMPATIENT, faults=["moved"])
    assert {violation.kind for violation in shaken.found} == {"not told of a change"}
