"""Attendants close, open, move and delete while others book: a slot has one booking, Redis is true."""

import asyncio
import os
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app.bookings import attend, records, relocations
from app.bookings.deleting import delete_slot
from app.bookings.desk import Desk
from app.bookings.expire import follow_lots
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.hold import held_for, let_go
from app.bookings.jobs import Act, Arriving, Extending, Joining
from app.bookings.models import Hold, ReservationMove
from app.bookings.opening import put_slot
from app.bookings.records import RESERVATION
from app.bookings.reserve import reserve
from app.bookings.results import Released, Relocated, Worked
from app.bookings.stay import arrive, extend
from app.bookings.unreserve import release, unreserve
from app.core.errors import Problem, Unavailable
from app.slots.forms import SlotForm
from app.slots.layout import Wish
from app.slots.models import Lot, Slot, SlotState, State
from app.slots.pictures import StatusPictures
from app.slots.relay import relay_once
from app.slots.service import put_slot as put_in_service
from tests.integration.lots import lot_plan, open_lot

_STATE = SlotState.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]
_MOVE = ReservationMove.__table__  # type: ignore[attr-defined]
_HOLD = Hold.__table__  # type: ignore[attr-defined]
Where = dict[str, tuple[int, int, State, bool]]


async def where(desk: Desk) -> Where:
    """Number, version, state and closing of each slot, by name, as SQL has them."""
    columns = (_SLOT.c.name, _SLOT.c.id, _STATE.c.version, _STATE.c.state, _STATE.c.closing)
    async with desk.database.look() as connection:
        rows = await connection.execute(
            select(*columns).join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
        )
        return {
            name: (number, version, State(state), closing) for name, number, version, state, closing in rows
        }


async def states(desk: Desk) -> str:
    """One letter a slot, in the order of positions: free, reserved, occupied, closed, held."""
    async with desk.database.look() as connection:
        rows = await connection.execute(
            select(_STATE.c.state)
            .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
            .order_by(_SLOT.c.position)
        )
        return "".join(state[0] for state in rows.scalars())


async def redis_is_true(desk: Desk, lot_id: int) -> None:
    """What a viewer is shown, from Redis, is what SQL has."""
    await relay_once(desk.database, desk.status, -1.0)
    pictures = StatusPictures(desk.database, desk.layouts, desk.status)
    picture = await pictures.read(lot_id, None)
    assert picture is not None
    assert picture.epoch != "sql"
    shown = "".join("froch"[code] for code in picture.states)
    assert shown == await states(desk)


async def book(desk: Desk, entity: str, slot: str | None = None, *, arrived: bool = False) -> Any:
    request = ReserveRequest(
        entity, lot="here", slot=None if slot is None else f"here-{slot}", arrived=arrived
    )
    return await reserve(desk, request)


async def now_of(desk: Desk) -> datetime:
    async with desk.database.look() as connection:
        return await desk.database.now(connection)


async def refusal(work: Any) -> str:
    with pytest.raises(Problem) as caught:
        await work
    return caught.value.type


async def test_a_free_slot_closes_at_once_and_opens_again(desk: Desk) -> None:
    lot = await open_lot(desk)
    number, version, _, _ = (await where(desk))["A2"]
    await attend.close_slot(desk, number, version)
    assert await states(desk) == "fcfff"
    assert await refusal(book(desk, "B 1", "A2")) == "slot-closed"
    await attend.open_slot(desk, number, version + 1)
    assert await states(desk) == "fffff"
    assert (await where(desk))["A2"] == (number, version + 2, State.FREE, False)
    await redis_is_true(desk, lot.id or 0)


@pytest.mark.parametrize("arrived", [False, True])
async def test_a_slot_that_somebody_has_closes_when_it_comes_free(desk: Desk, arrived: bool) -> None:
    lot = await open_lot(desk)
    booked = await book(desk, "B 1", "A1", arrived=arrived)
    number, version, state, _ = (await where(desk))["A1"]
    await attend.close_when_free(desk, number, version)
    assert (await where(desk))["A1"] == (number, version + 1, state, True)
    await redis_is_true(desk, lot.id or 0)
    await release(desk, booked.reservation)
    assert await states(desk) == "cffff"
    await redis_is_true(desk, lot.id or 0)


