"""The line in front of a full lot: whoever waits longest is offered the first slot that comes free."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from app.bookings import holdings, waiting_records
from app.bookings.desk import Desk
from app.bookings.expire import GONE_AFTER, end_holds, leave_lines, offer_what_is_free
from app.bookings.forms import ReserveRequest
from app.bookings.hold import Visitor, held_for, is_still_there, join, leave, let_go, place_of
from app.bookings.models import WaitingState
from app.bookings.reserve import reserve
from app.bookings.results import Held, InLine
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import Problem
from app.slots.layout import Wish
from app.slots.models import Lot
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]


def visitor(number: int) -> Visitor:
    return Visitor(f"browser {number}", f"10.0.{number}.1")


async def full_lot(desk: Desk, slots: int, **more: int) -> tuple[Lot, list[str]]:
    """A lot without a free slot, and the bookings that fill it."""
    lot = await open_lot(desk, lot_plan(slots=slots, **more))
    taken = []
    for number in range(slots):
        request = ReserveRequest(f"F {number}", slot=f"here-A{number + 1}")
        taken.append((await reserve(desk, request)).reservation)
    return lot, taken


async def stand_in_line(desk: Desk, lot: Lot, number: int, wish: Wish | None = None) -> InLine | Held:
    return await join(desk, lot.id or 0, wish or Wish(), visitor(number))


async def offered(desk: Desk, numbers: range) -> list[int]:
    """Those of these who have a slot held for them."""
    return [one for one in numbers if await held_for(desk, visitor(one).browser) is not None]


async def test_the_first_in_line_is_offered_what_comes_free_and_nobody_else_can_have_it(timed: Timed) -> None:
    desk, clock = timed
    lot, (booking,) = await full_lot(desk, 1)
    for number in range(3):
        assert isinstance(await stand_in_line(desk, lot, number), InLine)
        clock.advance(timedelta(seconds=1))
    place = await place_of(desk, visitor(2).browser, lot.id or 0)
    assert place is not None
    assert place.before == 2
    await release(desk, booking)
    assert await offered(desk, range(3)) == [0]
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("X 1", lot="here"))
    assert refused.value.type == "all-taken"
    held = await held_for(desk, visitor(0).browser)
    assert held is not None
    done = await reserve(desk, ReserveRequest("W 0", slot="here-A1", hold=held.id))
    mine = await place_of(desk, visitor(0).browser, lot.id or 0)
    assert mine is not None
    assert mine.waiting.state == WaitingState.SERVED
    await release(desk, done.reservation)
    assert await offered(desk, range(3)) == [1]


async def test_an_offer_that_is_not_answered_passes_on(timed: Timed) -> None:
    desk, clock = timed
    lot, (booking,) = await full_lot(desk, 1)
    for number in range(2):
        await stand_in_line(desk, lot, number)
        clock.advance(timedelta(seconds=1))
    await release(desk, booking)
    clock.advance(timedelta(seconds=60))
    assert await end_holds(desk) == 1
    assert await offered(desk, range(2)) == [1]
    first = await place_of(desk, visitor(0).browser, lot.id or 0)
    assert first is not None
    assert first.waiting.state == WaitingState.PASSED
    second = await held_for(desk, visitor(1).browser)
    assert second is not None
    await let_go(desk, second.id, visitor(1).browser)
    assert (await reserve(desk, ReserveRequest("X 1", lot="here"))).slot == "here-A1"


async def test_a_slot_goes_only_to_who_waits_for_its_kind(timed: Timed) -> None:
    desk, clock = timed
    lot, (first, _, last) = await full_lot(desk, 3, premium=1, accessible=1)
    wishes = (Wish(accessible=True), Wish(premium=False), Wish())
    for number, wish in enumerate(wishes):
        await stand_in_line(desk, lot, number, wish)
        clock.advance(timedelta(seconds=1))
    await release(desk, first)  # a premium one
    assert await offered(desk, range(3)) == [2]
    await release(desk, last)  # an accessible one
    assert await offered(desk, range(3)) == [0, 2]


async def test_who_joins_where_a_slot_is_free_has_it_held_at_once(timed: Timed) -> None:
    desk, _ = timed
    lot = await open_lot(desk, lot_plan(slots=1))
    held = await stand_in_line(desk, lot, 0)
    assert isinstance(held, Held)
    assert held.slot == "here-A1"
    assert isinstance(await stand_in_line(desk, lot, 1), InLine)


async def test_a_browser_stands_once_in_a_line_and_in_one_line(timed: Timed) -> None:
    desk, _ = timed
    lot, _ = await full_lot(desk, 1)
    other = await open_lot(desk, lot_plan("there", slots=1))
    await reserve(desk, ReserveRequest("T 1", lot="there"))
    assert await stand_in_line(desk, lot, 0) == await stand_in_line(desk, lot, 0)
    await stand_in_line(desk, other, 0)
    async with desk.database.look() as connection:
        assert await waiting_records.lots_with_line(connection) == {other.id}


async def test_who_leaves_the_line_or_closes_the_page_is_passed_over(timed: Timed) -> None:
    desk, clock = timed
    lot, (booking,) = await full_lot(desk, 1)
    places = [await stand_in_line(desk, lot, number) for number in range(3)]
    await leave(desk, visitor(0).browser)
    clock.advance(GONE_AFTER + timedelta(seconds=1))
    assert isinstance(places[2], InLine)
    await is_still_there(desk, places[2].waiting)
    await leave_lines(desk)
    await release(desk, booking)
    assert await offered(desk, range(3)) == [2]


async def test_who_came_while_a_slot_was_given_back_is_found_by_the_worker(timed: Timed) -> None:
    desk, _ = timed
    lot, (booking,) = await full_lot(desk, 1)
    await stand_in_line(desk, lot, 0)
    async with desk.transaction() as connection:
        # As if its transaction had not been there yet when the slot was given back.
        place = waiting_records.WAITING.update().values(state=WaitingState.LEFT)
        await connection.execute(place)
    await release(desk, booking)
    async with desk.transaction() as connection:
        await connection.execute(waiting_records.WAITING.update().values(state=WaitingState.WAITING))
    assert await offered(desk, range(1)) == []
    assert await offer_what_is_free(desk) == 1
    assert await offered(desk, range(1)) == [0]


async def test_many_wait_and_half_of_them_do_not_answer(timed: Timed, redis: Redis) -> None:
    """100 drivers, slots freed one by one: in order, none skipped, none twice."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    desk, clock = timed
    drivers = range(100)
    lot, running = await full_lot(desk, 4)
    for number in drivers:
        await stand_in_line(desk, lot, number)
        clock.advance(timedelta(milliseconds=chance.randrange(1, 500)))
    silent = set(chance.sample(list(drivers), 50))
    order: list[int] = []
    answered: list[int] = []
    waits_for: dict[int, int] = {}
    for _ in range(1_000):
        if len(answered) + len(silent & set(order)) == len(drivers) and not waits_for:
            break
        if running:
            await release(desk, running.pop(chance.randrange(len(running))))
        fresh = [one for one in await offered(desk, drivers) if one not in waits_for]
        order += fresh
        waits_for |= dict.fromkeys(fresh, 0)
        for number in list(waits_for):
            held = await held_for(desk, visitor(number).browser)
            if held is None:
                assert number in silent
                del waits_for[number]
            elif number not in silent and chance.random() < 0.7:
                slot = (await desk.layouts.of(lot.id or 0)).by_id[held.slot_id].identifier  # type: ignore[union-attr]
                done = await reserve(desk, ReserveRequest(f"W {number}", slot=slot, hold=held.id))
                running.append(done.reservation)
                answered.append(number)
                del waits_for[number]
        # Never so long that one who answers is late.
        clock.advance(timedelta(seconds=5))
        await asyncio.gather(*(end_holds(desk) for _ in range(3)))
    assert order == list(drivers)
    assert Counter(answered).most_common(1)[0][1] == 1
    assert set(answered) == set(drivers) - silent
    async with desk.database.look() as connection:
        told = (
            await connection.execute(
                select(waiting_records.WAITING.c.browser, waiting_records.WAITING.c.state)
            )
        ).all()
    assert Counter(row.state for row in told) == {WaitingState.SERVED: 50, WaitingState.PASSED: 50}


