"""64 drivers race for one lot of 50 slots, at three desks: no slot ever has two owners."""

import random
import time

from redis.asyncio import Redis

from app.core import metrics
from tests.chaos.drivers import DeskCounter, Driver, race
from tests.chaos.history import Action, History, Outcome
from tests.chaos.offices import opened_office

DRIVERS = 64
OPERATIONS = 2_500
# Long enough for the lot, and above all its few premium slots, to be full again and again.
MEAN_STAY_S = 0.6


async def test_64_drivers_race_for_50_slots_and_no_slot_ever_has_two_owners(
    database_url: str, redis: Redis, redis_url: str
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    history = History()
    retries_before = metrics.SQL_RETRIES.collect()[0].samples[0].value
    async with opened_office(database_url, redis, redis_url) as office:
        counters = [DeskCounter(desk) for desk in office.desks]
        drivers = [
            Driver(number, counters, office.place, history, random.Random(f"{seed} {number}"), MEAN_STAY_S)
            for number in range(DRIVERS)
        ]
        began_s = time.monotonic()
        await race(drivers, history, OPERATIONS)
        took_s = time.monotonic() - began_s
        settled_s = await office.settle(within_s=5.0)
        found = await office.violations(history)
        frames = office.screen.frames
    retries = metrics.SQL_RETRIES.collect()[0].samples[0].value - retries_before
    print(f"{history.tally()} in {took_s:.1f} s, {retries:.0f} retries")
    print(f"settled after {settled_s:.2f} s; the viewer took {frames} frames")
    assert [str(violation) for violation in found] == []
    # The race was one: thousands were served, lots were full, named slots were lost, keys were repeated.
    assert history.count(Action.RESERVE, Outcome.OK) > 500
    assert history.count(Action.UNRESERVE, Outcome.OK) > 500
    assert history.count(Action.RESERVE, Outcome.REFUSED, "all-taken") > 10
    assert history.count(Action.RESERVE, Outcome.REFUSED, "slot-taken") > 100
    assert history.count(Action.RESERVE, Outcome.REFUSED, "entity-has-reservation") > 10
    # Transactions that wait for each other until one of them is ended: a second each, so hardly any.
    assert retries < 10
    # The viewer was told of changes as they happened, not every two seconds.
    assert frames > took_s
