"""A slot held for a browser: confirmed, let go, or lost when its minute is over."""

import asyncio
from datetime import timedelta

import pytest

from app.bookings.desk import Desk
from app.bookings.expire import end_holds
from app.bookings.forms import ReserveRequest
from app.bookings.hold import Visitor, held_for, hold, let_go
from app.bookings.holdings import MOST_HELD
from app.bookings.reserve import reserve
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import Problem
from app.slots.models import STATE_CODES, Lot, State
from tests.integration.lots import lot_plan, open_lot

ANNA, BEN = Visitor("anna", "10.0.0.1"), Visitor("ben", "10.0.0.2")
Timed = tuple[Desk, FixedClock]


async def states(desk: Desk, lot: Lot) -> list[State]:
    """What Redis knows of the lot, which is what viewers see."""
    await desk.ended()
    by_code = {code: state for state, code in STATE_CODES.items()}
    return [by_code[code] for code in (await desk.status.snapshot(lot.id or 0)).states]


async def test_a_held_slot_is_nobody_elses_and_becomes_the_booking_of_who_confirms(timed: Timed) -> None:
    desk, _ = timed
    lot = await open_lot(desk, lot_plan(slots=2))
    held = await hold(desk, "here-A1", ANNA)
    assert held is not None
    assert await states(desk, lot) == [State.HELD, State.FREE]
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("B 1", slot="here-A1"))
    assert (refused.value.status, refused.value.type) == (409, "slot-taken")
    assert (await reserve(desk, ReserveRequest("B 1", lot="here"))).slot == "here-A2"
    with pytest.raises(Problem) as full:
        await reserve(desk, ReserveRequest("C 1", lot="here"))
    assert full.value.type == "all-taken"
    done = await reserve(desk, ReserveRequest("A 1", slot="here-A1", hold=held.hold))
    assert done.slot == "here-A1"
    assert await states(desk, lot) == [State.RESERVED, State.RESERVED]
    assert await held_for(desk, ANNA.browser) is None


async def test_a_hold_that_nobody_answers_ends_after_a_minute_and_not_before(timed: Timed) -> None:
    desk, clock = timed
    lot = await open_lot(desk, lot_plan(slots=1))
    held = await hold(desk, "here-A1", ANNA)
    assert held is not None
    clock.advance(timedelta(seconds=59))
    assert await end_holds(desk) == 0
    assert await states(desk, lot) == [State.HELD]
    clock.advance(timedelta(seconds=1))
    assert await held_for(desk, ANNA.browser) is None
    assert await end_holds(desk) == 1
    assert await states(desk, lot) == [State.FREE]
    await reserve(desk, ReserveRequest("B 1", slot="here-A1"))
    with pytest.raises(Problem) as late:
        await reserve(desk, ReserveRequest("A 1", slot="here-A1", hold=held.hold))
    assert late.value.type == "slot-taken"


async def test_who_lets_go_frees_the_slot_at_once_and_only_their_own(timed: Timed) -> None:
    desk, _ = timed
    lot = await open_lot(desk, lot_plan(slots=1))
    held = await hold(desk, "here-A1", ANNA)
    assert held is not None
    await let_go(desk, held.hold, BEN.browser)
    assert await states(desk, lot) == [State.HELD]
    await let_go(desk, held.hold, ANNA.browser)
    await let_go(desk, held.hold, ANNA.browser)
    assert await states(desk, lot) == [State.FREE]


async def test_a_browser_has_one_slot_held_and_an_address_a_few(timed: Timed) -> None:
    desk, _ = timed
    await open_lot(desk, lot_plan(slots=10))
    first = await hold(desk, "here-A1", ANNA)
    assert first is not None
    assert await hold(desk, "here-A2", ANNA) is None
    still = await held_for(desk, ANNA.browser)
    assert still is not None
    assert still.id == first.hold
    more = [await hold(desk, f"here-A{n + 3}", Visitor(f"b{n}", ANNA.address)) for n in range(MOST_HELD)]
    assert [one is not None for one in more] == [True] * (MOST_HELD - 1) + [False]
    assert await hold(desk, "here-A9", BEN) is not None


async def test_of_many_who_want_the_same_slot_one_has_it(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    wanted: list[object] = [hold(desk, "here-A1", Visitor(f"b{n}", f"a{n}")) for n in range(8)]
    wanted += [reserve(desk, ReserveRequest(f"P {n}", slot="here-A1")) for n in range(8)]
    told = await asyncio.gather(*wanted, return_exceptions=True)  # type: ignore[call-overload]
    assert sum(one is not None and not isinstance(one, Problem) for one in told) == 1


async def test_confirming_and_its_end_at_once_come_to_one_of_both(timed: Timed) -> None:
    desk, clock = timed
    lot = await open_lot(desk, lot_plan(slots=1))
    for number in range(12):
        held = await hold(desk, "here-A1", ANNA)
        assert held is not None
        clock.advance(timedelta(seconds=60))
        confirming = reserve(desk, ReserveRequest(f"P {number}", slot="here-A1", hold=held.hold))
        told, _ = await asyncio.gather(confirming, end_holds(desk), return_exceptions=True)
        if isinstance(told, Problem):
            assert told.type == "slot-taken"
            assert await states(desk, lot) == [State.FREE]
        else:
            assert not isinstance(told, BaseException)
            assert await states(desk, lot) == [State.RESERVED]
            await release(desk, told.reservation)
