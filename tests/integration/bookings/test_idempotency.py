"""A request that is sent again under its key: while it runs, after its end, after a restart, a day later."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from app.bookings import answers, batches, line
from app.bookings.attend import check_in
from app.bookings.batch import Settled
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.jobs import Again
from app.bookings.models import BookingBatch, StoredAnswer
from app.bookings.reserve import reserve
from app.bookings.results import Reserved
from app.bookings.unreserve import unreserve
from app.core.clock import FixedClock
from app.core.db import Database
from app.core.errors import Problem
from app.lifespan import opened_desk
from app.settings import Settings
from tests.integration.lots import lot_plan, open_lot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = IdempotencyKey("test", "k1", "d1")
FORM_KEY = IdempotencyKey("browser", "k1", "d1", waits=True)


def settings_of(database_url: str, redis_url: str) -> Settings:
    return Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})


async def rows_of(database: Database, table: type[StoredAnswer] | type[BookingBatch]) -> int:
    async with database.look() as connection:
        counted = select(func.count()).select_from(table.__table__)  # type: ignore[union-attr]
        rows: int = (await connection.execute(counted)).scalar_one()
        return rows


async def refusal(work: Awaitable[object]) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        await work
    return refused.value.status, refused.value.type


async def test_the_same_key_gets_the_same_answer_after_the_booking_has_ended(desk: Desk) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    first = await reserve(desk, asked)
    await unreserve(desk, UnreserveRequest("A 1", first.slot))
    await reserve(desk, ReserveRequest("B 2", slot=first.slot))
    assert await reserve(desk, asked) == first


async def test_the_same_key_gets_the_same_times_after_an_early_arrival(desk: Desk) -> None:
    await open_lot(desk)
    later = datetime.now(UTC) + timedelta(hours=2)
    asked = ReserveRequest("A 1", slot="here-A1", start=later, idempotency=KEY)
    first = await reserve(desk, asked)
    layout = await desk.layouts.of(1)
    assert layout is not None
    await check_in(desk, layout.by_name["A1"].id, 2)
    assert await reserve(desk, asked) == first


async def test_a_release_with_its_key_is_answered_alike_after_the_next_booking_of_the_same_slot(
    desk: Desk,
) -> None:
    await open_lot(desk)
    asked = UnreserveRequest("A 1", "here-A1", idempotency=KEY)
    for _ in range(2):
        await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
        first = await unreserve(desk, asked)
    async with desk.database.look() as connection:
        held = (await connection.execute(select(func.count()).select_from(StoredAnswer))).scalar_one()
    assert held == 1
    assert await unreserve(desk, asked) == first


async def test_a_key_is_one_callers_and_one_actions(desk: Desk) -> None:
    await open_lot(desk)
    first = await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=KEY))
    others = IdempotencyKey("another caller", "k1", "d1")
    assert (await reserve(desk, ReserveRequest("B 2", lot="here", idempotency=others))).slot != first.slot
    assert (await unreserve(desk, UnreserveRequest("A 1", first.slot, idempotency=KEY))).slot == first.slot


async def test_a_refusal_is_not_kept(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    other = await reserve(desk, ReserveRequest("B 2", lot="here"))
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    assert await refusal(reserve(desk, asked)) == (404, "all-taken")
    await unreserve(desk, UnreserveRequest("B 2", other.slot))
    assert (await reserve(desk, asked)).slot == other.slot


async def test_another_body_under_a_key_is_refused_also_when_it_would_be_refused_anyway(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=KEY))
    other = IdempotencyKey("test", "k1", "d2")
    for asked in (
        ReserveRequest("B 2", lot="here", idempotency=other),
        ReserveRequest("", slot="here-A1", idempotency=other),
    ):
        assert await refusal(reserve(desk, asked)) == (422, "idempotency-key-reused")


async def test_after_a_restart_the_same_key_gets_the_same_answer(
    database_url: str, redis: Redis, redis_url: str, desk: Desk
) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    first = await reserve(desk, asked)
    async with opened_desk(settings_of(database_url, redis_url)) as (another, _):
        assert await reserve(another, asked) == first


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_while_another_process_works_on_a_key_it_is_in_flight_and_afterwards_answered(
    desk: Desk, database_url: str, redis_url: str
) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    async with opened_desk(settings_of(database_url, redis_url)) as (another, _):
        async with another.database.unit_of_work() as connection:
            assert await answers.take(connection, [("test", "reserve", "k1")])
            assert await refusal(reserve(desk, asked)) == (409, "request-in-flight")
            form = ReserveRequest("B 2", lot="here", idempotency=FORM_KEY)
            assert await answers.take(connection, [("browser", "reserve", "k1")])
            waiting = asyncio.create_task(reserve(desk, form))
            await asyncio.sleep(0.2)
            assert not waiting.done()
        booked = await waiting
        assert await reserve(another, form) == booked
        assert (await reserve(desk, asked)).slot != booked.slot


async def test_the_same_key_at_several_processes_at_once_books_once(
    desk: Desk, database_url: str, redis_url: str
) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)

    async def until_answered(at: Desk) -> Reserved:
        while True:
            try:
                return await reserve(at, asked)
            except Problem as problem:
                assert problem.type == "request-in-flight"
                await asyncio.sleep(0.01)

    settings = settings_of(database_url, redis_url)
    async with opened_desk(settings) as (second, _), opened_desk(settings) as (third, _):
        done = await asyncio.gather(*(until_answered(at) for at in (desk, second, third) * 5))
    assert len({one.reservation for one in done}) == 1


async def test_who_went_away_and_comes_back_with_the_key_while_the_first_is_served_books_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was cut: the first request is still being served when its second try joins."""
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    begun, may_go_on, as_it_is = asyncio.Event(), asyncio.Event(), line.settle

    async def settle(*jobs: Any, **more: Any) -> Any:
        begun.set()
        await may_go_on.wait()
        return await as_it_is(*jobs, **more)

    monkeypatch.setattr(line, "settle", settle)
    first = asyncio.create_task(reserve(desk, asked))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(reserve(desk, asked))
    may_go_on.set()
    booked = await second
    assert await reserve(desk, asked) == booked
    assert (await reserve(desk, ReserveRequest("B 2", lot="here"))).slot == "here-A2"
    assert await rows_of(desk.database, StoredAnswer) == 1