async def test_a_slot_that_was_to_close_and_is_kept_open_comes_free(desk: Desk) -> None:
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    number, version, _, _ = (await where(desk))["A1"]
    await attend.close_when_free(desk, number, version)
    await attend.keep_open(desk, number, version + 1)
    await release(desk, booked.reservation)
    assert await states(desk) == "fffff"


async def test_each_act_names_the_version_that_was_on_the_screen(desk: Desk) -> None:
    await open_lot(desk)
    number, version, _, _ = (await where(desk))["A1"]
    booked = await book(desk, "B 1", "A1")
    for act in (attend.close_slot, attend.close_when_free, attend.open_slot, attend.keep_open):
        assert await refusal(act(desk, number, version)) == "changed-meanwhile"
    other = (await where(desk))["A2"][0]
    late = attend.move_booking(desk, booked.reservation, (number, version), other)
    assert await refusal(late) == "changed-meanwhile"
    assert await refusal(delete_slot(desk, number, version)) == "changed-meanwhile"
    assert await states(desk) == "rffff"


async def test_an_act_that_comes_again_under_its_key_is_done_once(desk: Desk) -> None:
    await open_lot(desk)
    key = IdempotencyKey("browser", "one", "digest", waits=True)
    number, version, _, _ = (await where(desk))["A1"]
    for _ in range(2):
        await attend.close_slot(desk, number, version, key)
    assert (await where(desk))["A1"][1] == version + 1
    ids = [one[0] for one in (await where(desk)).values()]
    many = IdempotencyKey("browser", "many", "digest", waits=True)
    first = await attend.work_on(desk, Act.CLOSE, ids, many)
    await attend.work_on(desk, Act.OPEN, ids)
    assert await attend.work_on(desk, Act.CLOSE, ids, many) == first == Worked(4, 0)
    assert await states(desk) == "fffff"


async def test_a_stretch_closes_and_opens_slot_by_slot_as_each_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend, "AT_ONCE", 2)
    lot = await open_lot(desk)
    await book(desk, "B 1", "A2")
    await book(desk, "B 2", "A3", arrived=True)
    ids = [(await where(desk))[name][0] for name in ("A1", "A2", "A3", "A4")]
    assert await attend.work_on(desk, Act.CLOSE, ids) == Worked(2, 2)
    assert await states(desk) == "crocf"
    assert await attend.work_on(desk, Act.CLOSE, ids) == Worked(0, 0)
    assert await attend.work_on(desk, Act.OPEN, ids) == Worked(2, 2)
    assert await states(desk) == "froff"
    assert not any(closing for *_, closing in (await where(desk)).values())
    await redis_is_true(desk, lot.id or 0)


async def test_what_opens_is_held_for_who_waits(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(slots=1))
    number, version, _, _ = (await where(desk))["A1"]
    await attend.close_slot(desk, number, version)
    await desk.served(Joining(lot.id or 0, Wish(), "browser", "address"))
    await attend.open_slot(desk, number, version + 1)
    assert await states(desk) == "h"
    assert not (await where(desk))["A1"][3]


async def test_what_was_opened_for_who_waits_stays_open_also_where_they_let_it_go(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(slots=1))
    number, version, _, _ = (await where(desk))["A1"]
    await attend.close_slot(desk, number, version)
    await desk.served(Joining(lot.id or 0, Wish(), "browser", "address"))
    await attend.open_slot(desk, number, version + 1)
    held = await held_for(desk, "browser")
    assert held is not None
    await let_go(desk, held.id, "browser")
    assert await states(desk) == "f"


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_slot_that_is_not_as_its_lot_is_follows_it(desk: Desk, is_closed: bool) -> None:
    """Who read the lot before it was closed or opened may leave a slot behind."""
    lot = await open_lot(desk, lot_plan(slots=2))
    async with desk.transaction() as connection:
        await connection.execute(_LOT.update().values(closed=is_closed))
        state = State.FREE if is_closed else State.CLOSED
        await connection.execute(_STATE.update().values(state=state, version=_STATE.c.version + 1))
    assert await follow_lots(desk) == 2
    assert await states(desk) == ("cc" if is_closed else "ff")
    assert await follow_lots(desk) == 0
    await redis_is_true(desk, lot.id or 0)


