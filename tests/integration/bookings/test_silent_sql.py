"""Booking while SQL keeps its connections and says nothing."""

import asyncio

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.records import exclusive_of
from app.bookings.reserve import reserve
from app.core import db
from app.core.db import Database, SqlAway
from app.core.errors import Unavailable
from app.slots.layout import Layouts
from app.slots.status import Status
from tests.chaos.waiting import until_none
from tests.integration.lots import open_lot
from tests.integration.outages import Outage

SOON_S = 20.0


@pytest.mark.postgresql
@pytest.mark.parametrize("way", ["frozen"], indirect=True)
async def test_who_comes_while_sql_is_silent_does_not_stand_behind_who_waits_for_it(
    outage: Outage, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long before who came first is told by a clock of its own.
    monkeypatch.setattr(db, "WRITES_WAIT_S", 0.1)
    database = Database(outage.url)
    desk = Desk(database, Layouts(database), Status(redis, "i"), b"key")
    await open_lot(desk)
    await reserve(desk, ReserveRequest("A 1", lot="here"))

    async def is_waited_for() -> list[str]:
        try:
            database.refuse_while_silent()
        except SqlAway:
            return []
        return ["SQL is still waited for"]

    async with database.pulse.running():
        await asyncio.to_thread(outage.begin)
        early = asyncio.create_task(reserve(desk, ReserveRequest("A 2", lot="here")))
        await until_none(is_waited_for, SOON_S, "nobody waits for SQL any more")
        with pytest.raises(Unavailable, match="database"):
            await reserve(desk, ReserveRequest("A 3", lot="here"))
        assert not early.done(), "who came later has waited behind who came first"
        with pytest.raises(Unavailable):
            await early
        await asyncio.to_thread(outage.end)
        await desk.ended()

        async def has_a_booking() -> list[str]:
            async with database.look() as connection:
                held = await exclusive_of(connection, ["A 2"])
            return [one.entity for one in held]

        await until_none(has_a_booking, SOON_S, "who was told 503 has no booking")
    await database.close()
