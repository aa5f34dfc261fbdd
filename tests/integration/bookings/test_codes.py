"""Codes given for a booking: they count at once, once, and to the end; who guesses is stopped."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.audit.models import AuditEntry
from app.bookings import attend, codes, queries, records
from app.bookings.codes import MOST_WRONG, Given, Giving, give_code
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import InvalidInput, Problem
from app.payments.service import set_tariff
from app.payments.tariffs.lines import Line, Offer, PerIncrement
from app.payments.tariffs.offers import MOST_CODES
from app.slots.models import Lot
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]
HOUR = timedelta(hours=1)
_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]
LINES = (
    PerIncrement(price_minor=100, increment_s=1800, per_s=1800),
    Offer(code="Cinema", percent_bp=5_000),
    Offer(code="HOUR", free_s=3600),
    Offer(code="FIRST", premium=True, amount_minor=100),
    *(Offer(code=f"C{number}", amount_minor=1) for number in range(MOST_CODES)),
)


async def open_with_offers(desk: Desk, lines: Sequence[Line] = LINES, slots: int = 2) -> Lot:
    lot = await open_lot(desk, lot_plan(slots=slots))
    await new_tariff(desk, lot, lines)
    return lot


async def new_tariff(desk: Desk, lot: Lot, lines: Sequence[Line]) -> None:
    assert lot.id is not None
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        await set_tariff(connection, lot.id, None, "EUR", "Europe/Berlin", lines, now, now)


async def booked(timed: Timed, **more: Any) -> str:
    """A booking that is parked for two hours, at 1.00 per started half hour."""
    desk, clock = timed
    await open_with_offers(desk)
    done = await reserve(desk, ReserveRequest("A 1", slot="here-A1", **more))
    clock.advance(2 * HOUR)
    return done.reservation


async def refused(work: Any) -> str:
    """Of what type the refusal is; of a wrong field, what is said of it."""
    with pytest.raises(Problem) as caught:
        await work
    if isinstance(caught.value, InvalidInput):
        return "; ".join(f"{one.field}: {one.message}" for one in caught.value.errors)
    return caught.value.type


async def codes_of(desk: Desk, reservation: str) -> list[str]:
    async with desk.database.look() as connection:
        found = await records.active(connection, id=reservation) or await records.ended(
            connection, id=reservation
        )
    assert found is not None
    return list(found.codes)


async def noted(desk: Desk, reservation: str) -> list[tuple[str, str, dict[str, Any]]]:
    async with desk.database.look() as connection:
        asked = select(_ENTRY).where(_ENTRY.c.subject == reservation).order_by(_ENTRY.c.id)
        rows = (await connection.execute(asked)).mappings().all()
    return [(row["who"], row["act"], json.loads(row["detail"])) for row in rows]


async def test_a_code_counts_at_once_and_stands_in_the_lines(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    given = await give_code(desk, Giving(" cinema ", booking))
    assert (given.code, given.codes, given.fresh) == ("Cinema", ("Cinema",), True)
    assert given.fee.amount_minor == 200
    assert given.fee.lines[-1].rule == "offer Cinema"
    more = await give_code(desk, Giving("hour", booking))
    assert (more.fee.amount_minor, more.codes) == (100, ("Cinema", "HOUR"))
    assert await noted(desk, booking) == [
        ("driver", "give-code", {"code": "Cinema"}),
        ("driver", "give-code", {"code": "HOUR"}),
    ]


async def test_a_code_that_is_given_already_is_said_so_and_counts_once(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    first = await give_code(desk, Giving("Cinema", booking))
    again = await give_code(desk, Giving("CINEMA", booking))
    assert (again.fresh, again.codes, again.fee) == (False, first.codes, first.fee)
    assert len(await noted(desk, booking)) == 1


async def test_the_same_code_sent_by_many_at_once_is_given_once(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    told = await asyncio.gather(*(give_code(desk, Giving("Cinema", booking)) for _ in range(6)))
    assert sorted(one.fresh for one in told) == [False] * 5 + [True]
    assert await codes_of(desk, booking) == ["Cinema"]


async def test_different_codes_given_at_once_all_count(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    await asyncio.gather(*(give_code(desk, Giving(f"c{number}", booking)) for number in range(6)))
    assert sorted(await codes_of(desk, booking)) == [f"C{number}" for number in range(6)]


async def test_codes_that_were_written_as_they_were_first_seen_would_be_lost(
    timed: Timed, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test before can fail: without the lock one code is written over by another."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has but one writer")
    desk, _ = timed
    booking = await booked(timed)
    both_have_looked = asyncio.Barrier(2)

    async def unlocked(connection: Any, giving: Giving) -> Any:
        found = await records.active(connection, id=booking)
        assert found is not None
        slot = await records.slot_by(connection, id=found.slot_id)
        await both_have_looked.wait()
        return slot, found

    monkeypatch.setattr(codes, "_locked", unlocked)
    await asyncio.gather(*(give_code(desk, Giving(code, booking)) for code in ("C1", "C2")))
    assert len(await codes_of(desk, booking)) == 1


async def test_a_code_and_the_end_at_once_agree_on_the_fee(timed: Timed) -> None:
    desk, clock = timed
    await open_with_offers(desk)
    for number in range(8):
        made = await reserve(desk, ReserveRequest(f"B {number}", slot="here-A1"))
        clock.advance(2 * HOUR)
        work = [give_code(desk, Giving("Cinema", made.reservation)), release(desk, made.reservation)]
        given, ended = await asyncio.gather(*work, return_exceptions=True)
        assert not isinstance(ended, BaseException)
        counted = isinstance(given, Given)
        if not counted:
            assert isinstance(given, Problem)
            assert given.type == "booking-ended"
        assert await codes_of(desk, made.reservation) == (["Cinema"] if counted else [])
        assert ended.fee.amount_minor == (200 if counted else 400)  # type: ignore[union-attr]


async def test_a_code_that_does_nothing_here_is_refused_by_name_and_changes_nothing(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    assert await refused(give_code(desk, Giving("theatre", booking))) == (
        "code: “theatre” is no code of an offer here"
    )
    assert await refused(give_code(desk, Giving("first", booking))) == (
        "code: “FIRST” is not for this slot, only for premium slots"
    )
    assert await refused(give_code(desk, Giving("  ", booking))) == "code: type the code"
    assert await codes_of(desk, booking) == []


async def test_what_counts_is_the_tariff_that_the_booking_was_made_at(timed: Timed) -> None:
    desk, clock = timed
    lot = await open_with_offers(desk)
    before = (await reserve(desk, ReserveRequest("A 1", slot="here-A1"))).reservation
    clock.advance(timedelta(minutes=1))
    await new_tariff(desk, lot, (LINES[0], Offer(code="NEW", percent_bp=1_000)))
    after = (await reserve(desk, ReserveRequest("A 2", slot="here-A2"))).reservation
    assert (await give_code(desk, Giving("cinema", before))).fresh
    assert (await give_code(desk, Giving("new", after))).fresh
    assert "is no code" in await refused(give_code(desk, Giving("new", before)))
    assert "is no code" in await refused(give_code(desk, Giving("cinema", after)))


async def test_no_more_codes_than_ten_are_given_and_one_of_them_again_is_no_fault(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    for number in range(MOST_CODES):
        await give_code(desk, Giving(f"C{number}", booking))
    assert await refused(give_code(desk, Giving("Cinema", booking))) == "no-more-codes"
    assert not (await give_code(desk, Giving("c3", booking))).fresh


async def test_who_guesses_is_refused_for_the_rest_of_the_booking_but_not_at_the_desk(timed: Timed) -> None:
    desk, clock = timed
    booking = await booked(timed)
    await refused(give_code(desk, Giving("first", booking)))  # known, and so no guess
    for number in range(MOST_WRONG):
        assert "is no code" in await refused(give_code(desk, Giving(f"guess{number}", booking)))
    clock.advance(48 * HOUR)
    assert await refused(give_code(desk, Giving("guess", booking))) == "too-many-wrong-codes"
    assert await refused(give_code(desk, Giving("Cinema", booking))) == "too-many-wrong-codes"
    assert [act for _, act, _ in await noted(desk, booking)] == ["wrong-code"] * MOST_WRONG
    assert (await give_code(desk, Giving("Cinema", booking, by="Ann"))).fresh
    other = (await reserve(desk, ReserveRequest("A 2", slot="here-A2"))).reservation
    assert (await give_code(desk, Giving("Cinema", other))).fresh


async def test_what_an_attendant_types_wrong_is_not_counted_and_what_is_right_is_noted(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    for _ in range(MOST_WRONG + 1):
        assert "is no code" in await refused(give_code(desk, Giving("wrong", booking, by="Ann")))
    await give_code(desk, Giving("cinema", booking, by="Ann"))
    assert await noted(desk, booking) == [("Ann", "validate", {"code": "Cinema"})]


async def test_a_booking_is_meant_by_its_slot_and_entity_also_after_it_was_moved(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    assert (await give_code(desk, Giving("c1", slot="here-A1", entity=" A 1 "))).reservation == booking
    assert await refused(give_code(desk, Giving("c1", slot="here-A1", entity="B 9"))) == "no-such-reservation"
    assert await refused(give_code(desk, Giving("c1", slot="none", entity="A 1"))) == "no-such-slot"
    assert await refused(give_code(desk, Giving("c1", "none"))) == "no-such-reservation"
    await move(desk, booking)
    moved = await give_code(desk, Giving("c2", slot="here-A1", entity="A 1"))
    assert (moved.slot, moved.codes) == ("here-A2", ("C1", "C2"))
    assert moved.fee.amount_minor == 398


async def move(desk: Desk, reservation: str) -> None:
    """Moves the booking from the first slot to the second one."""
    async with desk.database.look() as connection:
        here, there = [await records.slot_by(connection, identifier=f"here-A{n}") for n in (1, 2)]
    assert here is not None
    assert there is not None
    await attend.move_booking(desk, reservation, (here.slot_id, here.version), there.slot_id)


async def test_a_booking_that_has_ended_keeps_its_codes_and_takes_no_more(timed: Timed) -> None:
    desk, _ = timed
    booking = await booked(timed)
    await give_code(desk, Giving("Cinema", booking))
    assert (await release(desk, booking)).fee.amount_minor == 200
    assert await codes_of(desk, booking) == ["Cinema"]
    assert await refused(give_code(desk, Giving("HOUR", booking))) == "booking-ended"
    async with desk.database.look() as connection:
        found = await queries.booking(connection, booking)
    assert found is not None
    assert found.end is not None
    assert found.end.lines[-1]["rule"] == "offer Cinema"


async def test_codes_may_come_with_the_reserve_and_a_wrong_one_books_nothing(timed: Timed) -> None:
    desk, clock = timed
    await open_with_offers(desk)
    asked = ReserveRequest("A 1", lot="here", codes=("cinema", "theatre", "first"))
    assert await refused(reserve(desk, asked)) == (
        "codes.1: “theatre” is no code of an offer here; "
        "codes.2: “FIRST” is not for this slot, only for premium slots"
    )
    # Nothing was booked, and the slot that was proposed is to be had at once.
    done = await reserve(desk, ReserveRequest("A 1", slot="here-A1", codes=("cinema", "CINEMA")))
    assert await codes_of(desk, done.reservation) == ["Cinema"]
    clock.advance(2 * HOUR)
    assert (await release(desk, done.reservation)).fee.amount_minor == 200
