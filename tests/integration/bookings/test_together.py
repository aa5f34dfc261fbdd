"""Requests that wait together go together: one transaction, an outcome for each, nobody held up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, event, text, update
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import takings
from app.bookings.batch import settle
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.jobs import Again, Done, Taking
from app.bookings.line import LONGEST_LINE
from app.bookings.records import RESERVATION
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core import metrics
from app.core.db import Database
from app.core.errors import Problem
from app.payments.models import TariffVersion
from app.slots.layout import Wish
from app.slots.models import SlotState, State, StatusOutbox
from tests.integration.lots import lot_plan, open_lot

_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]


@contextmanager
def counted_commits(database: Database) -> Iterator[list[object]]:
    """Every commit of the writer while the block lasts."""
    commits: list[object] = []

    def count(connection: object) -> None:
        commits.append(connection)

    engine = database._writer.sync_engine
    event.listen(engine, "commit", count)
    try:
        yield commits
    finally:
        event.remove(engine, "commit", count)


@asynccontextmanager
async def held_row(database: Database, slot_id: int) -> AsyncIterator[AsyncConnection]:
    """Another process stands still in the middle of a transaction that holds a slot's row."""
    async with database.unit_of_work() as connection:
        locked = text("SELECT 1 FROM slot_state WHERE slot_id = :slot FOR UPDATE")
        await connection.execute(locked, {"slot": slot_id})
        yield connection


async def outcomes(*work: Awaitable[object]) -> list[str]:
    """What each came to: the slot, or the problem's type."""
    done = await asyncio.gather(*work, return_exceptions=True)
    return [_word(one) for one in done]


def _word(one: object) -> str:
    if isinstance(one, Problem):
        return one.type
    assert not isinstance(one, BaseException), one
    return str(getattr(one, "slot"))  # noqa: B009


async def slot_numbers(desk: Desk) -> dict[str, int]:
    layout = await desk.layouts.of_code("here")
    assert layout is not None
    return {slot.identifier: slot.id for slot in layout.slots}


async def test_those_who_wait_are_served_in_one_transaction(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=50))
    with counted_commits(desk.database) as commits:
        given = await outcomes(*(reserve(desk, ReserveRequest(f"A {n}", lot="here")) for n in range(30)))
    assert sorted(given) == sorted(f"here-A{n + 1}" for n in range(30))
    # The first ones may be on their way before the last ones have looked up the lot.
    assert len(commits) <= 3


async def test_one_who_comes_alone_is_served_at_once_and_alone(desk: Desk) -> None:
    await open_lot(desk)
    served = metrics.BATCH_SIZE.collect()[0].samples
    with counted_commits(desk.database) as commits:
        assert await outcomes(reserve(desk, ReserveRequest("A 1", lot="here"))) == ["here-A1"]
    assert len(commits) == 1
    after = {one.labels.get("le"): one.value for one in metrics.BATCH_SIZE.collect()[0].samples}
    before = {one.labels.get("le"): one.value for one in served}
    assert after["1.0"] - before["1.0"] == 1


async def test_each_of_a_batch_has_its_own_outcome(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=4, premium=1))
    await reserve(desk, ReserveRequest("OLD 1", slot="here-A4"))
    given = await outcomes(
        reserve(desk, ReserveRequest("NEW 1", slot="here-A2")),
        reserve(desk, ReserveRequest("NEW 2", slot="here-A2")),
        reserve(desk, ReserveRequest("OLD 1", slot="here-A3")),
        reserve(desk, ReserveRequest("", slot="here-A3")),
        reserve(desk, ReserveRequest("NEW 3", slot="here-A4")),
        reserve(desk, ReserveRequest("NEW 4", lot="here", wish=Wish(premium=True))),
        reserve(desk, ReserveRequest("NEW 5", lot="here", wish=Wish(charging=True))),
        unreserve(desk, UnreserveRequest("NOBODY", "here-A1")),
    )
    # Whose look at the slot was answered first stands first in line.
    assert sorted(given[:2]) == ["here-A2", "slot-taken"]
    assert given[2:] == [
        "entity-has-reservation",
        "invalid-input",
        "slot-taken",
        "here-A1",
        "all-taken",
        "no-such-reservation",
    ]