async def test_what_was_closed_by_itself_does_not_follow_its_lot(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=2))
    await attend.close_slot(desk, *(await where(desk))["A1"][:2])
    assert await follow_lots(desk) == 0


async def test_a_gate_and_an_app_find_a_moved_booking_by_the_slot_that_the_driver_was_told(
    desk: Desk,
) -> None:
    await open_lot(desk)
    until = await now_of(desk) + timedelta(hours=1)
    asked = ReserveRequest("M 1", lot="here", slot="here-A1", until=until)
    booking = (await reserve(desk, asked)).reservation
    before = await where(desk)
    await attend.move_booking(desk, booking, before["A1"][:2], before["A3"][0])
    await book(desk, "N 1", "A1")
    for which in (None, booking):
        later = until + timedelta(hours=1 if which is None else 2)
        asked_for = Extending(later, slot="here-A1", entity="M 1", reservation=which)
        assert (await extend(desk, asked_for)).slot == "here-A3"
    assert (await arrive(desk, Arriving(slot="here-A1", entity="M 1"))).slot == "here-A3"
    assert await states(desk) == "rfoff"
    await release(desk, booking)
    assert await refusal(arrive(desk, Arriving(slot="here-A1", entity="M 1"))) == "no-such-reservation"


async def test_a_closed_lot_closes_its_slots_and_opens_those_that_were_not_closed_by_themselves(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attend, "AT_ONCE", 2)
    lot = await open_lot(desk)
    lot_id = lot.id or 0
    first, second = await book(desk, "B 1", "A1"), await book(desk, "B 2", "A2")
    before = await where(desk)
    await attend.close_when_free(desk, *before["A2"][:2])
    await attend.close_slot(desk, *before["A3"][:2])
    layout_version = lot.layout_version
    assert await attend.work_on_lot(desk, Act.CLOSE, lot_id) == Worked(2, 0)
    layout = await desk.layouts.of(lot_id)
    assert layout is not None
    assert layout.lot.closed
    assert layout.lot.layout_version > layout_version
    assert await states(desk) == "rrccc"
    assert await refusal(book(desk, "B 3")) == "all-taken"
    await release(desk, first.reservation)
    await release(desk, second.reservation)
    await redis_is_true(desk, lot_id)
    assert await states(desk) == "ccccc"
    assert await attend.work_on_lot(desk, Act.OPEN, lot_id) == Worked(3, 0)
    assert await states(desk) == "fccff"
    await redis_is_true(desk, lot_id)


async def test_in_a_closed_lot_a_slot_is_closed_and_opened_by_itself_too(desk: Desk) -> None:
    lot = await open_lot(desk)
    lot_id = lot.id or 0
    await attend.close_slot(desk, *(await where(desk))["A1"][:2])
    await attend.work_on_lot(desk, Act.CLOSE, lot_id)
    now = await where(desk)
    assert await refusal(attend.open_slot(desk, *now["A2"][:2])) == "lot-closed"
    await attend.open_slot(desk, *now["A1"][:2])
    assert await attend.work_on(desk, Act.CLOSE, [now["A3"][0]]) == Worked(1, 0)
    await put_slot(desk, SlotForm(identifier="here-A6", lot="here", area="A", name="A6"))
    assert await states(desk) == "cccccc"
    await attend.work_on_lot(desk, Act.OPEN, lot_id)
    assert await states(desk) == "ffcfff"


