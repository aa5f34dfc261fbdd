"""Web processes and the worker with clocks that are wrong by ten minutes, over PostgreSQL."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.clocks import PREMIUM_SLOTS, SLOTS, Timed, run_with_wrong_clocks, wrong_clocks
from tests.chaos.deployment import Shape, serve
from tests.chaos.history import History
from tests.chaos.sabotage import serve_by_own_clock
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town

WEBS = 2
OPERATIONS, FEW_OPERATIONS, SECONDS = 600, 150, 30


async def run(
    site: Site, folder: Path, serve: Callable[[], None], operations: int
) -> tuple[Timed, list[int]]:
    """Also how many minutes the clock of each web process is ahead."""
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    shape = Shape(webs=WEBS, environment=wrong_clocks(WEBS), serve=serve)
    async with (
        site.base(Kind.POSTGRESQL, folder) as base,
        opened_town(base, folder, shape, SLOTS, PREMIUM_SLOTS) as town,
    ):
        timed = await run_with_wrong_clocks(town, history, seed, operations, SECONDS)
        ahead_min = [round(screen.ahead_s / 60) for screen in town.screens]
    print(f"{history.tally()}; {timed.amounts} amounts")
    return timed, ahead_min


@pytest.mark.postgresql
async def test_where_clocks_are_wrong_by_ten_minutes_amounts_are_right_and_nothing_expires_early(
    site: Site, tmp_path: Path
) -> None:
    timed, ahead_min = await run(site, tmp_path, serve, OPERATIONS)
    assert ahead_min == [10, -10]
    assert [str(violation) for violation in timed.found] == []
    assert timed.amounts > 100


@pytest.mark.postgresql
async def test_a_process_that_goes_by_its_own_clock_is_noticed(site: Site, tmp_path: Path) -> None:
    timed, _ = await run(site, tmp_path, serve_by_own_clock, FEW_OPERATIONS)
    kinds = {violation.kind for violation in timed.found}
    print(kinds)
    assert {"wrong beginning", "wrong end", "wrong amount", "left behind"} <= kinds
