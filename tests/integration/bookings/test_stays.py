"""Extending a stay and arriving: checked and applied at once, told alike when repeated."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import update

from app.bookings import records
from app.bookings.desk import Desk
from app.bookings.expire import end_no_shows
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.jobs import Arriving, Extending
from app.bookings.reserve import reserve
from app.bookings.results import Arrived, Extended
from app.bookings.stay import arrive, extend, extension
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import InvalidInput, Problem
from app.slots.models import STATE_CODES, Lot, State
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]
HOUR = timedelta(hours=1)


async def booked(timed: Timed, hours: int | None = 2) -> str:
    """A booking of the only slot, for so many hours."""
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=1))
    until = clock.now() + hours * HOUR if hours else None
    return (await reserve(desk, ReserveRequest("A 1", lot="here", until=until))).reservation


async def test_an_extension_says_what_it_costs_and_moves_the_end(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    clock.advance(HOUR)
    done = await extend(desk, extension(booking, start + 3 * HOUR, start + 2 * HOUR, None))
    assert (done.until, done.fee.amount_minor, done.more_minor) == (start + 3 * HOUR, 600, 200)
    async with desk.database.look() as connection:
        running = await records.active(connection, id=booking)
    assert running is not None
    assert running.until == start + 3 * HOUR


async def test_an_end_that_was_open_or_is_past_is_extended_from_now(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed, None), clock.now()
    clock.advance(HOUR)
    done = await extend(desk, extension(booking, start + 2 * HOUR, None, None))
    assert done.more_minor == 200
    clock.advance(3 * HOUR)
    late = await extend(desk, extension(booking, start + 5 * HOUR, start + 2 * HOUR, None))
    assert late.more_minor == 200


async def test_a_booking_of_tomorrow_without_an_end_is_extended_from_when_it_begins(timed: Timed) -> None:
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=1))
    start = clock.now() + 20 * HOUR
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here", start=start))).reservation
    with pytest.raises(InvalidInput):
        await extend(desk, extension(booking, start, None, None))
    done = await extend(desk, extension(booking, start + HOUR, None, None))
    assert done.more_minor == 200


@pytest.mark.parametrize("hours", [-1, 0, 2, 24 * 367])
async def test_an_end_that_can_not_be_is_refused_by_its_field(timed: Timed, hours: int) -> None:
    desk, clock = timed
    booking = await booked(timed)
    with pytest.raises(InvalidInput) as refused:
        await extend(desk, Extending(clock.now() + hours * HOUR, booking))
    assert [one.field for one in refused.value.errors] == ["until"]


async def test_who_saw_another_end_is_told_and_nothing_changes(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    with pytest.raises(Problem) as refused:
        await extend(desk, extension(booking, start + 4 * HOUR, start + HOUR, None))
    assert (refused.value.status, refused.value.type) == (409, "changed-meanwhile")


async def test_two_extensions_at_once_of_what_both_saw_come_to_one(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    both = [extend(desk, extension(booking, start + n * HOUR, start + 2 * HOUR, None)) for n in (3, 4)]
    told = await asyncio.gather(*both, return_exceptions=True)
    done = [one for one in told if isinstance(one, Extended)]
    refused = [one for one in told if isinstance(one, Problem)]
    assert (len(done), [one.type for one in refused]) == (1, ["changed-meanwhile"])
    async with desk.database.look() as connection:
        running = await records.active(connection, id=booking)
    assert running is not None
    assert running.until == done[0].until


async def test_sent_again_under_its_key_it_is_answered_alike_and_done_once(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    key = IdempotencyKey("test", "k1", "d")
    asked = [extension(booking, start + 3 * HOUR, start + 2 * HOUR, key) for _ in range(2)]
    first = await extend(desk, asked[0])
    clock.advance(HOUR)
    assert await extend(desk, asked[1]) == first


@pytest.mark.parametrize("closes", ["the slot", "the lot"])
async def test_what_is_to_close_is_not_extended(timed: Timed, closes: str) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    async with desk.transaction() as connection:
        change = (
            update(records._STATE).values(closing=True)
            if closes == "the slot"
            else update(Lot).values(closed=True)
        )
        await connection.execute(change)
    with pytest.raises(Problem) as refused:
        await extend(desk, Extending(start + 3 * HOUR, booking))
    assert refused.value.type == "slot-closes"


async def test_a_gate_extends_by_slot_and_entity_and_only_for_its_holder(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    done = await extend(desk, Extending(start + 3 * HOUR, slot="here-A1", entity="A 1"))
    assert done.reservation == booking
    with pytest.raises(Problem) as refused:
        await extend(desk, Extending(start + 4 * HOUR, slot="here-A1", entity="B 1"))
    assert (refused.value.status, refused.value.type) == (404, "no-such-reservation")


async def test_who_arrives_stands_there_and_is_told_so_again(timed: Timed) -> None:
    desk, clock = timed
    booking, start = await booked(timed), clock.now()
    first = await arrive(desk, Arriving(booking))
    clock.advance(HOUR)
    assert (
        await arrive(desk, Arriving(slot="here-A1", entity="A 1"))
        == first
        == Arrived(booking, "here-A1", "here", start)
    )
    await desk.ended()
    lot = await desk.layouts.of_code("here")
    assert lot is not None
    assert list((await desk.status.snapshot(lot.lot_id)).states) == [STATE_CODES[State.OCCUPIED]]


async def test_who_arrives_before_the_time_is_billed_from_then_on(timed: Timed) -> None:
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=1))
    start = clock.now() + 20 * HOUR
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here", start=start))).reservation
    await arrive(desk, Arriving(booking))
    clock.advance(timedelta(minutes=10))
    assert (await release(desk, booking)).fee.amount_minor == 100


async def test_a_booking_that_has_ended_is_neither_extended_nor_arrived_at(timed: Timed) -> None:
    desk, clock = timed
    booking = await booked(timed)
    await release(desk, booking)
    for work in (extend(desk, Extending(clock.now() + 3 * HOUR, booking)), arrive(desk, Arriving(booking))):
        with pytest.raises(Problem) as refused:
            await work  # type: ignore[misc]
        assert (refused.value.status, refused.value.type) == (409, "booking-ended")


async def test_whatever_happens_to_a_booking_at_once_comes_to_one_story(timed: Timed) -> None:
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=1))
    async with desk.transaction() as connection:
        await connection.execute(update(Lot).values(check_in_required=True))
    for number in range(16):
        start = clock.now()
        until = start + 2 * HOUR
        booking = (await reserve(desk, ReserveRequest(f"P {number}", lot="here", until=until))).reservation
        clock.advance(timedelta(minutes=15))
        acts = [
            arrive(desk, Arriving(booking)),
            end_no_shows(desk),
            extend(desk, extension(booking, start + 3 * HOUR, until, None)),
            release(desk, booking),
        ]
        shift = number % 4
        await asyncio.gather(*acts[shift:], *acts[:shift], return_exceptions=True)
        async with desk.database.look() as connection:
            slot = await records.slot_by(connection, identifier="here-A1")
            running = await records.active(connection, id=booking)
            ended = await records.ended(connection, id=booking)
        assert slot is not None
        # A release takes place in any case, if nothing else has ended it.
        assert (slot.state, slot.reservation_id, running) == (State.FREE, None, None)
        assert ended is not None
        assert (ended.ending == "no-show") <= (ended.arrived_at is None)