async def test_a_lot_that_was_closed_halfway_is_closed_by_the_same_act_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = await open_lot(desk)
    key = IdempotencyKey("browser", "lot", "digest", waits=True)
    with monkeypatch.context() as broken:
        broken.setattr(records, "not_as_their_lot", _away)
        assert await refusal(attend.work_on_lot(desk, Act.CLOSE, lot.id or 0, key)) == "unavailable"
    assert await states(desk) == "fffff"
    assert await refusal(book(desk, "B 1")) == "all-taken"
    await attend.work_on_lot(desk, Act.CLOSE, lot.id or 0, key)
    assert await states(desk) == "ccccc"


async def _away(*_: object) -> list[int]:
    raise Unavailable("The database")


async def test_a_booking_moves_with_its_price_and_what_it_left_comes_free(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(premium=1))
    booked = await book(desk, "B 1", "A2", arrived=True)
    now = await where(desk)
    done = await attend.move_booking(desk, booked.reservation, now["A2"][:2], now["A1"][0])
    assert done == Relocated("here-A1", "A1")
    assert await states(desk) == "offff"
    async with desk.database.look() as connection:
        moved = await records.active(connection, id=booked.reservation)
        noted = (
            await connection.execute(select(_MOVE.c.number, _MOVE.c.from_slot_id, _MOVE.c.to_slot_id))
        ).all()
    assert moved is not None
    assert (moved.slot_id, moved.premium) == (now["A1"][0], False)
    assert noted == [(1, now["A2"][0], now["A1"][0])]
    await redis_is_true(desk, lot.id or 0)


async def test_who_reserves_again_under_the_same_key_is_told_where_the_booking_is_now(desk: Desk) -> None:
    await open_lot(desk)
    key = IdempotencyKey("api", "one", "digest")
    request = ReserveRequest("B 1", lot="here", slot="here-A1", idempotency=key)
    booked = await reserve(desk, request)
    now = await where(desk)
    await attend.move_booking(desk, booked.reservation, now["A1"][:2], now["A2"][0])
    again = await reserve(desk, request)
    assert (again.reservation, again.slot, again.slot_name) == (booked.reservation, "here-A2", "A2")


async def test_a_slot_that_was_to_close_closes_when_its_booking_is_moved(desk: Desk) -> None:
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    now = await where(desk)
    await attend.close_when_free(desk, *now["A1"][:2])
    seen = (await where(desk))["A1"][:2]
    await attend.move_booking(desk, booked.reservation, seen, now["A2"][0])
    assert await states(desk) == "crfff"


async def test_nothing_is_moved_to_a_slot_that_is_not_free(desk: Desk) -> None:
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    await book(desk, "B 2", "A2")
    now = await where(desk)
    taken = attend.move_booking(desk, booked.reservation, now["A1"][:2], now["A2"][0])
    assert await refusal(taken) == "target-taken"
    same = attend.move_booking(desk, booked.reservation, now["A1"][:2], now["A1"][0])
    assert await refusal(same) == "target-taken"
    assert await states(desk) == "rrfff"


async def test_a_moved_booking_is_ended_by_the_slot_that_it_had_and_again_the_same(desk: Desk) -> None:
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    for name, to in (("A1", "A2"), ("A2", "A3")):
        now = await where(desk)
        await attend.move_booking(desk, booked.reservation, now[name][:2], now[to][0])
    # Somebody else stands where it was first.
    other = await book(desk, "B 2", "A1")
    assert await refusal(unreserve(desk, UnreserveRequest("B 9", "here-A1"))) == "no-such-reservation"
    first = await unreserve(desk, UnreserveRequest("B 1", "here-A1"))
    again = await unreserve(desk, UnreserveRequest("B 1", "here-A1"))
    assert isinstance(first, Released)
    assert (first.reservation, first.slot) == (booked.reservation, "here-A3")
    assert again == first
    assert await unreserve(desk, UnreserveRequest("B 1", "here-A3")) == first
    assert await states(desk) == "rffff"
    assert (await unreserve(desk, UnreserveRequest("B 2", "here-A1"))).reservation == other.reservation


