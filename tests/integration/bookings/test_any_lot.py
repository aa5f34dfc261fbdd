"""A slot in whichever lot, where lots are many and free slots few."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import func, select, update

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.opening import put_slot
from app.bookings.records import lot_with_free
from app.bookings.reserve import reserve
from app.bookings.takings import class_filter
from app.bookings.unreserve import release
from app.core.errors import Problem
from app.slots.forms import SlotForm
from app.slots.layout import Wish
from app.slots.models import Lot, Size, Slot, SlotState, kind_number
from tests.integration.lots import lot_plan, open_lot

LOTS = 12
_LOT = Lot.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@pytest.fixture
async def lots(desk: Desk) -> list[int]:
    """Lots of two slots, one of them premium."""
    opened = [await open_lot(desk, lot_plan(f"lot{n}", slots=2, premium=1)) for n in range(LOTS)]
    return [lot.id or 0 for lot in opened]


async def all_but(desk: Desk, *free: str) -> None:
    """Everything is taken, but for these."""
    async with desk.database.look() as connection:
        names = list((await connection.execute(select(_SLOT.c.identifier))).scalars())
    await asyncio.gather(
        *(reserve(desk, ReserveRequest(f"P {name}", slot=name)) for name in names if name not in free)
    )


async def refused(desk: Desk, **asked: object) -> str:
    with pytest.raises(Problem) as refusal:
        await reserve(desk, ReserveRequest("NOBODY", **asked))  # type: ignore[arg-type]
    return f"{refusal.value.status} {refusal.value.type}"


@pytest.mark.parametrize("only", [0, 5, LOTS - 1])
async def test_the_only_free_slot_is_found_in_whichever_lot_it_is(
    desk: Desk, lots: list[int], only: int
) -> None:
    await all_but(desk, f"lot{only}-A2")
    for number in range(3):
        done = await reserve(desk, ReserveRequest(f"X {number}"))
        assert done.slot == f"lot{only}-A2"
        assert await refused(desk) == "404 all-taken"
        await release(desk, done.reservation)


async def test_each_of_those_who_come_at_once_gets_one_while_there_is_one(
    desk: Desk, lots: list[int]
) -> None:
    free = {f"lot{n}-A2" for n in range(1, LOTS, 2)}
    await all_but(desk, *free)
    answers = await asyncio.gather(
        *(reserve(desk, ReserveRequest(f"X {n}")) for n in range(len(free) + 3)), return_exceptions=True
    )
    given = [one.slot for one in answers if not isinstance(one, BaseException)]
    assert sorted(given) == sorted(free)
    told = [one.type for one in answers if isinstance(one, Problem)]
    assert told == ["all-taken"] * 3


async def test_standard_slots_of_any_lot_go_before_premium_ones(desk: Desk, lots: list[int]) -> None:
    given = [await reserve(desk, ReserveRequest(f"X {n}")) for n in range(2 * LOTS)]
    assert [one.premium for one in given] == [False] * LOTS + [True] * LOTS
    assert await refused(desk) == "404 all-taken"


async def test_only_what_is_wished_for_is_found(desk: Desk, lots: list[int]) -> None:
    await all_but(desk, "lot3-A1", "lot4-A2")
    assert await refused(desk, wish=Wish(size=Size.TRUCK)) == "404 all-taken"
    assert await refused(desk, wish=Wish(accessible=True)) == "404 all-taken"
    assert (await reserve(desk, ReserveRequest("X 1", wish=Wish(premium=True)))).slot == "lot3-A1"
    assert await refused(desk, wish=Wish(premium=True)) == "404 all-taken"
    assert (await reserve(desk, ReserveRequest("X 2"))).slot == "lot4-A2"


async def test_a_lot_that_is_closed_has_nothing_for_anybody(desk: Desk, lots: list[int]) -> None:
    await all_but(desk, "lot3-A2", "lot7-A2")
    async with desk.database.unit_of_work() as connection:
        await connection.execute(update(_LOT).where(_LOT.c.id == lots[3]).values(closed=True))
    assert (await reserve(desk, ReserveRequest("X 1"))).slot == "lot7-A2"
    assert await refused(desk) == "404 all-taken"


async def test_a_slot_that_has_become_of_another_kind_is_found_as_such(desk: Desk, lots: list[int]) -> None:
    await all_but(desk, "lot3-A2")
    await put_slot(desk, SlotForm(identifier="lot3-A2", lot="lot3", location="", size=Size.TRUCK))
    assert await refused(desk) == "404 all-taken"
    assert (await reserve(desk, ReserveRequest("X 1", wish=Wish(size=Size.TRUCK)))).slot == "lot3-A2"


async def test_those_who_come_at_once_are_not_all_sent_to_the_same_lot(desk: Desk, lots: list[int]) -> None:
    async with desk.database.look() as connection:
        found = Counter([await lot_with_free(connection, class_filter(Wish())) for _ in range(200)])
    assert {*found} <= {*lots}
    # Of 200 draws from twelve: that fewer than six ever come has a chance of 1 in 10^50.
    assert len(found) >= LOTS // 2, found


async def test_the_kind_beside_a_state_is_that_of_its_slot(desk: Desk, lots: list[int]) -> None:
    await put_slot(desk, SlotForm(identifier="one", lot="yard", location="", premium=True, charging=True))
    columns = [_SLOT.c[name] for name in ("size", "premium", "accessible", "charging")]
    async with desk.database.look() as connection:
        rows = await connection.execute(
            select(_STATE.c.kind, *columns).join_from(_STATE, _SLOT, _SLOT.c.id == _STATE.c.slot_id)
        )
        seen = [
            (kind, kind_number(size, premium=p, accessible=a, charging=c)) for kind, size, p, a, c in rows
        ]
        count = (await connection.execute(select(func.count()).select_from(_SLOT))).scalar_one()
    assert len(seen) == count
    assert all(stored == expected for stored, expected in seen)
