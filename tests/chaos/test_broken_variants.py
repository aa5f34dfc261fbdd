"""The same race over deliberately broken variants: it must fail, or a clean race would prove nothing."""

import asyncio
import random
from collections import Counter as Counted
from collections.abc import Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis

from app.slots import status
from app.slots.relay import rebuild_all
from tests.chaos.broken import AcknowledgingFromRedis, Ledger, drop_the_guard, drop_the_index
from tests.chaos.drivers import Counter, DeskCounter, Driver, race
from tests.chaos.history import History
from tests.chaos.offices import Office, opened_office, running

DRIVERS = 64
ROUND, ROUNDS = 400, 5
MEAN_STAY_S = 0.3


async def race_until_caught(
    office: Office, counters: Sequence[Counter], kinds: set[str], written: Callable[[], Awaitable[object]]
) -> None:
    """Races, a round after another in one history, until the checker has found each of ``kinds``."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    history = History()
    for number in range(1, ROUNDS + 1):
        drivers = [
            Driver(one, counters, office.place, history, random.Random(f"{seed} {one}"), MEAN_STAY_S)
            for one in range(number * 1000, number * 1000 + DRIVERS)
        ]
        await race(drivers, history, ROUND * number)
        await written()
        found = Counted(violation.kind for violation in await office.violations(history))
        if kinds <= set(found):
            break
    print(f"{history.tally()}, caught: {dict(found)}")
    assert kinds <= set(found)


async def test_without_the_guard_and_the_index_the_race_finds_slots_with_two_owners(
    database_url: str, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_office(database_url, redis, redis_url) as office:
        await drop_the_index(office.desks[0].database)
        drop_the_guard(monkeypatch)
        counters = [DeskCounter(desk) for desk in office.desks]
        await race_until_caught(
            office, counters, {"double booking", "SQL contradicts itself"}, lambda: asyncio.sleep(0)
        )


@pytest.mark.parametrize("fault", ["redis is emptied", "leases end too soon"])
async def test_acknowledging_from_redis_alone_gives_slots_to_two_owners(
    database_url: str, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "leases end too soon":
        monkeypatch.setattr(status, "LEASE_MS", 20)
    async with opened_office(database_url, redis, redis_url) as office:
        ledger = Ledger(monkeypatch)
        counters = [AcknowledgingFromRedis(desk, ledger) for desk in office.desks]

        async def empty_redis_again_and_again() -> None:
            while fault == "redis is emptied":
                await asyncio.sleep(0.5)
                await redis.flushall()
                await rebuild_all(office.desks[0].database, office.desks[0].status)

        async with running(empty_redis_again_and_again()):
            await race_until_caught(office, counters, {"double booking", "lost booking"}, ledger.written)
