"""Reserve and unreserve, against a real Redis and a real SQL."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.errors import InvalidInput, Problem
from app.slots.layout import Wish
from app.slots.models import STATE_CODES, State
from app.slots.status import LotKey
from tests.integration.lots import lot_plan, open_lot

FREE, RESERVED = STATE_CODES[State.FREE], STATE_CODES[State.RESERVED]


async def test_the_nearest_slot_is_given_and_redis_knows_of_it(desk: Desk) -> None:
    lot = await open_lot(desk)
    done = await reserve(desk, ReserveRequest("HKR 4821", lot="here"))
    assert done.slot == "here-A1"
    seen = await desk.status.snapshot(lot.id or 0)
    assert list(seen.states) == [RESERVED, FREE, FREE, FREE, FREE]


async def test_a_released_slot_is_free_again_and_its_fee_is_fixed(desk: Desk) -> None:
    lot = await open_lot(desk)
    await reserve(desk, ReserveRequest("HKR 4821", lot="here"))
    first = await unreserve(desk, UnreserveRequest("HKR 4821", "here-A1"))
    again = await unreserve(desk, UnreserveRequest("HKR 4821", "here-A1"))
    assert (first.fee.amount_minor, first.fee.currency) == (100, "EUR")
    assert again == first
    seen = await desk.status.snapshot(lot.id or 0)
    assert list(seen.states) == [FREE] * 5


async def test_a_full_lot_says_404_and_books_again_after_a_release(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=2))
    for plate in ("A 1", "A 2"):
        await reserve(desk, ReserveRequest(plate, lot="here"))
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 3", lot="here"))
    assert (refused.value.status, refused.value.type) == (404, "all-taken")
    await unreserve(desk, UnreserveRequest("A 1", "here-A1"))
    assert (await reserve(desk, ReserveRequest("A 3", lot="here"))).slot == "here-A1"


async def test_standard_slots_go_first_then_premium_ones(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=3, premium=1))
    given = [await reserve(desk, ReserveRequest(f"P {n}", lot="here")) for n in range(3)]
    assert [one.slot_name for one in given] == ["A2", "A3", "A1"]
    assert given[2].price.price_minor == 150


async def test_accessible_slots_are_given_only_to_who_asks(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=2, accessible=1))
    assert (await reserve(desk, ReserveRequest("A 1", lot="here"))).slot_name == "A1"
    with pytest.raises(Problem):
        await reserve(desk, ReserveRequest("A 2", lot="here"))
    asked = ReserveRequest("A 2", lot="here", wish=Wish(accessible=True))
    assert (await reserve(desk, asked)).slot_name == "A2"


async def test_a_named_slot_that_is_taken_is_refused_with_the_nearest_like_it(desk: Desk) -> None:
    await open_lot(desk)
    await reserve(desk, ReserveRequest("A 1", slot="here-A3"))
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 2", slot="here-A3"))
    assert refused.value.status == 409
    assert refused.value.extra["nearest"] in ("here-A2", "here-A4")


async def test_an_entity_holds_one_slot_at_a_time_and_is_told_which(desk: Desk) -> None:
    await open_lot(desk)
    held = await reserve(desk, ReserveRequest("A 1", lot="here"))
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest(" A 1 ", lot="here"))
    assert refused.value.type == "entity-has-reservation"
    assert refused.value.extra == {"slot": held.slot, "name": "A1", "reservation": held.reservation}
    seen = await desk.status.snapshot(1)
    assert list(seen.states).count(RESERVED) == 1
    # The lease of the refused request was given back at once.
    assert await desk.status.propose(LotKey(1, 1), [[1]], 9) != []


async def test_a_repeated_request_with_its_key_gets_the_same_booking(desk: Desk) -> None:
    await open_lot(desk)
    key = IdempotencyKey("test", "k1", "d1")
    first = await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=key))
    again = await reserve(desk, ReserveRequest("A 1", lot="here", idempotency=key))
    assert again == first
    other = IdempotencyKey("test", "k1", "another body")
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 9", lot="here", idempotency=other))
    assert refused.value.status == 422


async def test_the_same_key_many_times_at_once_books_once_and_the_others_are_told_to_ask_again(
    desk: Desk,
) -> None:
    await open_lot(desk)
    key = IdempotencyKey("test", "k1", "d1")
    asked = ReserveRequest("A 1", lot="here", idempotency=key)
    answers = await asyncio.gather(*(reserve(desk, asked) for _ in range(20)), return_exceptions=True)
    booked = [one for one in answers if not isinstance(one, BaseException)]
    refused = [one for one in answers if isinstance(one, Problem)]
    assert len(booked) == 1
    assert [(one.status, one.type, one.retry_after_s) for one in refused] == [
        (409, "request-in-flight", 1)
    ] * 19
    assert await reserve(desk, asked) == booked[0]
    seen = await desk.status.snapshot(1)
    assert list(seen.states).count(RESERVED) == 1


async def test_a_form_sent_many_times_at_once_waits_and_gets_one_answer(desk: Desk) -> None:
    await open_lot(desk)
    key = IdempotencyKey("browser", "k1", "d1", waits=True)
    asked = ReserveRequest("A 1", lot="here", idempotency=key)
    done = await asyncio.gather(*(reserve(desk, asked) for _ in range(20)))
    assert len({one.reservation for one in done}) == 1


async def test_every_wrong_field_is_named_at_once(desk: Desk) -> None:
    await open_lot(desk)
    now = datetime.now(UTC)
    asked = ReserveRequest("  ", lot="here", start=now - timedelta(hours=1), until=now - timedelta(hours=2))
    with pytest.raises(InvalidInput) as refused:
        await reserve(desk, asked)
    assert [one.field for one in refused.value.errors] == ["entityIdentifier", "time", "until"]


async def test_cancelling_before_the_start_costs_nothing(desk: Desk) -> None:
    await open_lot(desk)
    start = datetime.now(UTC) + timedelta(minutes=20)
    await reserve(desk, ReserveRequest("A 1", lot="here", start=start))
    done = await unreserve(desk, UnreserveRequest("A 1", "here-A1"))
    assert done.fee.amount_minor == 0


async def test_a_slot_that_others_never_held_is_404(desk: Desk) -> None:
    await open_lot(desk)
    with pytest.raises(Problem) as refused:
        await unreserve(desk, UnreserveRequest("A 1", "here-A1"))
    assert refused.value.status == 404


async def test_without_redis_sql_chooses_and_the_truth_holds(desk: Desk, redis: Redis) -> None:
    await open_lot(desk, lot_plan(slots=2))
    await redis.flushall()
    assert (await reserve(desk, ReserveRequest("A 1", lot="here"))).slot == "here-A1"
    assert (await reserve(desk, ReserveRequest("A 2", lot="here"))).slot == "here-A2"
    with pytest.raises(Problem) as refused:
        await reserve(desk, ReserveRequest("A 3", lot="here"))
    assert refused.value.status == 404


async def test_a_redis_that_believes_wrongly_is_put_right_by_the_next_request(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(slots=2))
    taken = await reserve(desk, ReserveRequest("A 1", lot="here"))
    # As if Redis had lost its last second: the slot shows free there, though SQL gave it away.
    await desk.status.begin(LotKey(lot.id or 0, 1), 1)
    from app.slots.status import SlotChange

    await desk.status.apply(
        LotKey(lot.id or 0, 1),
        [SlotChange(0, 1, 1, State.FREE), SlotChange(1, 1, 1, State.FREE)],
        publish=False,
    )
    await desk.status.finish(LotKey(lot.id or 0, 1), 1, built=True)
    other = await reserve(desk, ReserveRequest("A 2", lot="here"))
    assert other.slot != taken.slot
    seen = await desk.status.snapshot(lot.id or 0)
    assert list(seen.states) == [RESERVED, RESERVED]