async def test_who_ends_a_moved_booking_by_its_time_ends_no_later_one(desk: Desk) -> None:
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    now = await where(desk)
    await attend.move_booking(desk, booked.reservation, now["A1"][:2], now["A2"][0])
    async with desk.database.look() as connection:
        at = await desk.database.now(connection)
    request = UnreserveRequest("B 1", "here-A1", reservation=booked.reservation, time=at)
    first = await unreserve(desk, request)
    await book(desk, "B 1", "A1")
    assert (await unreserve(desk, request)).reservation == first.reservation
    assert await states(desk) == "rffff"


async def test_a_slot_entered_by_mistake_goes_and_the_map_is_as_sql_has_it(desk: Desk) -> None:
    lot = await open_lot(desk, lot_plan(slots=40))
    lot_id = lot.id or 0
    for number in (3, 20, 39):
        await book(desk, f"B {number}", f"A{number}")
    await attend.close_slot(desk, *(await where(desk))["A5"][:2])
    await delete_slot(desk, *(await where(desk))["A5"][:2])
    await delete_slot(desk, *(await where(desk))["A1"][:2])
    await redis_is_true(desk, lot_id)
    layout = await desk.layouts.of(lot_id)
    assert layout is not None
    assert [slot.position for slot in layout.slots] == [slot.rank for slot in layout.slots] == list(range(38))
    assert layout.lot.order_version == 3
    assert not {"A1", "A5"} & set(layout.by_name)
    assert await states(desk) == "frfff" + "f" * 12 + "r" + "f" * 18 + "rf"
    # Whoever comes next gets the nearest, and the identifier may be given again.
    assert (await book(desk, "B 2")).slot == "here-A2"
    await put_slot(desk, SlotForm(identifier="here-A1", lot="here", area="A", name="A1"))
    await redis_is_true(desk, lot_id)


async def test_a_slot_that_had_a_booking_is_not_deleted(desk: Desk) -> None:
    await open_lot(desk)
    await release(desk, (await book(desk, "B 1", "A1")).reservation)
    moved = await book(desk, "B 2", "A2")
    now = await where(desk)
    await attend.move_booking(desk, moved.reservation, now["A2"][:2], now["A3"][0])
    now = await where(desk)
    for name in ("A1", "A2"):
        assert await refusal(delete_slot(desk, *now[name][:2])) == "slot-was-used"
    assert await refusal(delete_slot(desk, *now["A3"][:2])) == "changed-meanwhile"
    assert len(await where(desk)) == 5


