"""Where a lot asks for checking in, who does not arrive in time loses the slot; nobody loses it earlier."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.bookings import attend, records
from app.bookings.desk import Desk
from app.bookings.expire import end_no_shows
from app.bookings.forms import ReserveRequest
from app.bookings.jobs import Arriving
from app.bookings.models import Ending
from app.bookings.reserve import reserve
from app.bookings.stay import arrive
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import Problem
from app.slots.models import Lot, State
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]
GRACE = timedelta(minutes=15)


async def lot_with_check_in(desk: Desk, slots: int = 1) -> Lot:
    lot = await open_lot(desk, lot_plan(slots=slots))
    async with desk.transaction() as connection:
        await connection.execute(update(Lot).values(check_in_required=True, arrival_grace_s=900))
    return lot


async def endings(desk: Desk) -> list[str]:
    async with desk.database.look() as connection:
        return list((await connection.execute(select(records.HISTORY.c.ending))).scalars())


async def test_who_does_not_arrive_in_time_loses_the_slot_and_not_a_second_earlier(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    await reserve(desk, ReserveRequest("A 1", lot="here"))
    clock.advance(GRACE - timedelta(seconds=1))
    assert await end_no_shows(desk) == 0
    clock.advance(timedelta(seconds=1))
    assert await end_no_shows(desk) == 1
    assert await end_no_shows(desk) == 0
    assert await endings(desk) == [Ending.NO_SHOW]
    assert (await reserve(desk, ReserveRequest("B 1", lot="here"))).slot == "here-A1"


async def test_the_grace_begins_with_the_time_for_which_one_booked(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    later = clock.now() + timedelta(hours=2)
    await reserve(desk, ReserveRequest("A 1", lot="here", start=later))
    clock.advance(timedelta(hours=2) + GRACE - timedelta(seconds=1))
    assert await end_no_shows(desk) == 0
    clock.advance(timedelta(seconds=1))
    assert await end_no_shows(desk) == 1


async def test_who_has_arrived_stays_however_long(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    await reserve(desk, ReserveRequest("A 1", lot="here"))
    async with desk.database.look() as connection:
        slot = await records.slot_by(connection, identifier="here-A1")
    assert slot is not None
    await attend.check_in(desk, slot.slot_id, slot.version)
    clock.advance(timedelta(days=3))
    assert await end_no_shows(desk) == 0
    assert await endings(desk) == []


async def test_where_nobody_checks_in_nobody_is_a_no_show(timed: Timed) -> None:
    desk, clock = timed
    await open_lot(desk)
    await reserve(desk, ReserveRequest("A 1", lot="here", until=clock.now() + timedelta(hours=1)))
    clock.advance(timedelta(days=3))
    assert await end_no_shows(desk) == 0


async def test_arriving_and_the_end_of_the_grace_at_once_come_to_one_of_both(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    seen = set()
    for number in range(12):
        booking = (await reserve(desk, ReserveRequest(f"P {number}", lot="here"))).reservation
        clock.advance(GRACE)
        async with desk.database.look() as connection:
            slot = await records.slot_by(connection, identifier="here-A1")
        assert slot is not None
        both = [attend.check_in(desk, slot.slot_id, slot.version), end_no_shows(desk)]
        both = both if number % 2 else both[::-1]
        await asyncio.gather(*both, return_exceptions=True)
        async with desk.database.look() as connection:
            slot = await records.slot_by(connection, identifier="here-A1")
            running = await records.active(connection, id=booking)
            ended = await records.ended(connection, id=booking)
        assert slot is not None
        assert (running is None) is (ended is not None)
        seen.add(ended is not None)
        if running is not None:
            assert (slot.state, slot.reservation_id) == (State.OCCUPIED, booking)
            await release(desk, booking)
        else:
            assert (slot.state, slot.reservation_id) == (State.FREE, None)
    print("ended as no-show or arrived:", seen)


async def test_several_workers_end_each_once(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk, slots=40)
    for number in range(40):
        await reserve(desk, ReserveRequest(f"P {number}", lot="here"))
    clock.advance(GRACE)
    await asyncio.gather(*(end_no_shows(desk) for _ in range(5)))
    assert await end_no_shows(desk) == 0
    assert await endings(desk) == [Ending.NO_SHOW] * 40


@pytest.mark.parametrize("ends", ["a release", "its grace"])
async def test_a_slot_that_is_to_close_closes_when_it_comes_free(timed: Timed, ends: str) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here"))).reservation
    async with desk.transaction() as connection:
        await connection.execute(update(records._STATE).values(closing=True))
    if ends == "a release":
        await release(desk, booking)
    else:
        clock.advance(GRACE)
        await end_no_shows(desk)
    async with desk.database.look() as connection:
        slot = await records.slot_by(connection, identifier="here-A1")
    assert slot is not None
    # Closed by itself, whatever becomes of its lot.
    assert (slot.state, slot.closing) == (State.CLOSED, True)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=5)])
async def test_a_no_show_is_billed_until_it_lost_the_slot_however_late_the_worker_is(
    timed: Timed, late: timedelta
) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    async with desk.transaction() as connection:
        await connection.execute(update(Lot).values(arrival_grace_s=1800))
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here"))).reservation
    clock.advance(timedelta(minutes=30, milliseconds=200) + late)
    assert await end_no_shows(desk) == 1
    async with desk.database.look() as connection:
        ended = await records.ended(connection, id=booking)
    assert ended is not None
    assert ended.amount_minor == 100


async def test_who_is_to_check_in_there_can_not_say_so_from_afar(timed: Timed) -> None:
    desk, clock = timed
    await lot_with_check_in(desk)
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here"))).reservation
    with pytest.raises(Problem) as refused:
        await arrive(desk, Arriving(booking, by_holder=True))
    assert refused.value.type == "check-in-there"
    clock.advance(GRACE)
    assert await end_no_shows(desk) == 1