async def test_what_is_given_back_may_be_taken_in_the_same_transaction(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    await reserve(desk, ReserveRequest("OLD 1", lot="here"))
    with counted_commits(desk.database) as commits:
        await outcomes(
            unreserve(desk, UnreserveRequest("OLD 1", "here-A1")),
            reserve(desk, ReserveRequest("NEW 1", slot="here-A1")),
        )
    async with desk.database.look() as connection:
        row = (await connection.execute(_STATE.select())).one()
    assert (row.state, row.version) in [(State.RESERVED, 4), (State.FREE, 3)]
    assert len(commits) in (1, 2)
    seen = await desk.status.snapshot(1)
    assert seen.versions == (row.version,)


async def test_two_requests_for_one_entity_in_one_batch_give_one_booking(desk: Desk) -> None:
    await open_lot(desk)
    given = await outcomes(*(reserve(desk, ReserveRequest("A 1", lot="here")) for _ in range(5)))
    assert sorted(given) == [*["entity-has-reservation"] * 4, "here-A1"]
    async with desk.database.look() as connection:
        assert len((await connection.execute(RESERVATION.select())).all()) == 1


async def test_who_shares_a_batch_with_a_lost_wish_for_the_same_slot_gets_it(desk: Desk) -> None:
    await open_lot(desk)
    await reserve(desk, ReserveRequest("OLD 1", slot="here-A1"))
    given = await outcomes(
        reserve(desk, ReserveRequest("OLD 1", slot="here-A2")),
        reserve(desk, ReserveRequest("NEW 1", slot="here-A2")),
    )
    assert given == ["entity-has-reservation", "here-A2"]


async def test_who_holds_another_slot_is_in_nobodys_way(desk: Desk) -> None:
    """One after the other, some would run out of rounds, and a free slot would be refused."""
    await open_lot(desk)
    for slot in ("here-A2", "here-A3"):
        await reserve(desk, ReserveRequest(f"OLD {slot}", slot=slot))
    entities = ("OLD here-A2", "OLD here-A3", "NEW 1", "NEW 2")
    jobs = [Taking(ReserveRequest(entity, slot="here-A1")) for entity in entities]
    outcomes = (await settle(desk.ledger, jobs, waits=False)).outcomes
    told = [outcome.type if isinstance(outcome, Problem) else outcome for outcome in outcomes.values()]
    assert told[:2] == ["entity-has-reservation"] * 2
    assert isinstance(told[2], Done)
    assert told[3] is Again.LOST


async def test_where_the_lot_has_no_price_everybody_who_names_a_slot_is_told_so(desk: Desk) -> None:
    await open_lot(desk)
    async with desk.database.unit_of_work() as connection:
        await connection.execute(delete(TariffVersion.__table__))  # type: ignore[attr-defined]
    jobs = [Taking(ReserveRequest(f"A {number}", slot="here-A1")) for number in range(3)]
    outcomes = (await settle(desk.ledger, jobs, waits=False)).outcomes
    assert [isinstance(one, Problem) and one.type for one in outcomes.values()] == ["no-tariff"] * 3


async def test_the_same_release_twice_in_one_batch_is_answered_alike(desk: Desk) -> None:
    await open_lot(desk)
    await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
    first, second = await asyncio.gather(
        *(unreserve(desk, UnreserveRequest("A 1", "here-A1")) for _ in range(2))
    )
    assert first == second


async def test_more_wishes_than_slots_give_every_slot_and_the_rest_is_told_that_all_are_taken(
    desk: Desk,
) -> None:
    await open_lot(desk, lot_plan(slots=7))
    given = await outcomes(*(reserve(desk, ReserveRequest(f"A {n}", lot="here")) for n in range(20)))
    assert sorted(given) == sorted([f"here-A{n + 1}" for n in range(7)] + ["all-taken"] * 13)


async def test_nobody_is_told_that_all_are_taken_for_a_slot_that_another_was_refused(
    desk: Desk, redis: Redis
) -> None:
    """Who was chosen for the last slot has a booking already: then it is the next one's."""
    await open_lot(desk, lot_plan(slots=2))
    await redis.flushall()
    await reserve(desk, ReserveRequest("OLD 1", slot="here-A1"))
    given = await outcomes(
        reserve(desk, ReserveRequest("OLD 1", lot="here")), reserve(desk, ReserveRequest("NEW 1", lot="here"))
    )
    # Who of the two stands first is chance; both refusals are true of the other.
    assert given in [["entity-has-reservation", "here-A2"], ["all-taken", "here-A2"]]


async def test_wishes_of_several_kinds_in_one_batch_do_not_stand_in_one_anothers_way(
    desk: Desk, redis: Redis
) -> None:
    await open_lot(desk, lot_plan(slots=20, premium=4))
    await redis.flushall()
    wishes = [Wish(), Wish(premium=False), Wish(premium=True)]
    before = metrics.BATCH_SIZE.collect()[0].samples
    given = await outcomes(
        *(reserve(desk, ReserveRequest(f"A {n}", lot="here", wish=wishes[n % 3])) for n in range(12))
    )
    assert len(set(given)) == 12
    after = metrics.BATCH_SIZE.collect()[0].samples
    sums = [next(one.value for one in some if one.name.endswith("_sum")) for some in (before, after)]
    assert sums[1] - sums[0] == 12


async def test_without_redis_a_batch_is_served_by_sql(desk: Desk, redis: Redis) -> None:
    await open_lot(desk, lot_plan(slots=7, premium=2))
    await redis.flushall()
    given = await outcomes(*(reserve(desk, ReserveRequest(f"A {n}", lot="here")) for n in range(20)))
    assert sorted(given) == sorted([f"here-A{n + 1}" for n in range(7)] + ["all-taken"] * 13)


async def test_while_the_outbox_of_a_lot_is_old_sql_chooses_there(desk: Desk) -> None:
    """Redis has not seen a release for too long: what it proposes, or not, is not to be believed."""
    lot = await open_lot(desk, lot_plan(slots=1))
    slot_id = (await slot_numbers(desk))["here-A1"]
    async with desk.database.unit_of_work() as connection:
        long_ago_us = int((await desk.database.now(connection)).timestamp() * 1e6) - 3_000_000
        row = {"lot_id": lot.id, "slot_id": slot_id, "created_at_us": long_ago_us}
        await connection.execute(_OUTBOX.insert().values(**row))
    before = metrics.PICKED_BY_SQL.labels("lagging")._value.get()
    assert await outcomes(reserve(desk, ReserveRequest("A 1", lot="here"))) == ["here-A1"]
    assert metrics.PICKED_BY_SQL.labels("lagging")._value.get() == before + 1


async def test_a_statement_that_fails_for_one_fails_for_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_lot(desk, lot_plan(slots=10))
    as_it_is = takings.as_given

    def broken_for_one(entity: str) -> str:
        if entity == "A 3":
            raise DataError("INSERT", {}, ValueError("a row that SQL refuses"))
        return as_it_is(entity)

    monkeypatch.setattr(takings, "as_given", broken_for_one)
    work = [reserve(desk, ReserveRequest(f"A {n}", lot="here")) for n in range(5)]
    done = await asyncio.gather(*work, return_exceptions=True)
    assert [isinstance(one, BaseException) for one in done] == [False, False, False, True, False]


async def test_too_many_who_wait_are_told_to_come_back(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=3))
    frame = await desk.layouts.frame(1)

    async def join(number: int) -> str:
        try:
            outcome = await desk.line.join(Taking(ReserveRequest(f"A {number}", lot="here"), frame))
        except Problem as problem:
            return problem.type
        return "served" if isinstance(outcome, Done) else "refused"

    words = await asyncio.gather(*(join(n) for n in range(LONGEST_LINE + 5)))
    assert words.count("unavailable") == 5
    assert words.count("served") == 3


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_a_row_that_another_process_holds_holds_up_only_who_needs_it(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=5))
    await reserve(desk, ReserveRequest("OLD 1", slot="here-A2"))
    held = (await slot_numbers(desk))["here-A2"]
    async with held_row(desk.database, held):
        waiting = asyncio.create_task(unreserve(desk, UnreserveRequest("OLD 1", "here-A2")))
        given = await asyncio.wait_for(
            outcomes(*(reserve(desk, ReserveRequest(f"A {n}", lot="here")) for n in range(4))), 1.5
        )
        assert sorted(given) == ["here-A1", "here-A3", "here-A4", "here-A5"]
        assert not waiting.done()
    assert (await waiting).slot == "here-A2"


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_a_slot_that_was_proposed_in_vain_is_offered_again_when_the_request_is_answered(
    desk: Desk,
) -> None:
    await open_lot(desk, lot_plan(slots=3))
    async with held_row(desk.database, (await slot_numbers(desk))["here-A1"]):
        assert await outcomes(reserve(desk, ReserveRequest("A 1", lot="here"))) == ["here-A2"]
        assert (await desk.status.inspect(1)).leases == {}
    assert await outcomes(reserve(desk, ReserveRequest("A 2", lot="here"))) == ["here-A1"]


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_however_many_wait_for_a_row_that_is_held_the_others_do_not(desk: Desk) -> None:
    """Nor does who needs a row that a short transaction holds."""
    await open_lot(desk, lot_plan(slots=4))
    for slot in ("A1", "A2"):
        await reserve(desk, ReserveRequest(f"OLD {slot}", slot=f"here-{slot}"))
    numbers = await slot_numbers(desk)
    async with held_row(desk.database, numbers["here-A1"]):
        crowd = [UnreserveRequest("OLD A1", "here-A1") for _ in range(30)]
        waiting = [asyncio.create_task(unreserve(desk, one)) for one in crowd]
        await asyncio.sleep(0)
        async with held_row(desk.database, numbers["here-A2"]):
            shortly = asyncio.create_task(unreserve(desk, UnreserveRequest("OLD A2", "here-A2")))
            given = await asyncio.wait_for(outcomes(reserve(desk, ReserveRequest("A 3", lot="here"))), 1.5)
            assert given == ["here-A3"]
        assert (await asyncio.wait_for(shortly, 1.5)).slot == "here-A2"
        assert not any(one.done() for one in waiting)
    ended = await asyncio.gather(*waiting)
    assert {one.reservation for one in ended} == {ended[0].reservation}


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_the_last_free_slot_is_waited_for_while_another_process_holds_it(desk: Desk) -> None:
    """A 404 is only true when nothing is free, and a row that is held may yet be let go."""
    await open_lot(desk, lot_plan(slots=1))
    held = (await slot_numbers(desk))["here-A1"]
    async with held_row(desk.database, held):
        waiting = asyncio.create_task(outcomes(reserve(desk, ReserveRequest("A 1", lot="here"))))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert await waiting == ["here-A1"]


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_the_last_free_slot_that_another_process_takes_after_all_is_a_404(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    held = (await slot_numbers(desk))["here-A1"]
    async with held_row(desk.database, held) as other:
        waiting = asyncio.create_task(outcomes(reserve(desk, ReserveRequest("A 1", lot="here"))))
        await asyncio.sleep(0.2)
        taken = {"state": State.CLOSED, "version": _STATE.c.version + 1}
        await other.execute(update(_STATE).where(_STATE.c.slot_id == held).values(**taken))
    assert await waiting == ["all-taken"]