async def test_a_named_slot_that_the_same_request_took_in_another_process_is_answered_and_not_refused(
    desk: Desk, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses a round to somebody else; before it looks again its twin has the slot."""
    await open_lot(desk)
    asked = ReserveRequest("A 1", slot="here-A2", idempotency=KEY)
    as_it_is, twins = line.settle, list[Reserved]()
    async with opened_desk(settings_of(database_url, redis_url)) as (second, _):

        async def settle(ledger: Any, jobs: Any, **more: Any) -> Settled:
            if ledger is not desk.ledger or twins:
                return await as_it_is(ledger, jobs, **more)
            twins.append(await reserve(second, asked))
            return Settled(dict.fromkeys(jobs, Again.LOST), [], [])

        monkeypatch.setattr(line, "settle", settle)
        assert [await reserve(desk, asked)] == twins


@pytest.mark.parametrize(
    "sweep, table, kept_for",
    [
        (answers.sweep, StoredAnswer, answers.KEPT_FOR),
        (batches.sweep, BookingBatch, batches.KEPT_FOR),
    ],
)
async def test_what_is_kept_is_forgotten_after_its_time_and_not_before(
    database_url: str,
    redis_url: str,
    redis: Redis,
    sweep: Callable[[Database], Awaitable[int]],
    table: type[StoredAnswer] | type[BookingBatch],
    kept_for: timedelta,
) -> None:
    assert timedelta(hours=24) <= answers.KEPT_FOR
    clock = FixedClock(NOON)
    async with opened_desk(settings_of(database_url, redis_url), clock) as (desk, _):
        await open_lot(desk)
        asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
        first = await reserve(desk, asked)
        clock.advance(kept_for)
        assert await sweep(desk.database) == 0
        if table is StoredAnswer:
            assert await reserve(desk, asked) == first
        clock.advance(timedelta(seconds=1))
        assert await sweep(desk.database) == 1
        assert await rows_of(desk.database, table) == 0
        assert await sweep(desk.database) == 0
