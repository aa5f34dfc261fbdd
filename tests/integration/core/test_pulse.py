"""The pulse over a real SQL that goes away: nobody waits for what is known to be silent."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.core import metrics
from app.core.db import Database, SqlAway
from app.core.pulse import ANSWERS_WITHIN_S
from tests.chaos.waiting import until_none
from tests.integration.outages import Outage

NOTICED_WITHIN_S = 4.0
BACK_WITHIN_S = 2.0
AT_ONCE_S = 0.1
# Two until it is noticed, and two more in which PostgreSQL's driver says goodbye.
ENDS_WITHIN_S = 7.0
SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24000000)"
    " SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(3)",
}


@pytest.fixture
async def database(outage: Outage) -> AsyncIterator[Database]:
    found = Database(outage.url)
    async with found.pulse.running():
        await look(found)
        yield found
    await found.close()


async def look(database: Database, statement: str = "SELECT count(*) FROM lot") -> float:
    """The seconds that it takes."""
    began_s = time.monotonic()
    async with database.look() as connection:
        await connection.execute(text(statement))
    return time.monotonic() - began_s


async def becomes(database: Database, *, felt: bool, within_s: float) -> float:
    async def otherwise() -> list[str]:
        return [] if database.pulse.is_felt is felt else [f"felt: {not felt}"]

    return await until_none(otherwise, within_s, f"the pulse is {'' if felt else 'not '}felt")


async def test_who_looks_is_refused_at_once_while_sql_is_away_and_served_when_it_is_back(
    outage: Outage, database: Database
) -> None:
    for _ in range(2):
        await asyncio.to_thread(outage.begin)
        noticed_s = await becomes(database, felt=False, within_s=NOTICED_WITHIN_S)
        assert metrics.SQL_ANSWERS._value.get() == 0
        for _ in range(50):
            began_s = time.monotonic()
            with pytest.raises(SqlAway):
                await look(database)
            assert time.monotonic() - began_s < AT_ONCE_S
        await asyncio.to_thread(outage.end)
        back_s = await becomes(database, felt=True, within_s=BACK_WITHIN_S)
        print(f"noticed after {noticed_s:.2f} s, back after {back_s:.2f} s")
        assert metrics.SQL_ANSWERS._value.get() == 1

        async def still_refused() -> list[str]:
            try:
                await look(database)
            except SqlAway as error:
                return [str(error)]
            return []

        await until_none(still_refused, BACK_WITHIN_S, "looks are served")


async def test_who_was_looking_when_sql_went_away_is_told_so(outage: Outage, database: Database) -> None:
    """However many they are, all of them, and the connections that they had are not lost."""
    await asyncio.to_thread(outage.begin)
    looks = await asyncio.wait_for(
        asyncio.gather(*(look(database) for _ in range(25)), return_exceptions=True), ENDS_WITHIN_S
    )
    assert all(isinstance(one, SqlAway) for one in looks)
    await asyncio.to_thread(outage.end)
    await becomes(database, felt=True, within_s=BACK_WITHIN_S)

    async def refused() -> list[str]:
        looks = await asyncio.gather(*(look(database) for _ in range(25)), return_exceptions=True)
        return [repr(one) for one in looks if isinstance(one, BaseException)]

    await until_none(refused, BACK_WITHIN_S, "all are served")


async def test_a_long_statement_is_no_silence(database_url: str) -> None:
    database = Database(database_url)
    async with database.pulse.running():
        took_s = await look(database, SLOW["sqlite" if database.is_sqlite else "postgresql"])
        assert took_s > ANSWERS_WITHIN_S
        assert database.pulse.is_felt
    await database.close()
