"""Some replies of Redis, or of SQL to a COMMIT, never arrive: no slot leaks, and no answer is wrong."""

import random
from pathlib import Path

import pytest

from tests.chaos.history import Action, History, Outcome
from tests.chaos.replies import lose_replies, town_behind_redis_proxy, town_behind_sql_proxy
from tests.chaos.site import Kind, Site

OPERATIONS, SECONDS = 1_500, 40


async def test_where_replies_of_redis_are_lost_no_slot_leaks(site: Site, kind: Kind, tmp_path: Path) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with town_behind_redis_proxy(site, kind, tmp_path, seed) as (town, proxy):
        answered = await lose_replies(town, proxy, history, seed, OPERATIONS, SECONDS)
    print(f"{answered.lost} replies lost; {history.tally()}")
    assert [str(violation) for violation in answered.found] == []
    assert answered.lost > 5
    # Nobody has to ask twice because Redis did not answer.
    assert history.count(Action.RESERVE, Outcome.UNKNOWN, "unavailable") == 0
    assert history.count(Action.RESERVE, Outcome.OK) > 300


@pytest.mark.postgresql
async def test_where_replies_to_commits_are_lost_the_same_key_gets_the_same_slot(
    site: Site, tmp_path: Path
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with town_behind_sql_proxy(site, tmp_path, seed) as (town, proxy):
        answered = await lose_replies(town, proxy, history, seed, OPERATIONS, SECONDS)
    print(f"{answered.lost} replies lost; {history.tally()}")
    assert [str(violation) for violation in answered.found] == []
    assert answered.lost > 5
    assert history.count(Action.RESERVE, Outcome.OK) > 300