async def test_the_last_slot_of_a_lot_is_not_deleted(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    assert await refusal(delete_slot(desk, *(await where(desk))["A1"][:2])) == "last-slot"


async def broken_places(desk: Desk) -> list[str]:
    """What is wrong between bookings, holds and slots."""
    async with desk.database.look() as connection:
        bookings = (await connection.execute(select(RESERVATION.c.id, RESERVATION.c.slot_id))).all()
        holds = (await connection.execute(select(_HOLD.c.id, _HOLD.c.slot_id))).all()
        slots = (
            await connection.execute(select(_STATE.c.slot_id, _STATE.c.state, _STATE.c.reservation_id))
        ).all()
    of_slots = {slot_id: (state, holder) for slot_id, state, holder in slots}
    wrong = []
    for kinds, having in ((("reserved", "occupied"), bookings), (("held",), holds)):
        for holder, slot_id in having:
            state, found = of_slots[slot_id]
            if state not in kinds or found != holder:
                wrong.append(f"{holder} is to have {slot_id}, which is {state} of {found}")
    holders = {slot_id: holder for holder, slot_id in [*bookings, *holds]}
    for slot_id, (state, holder) in of_slots.items():
        if holders.get(slot_id) != holder or (holder is None) != (state in ("free", "closed")):
            wrong.append(f"{slot_id} is {state} of {holder}, and had by {holders.get(slot_id)}")
    return wrong


async def everything_at_once(desk: Desk, lot_id: int, seed: int, rounds: int = 12) -> None:
    chance = random.Random(seed)
    running: dict[str, str] = {}

    async def one_act(number: int) -> None:
        now = await where(desk)
        name = chance.choice(sorted(now))
        number_, version, state, _ = now[name]
        ids = [one[0] for one in now.values()]
        match chance.randrange(10):
            case 0 | 1 | 2:
                entity = f"E {chance.randrange(8)}"
                slot = name if chance.random() < 0.5 else None
                running[(await book(desk, entity, slot, arrived=chance.random() < 0.5)).reservation] = entity
            case 3 if running:
                reservation = chance.choice(sorted(running))
                await release(desk, reservation)
                running.pop(reservation, None)
            case 4 | 5 if state in (State.RESERVED, State.OCCUPIED):
                async with desk.database.look() as connection:
                    there = await records.slot_by(connection, id=number_)
                if there is not None and there.reservation_id is not None:
                    seen = number_, there.version
                    await attend.move_booking(desk, there.reservation_id, seen, chance.choice(ids))
            case 6:
                await attend.work_on(desk, chance.choice(list(Act)), chance.sample(ids, 4))
            case 7:
                await attend.work_on_lot(desk, chance.choice(list(Act)), lot_id)
            case 8 if len(now) > 8:
                await delete_slot(desk, number_, version)
            case 9:
                await desk.served(Joining(lot_id, Wish(), f"browser {chance.randrange(5)}", "address"))
            case _:
                act = attend.open_slot if state is State.CLOSED else attend.close_slot
                await act(desk, number_, version)

    for _ in range(rounds):
        done = await asyncio.gather(*(one_act(number) for number in range(12)), return_exceptions=True)
        odd = [one for one in done if isinstance(one, BaseException) and not isinstance(one, Problem)]
        assert not odd, odd
        assert await broken_places(desk) == []


async def test_whatever_is_done_at_once_each_slot_has_one_booking_and_each_booking_its_slot(
    desk: Desk,
) -> None:
    seed = int(os.environ.get("WORKS_SEED", 0)) or random.randrange(1, 2**31)
    print(f"WORKS_SEED={seed}")
    lot = await open_lot(desk, lot_plan(slots=12))
    lot_id = lot.id or 0
    await everything_at_once(desk, lot_id, seed)
    await attend.work_on_lot(desk, Act.CLOSE, lot_id)
    assert "f" not in await states(desk)
    await attend.work_on_lot(desk, Act.OPEN, lot_id)
    ids = [one[0] for one in (await where(desk)).values()]
    await attend.work_on(desk, Act.OPEN, ids)
    assert "c" not in await states(desk)
    assert await broken_places(desk) == []
    await redis_is_true(desk, lot_id)


async def test_a_move_that_left_its_old_slot_behind_would_be_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the race: a move that gives nothing back."""

    async def gives_nothing_back(*_: object) -> dict[int, str]:
        return {1: "believed"}

    monkeypatch.setattr(relocations, "give_back", gives_nothing_back)
    await open_lot(desk)
    booked = await book(desk, "B 1", "A1")
    now = await where(desk)
    await attend.move_booking(desk, booked.reservation, now["A1"][:2], now["A2"][0])
    assert await broken_places(desk) != []


async def is_waiting_for_a_row(desk: Desk) -> None:
    """Returns when somebody is; SQLite has but one who writes, and nobody waits for a row."""
    while not desk.database.is_sqlite:
        async with desk.database.look() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            if (await connection.execute(text(waiting))).scalar_one():
                return
        await asyncio.sleep(0.01)


async def test_who_waited_for_a_slot_while_it_became_premium_books_a_premium_one(desk: Desk) -> None:
    await open_lot(desk, lot_plan(slots=1))
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        becomes = SlotForm("here-A1", lot="here", area="A", name="A1", premium=True)
        await put_in_service(connection, becomes, now)
        booking = asyncio.create_task(book(desk, "W 1", "A1"))
        await is_waiting_for_a_row(desk)
    done = await booking
    assert (done.premium, done.price.price_minor) == (True, 150)