async def test_a_page_that_says_it_is_there_keeps_its_place(timed: Timed) -> None:
    """Who gives a slot away passes over a place that somebody writes: saying so writes none."""
    desk, clock = timed
    lot, (booking,) = await full_lot(desk, 1)
    places = []
    for number in range(2):
        places.append(await stand_in_line(desk, lot, number))
        clock.advance(timedelta(seconds=1))
    assert isinstance(places[0], InLine)
    if desk.database.is_sqlite:
        await is_still_there(desk, places[0].waiting)
        await release(desk, booking)
    else:
        async with desk.transaction() as connection:
            await waiting_records.seen(connection, places[0].waiting, clock.now())
            await release(desk, booking)
    assert await offered(desk, range(2)) == [0]


async def test_a_slot_far_from_the_gate_is_offered_however_many_others_are_free(timed: Timed) -> None:
    desk, _ = timed
    lot = await open_lot(desk, lot_plan(slots=40, accessible=1))
    taken = (await reserve(desk, ReserveRequest("F 1", slot="here-A40"))).reservation
    await stand_in_line(desk, lot, 0, Wish(accessible=True))
    async with desk.transaction() as connection:
        await connection.execute(waiting_records.WAITING.update().values(state=WaitingState.LEFT))
    await release(desk, taken)
    async with desk.transaction() as connection:
        await connection.execute(waiting_records.WAITING.update().values(state=WaitingState.WAITING))
    assert await offer_what_is_free(desk) == 1
    assert await offered(desk, range(1)) == [0]
    assert await offer_what_is_free(desk) == 0


async def test_who_is_refused_a_place_elsewhere_keeps_the_one_that_they_have(
    timed: Timed, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _ = timed
    lot, _ = await full_lot(desk, 1)
    other = await open_lot(desk, lot_plan("there", slots=1))
    await reserve(desk, ReserveRequest("T 1", lot="there"))
    await stand_in_line(desk, lot, 0)
    monkeypatch.setattr(holdings, "MOST_WAITING", 0)
    with pytest.raises(Problem) as refused:
        await stand_in_line(desk, other, 0)
    assert refused.value.type == "too-many-wait"
    place = await place_of(desk, visitor(0).browser, lot.id or 0)
    assert place is not None
    assert place.waiting.state == WaitingState.WAITING
