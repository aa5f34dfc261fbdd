"""Several workers end what is due, and are killed at random: each is ended once, and nothing else is.

Whoever comes books the slots that come free at once, so that a slot freed a second time is somebody's.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import func, insert, select, update

from app.bookings import records
from app.bookings.forms import ReserveRequest
from app.bookings.models import Ending, Hold, Reservation
from app.bookings.reserve import reserve
from app.bookings.results import Reserved
from app.bookings.waiting_records import HOLD
from app.core.errors import Problem
from app.core.ids import new_id
from app.payments.models import TariffVersion
from app.slots.models import Lot, SlotState, State
from app.slots.rebuild import rebuild_lot
from tests.chaos.checker import Violation
from tests.chaos.running import running
from tests.chaos.town import Town

WORKERS = 5
MEAN_PAUSE_S = 0.08
# Every so many of the slots that come free somebody waits for.
WANTED_OF = 5
AT_ONCE = 16
MOST_SLOTS = 20_000
_GIVES_UP_AFTER_S = 300.0
_CONVERGES_WITHIN_S = 30.0
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Load:
    """How many there are of each: due no-shows and holds, and those that nothing may end yet."""

    no_shows: int
    holds: int
    arrived: int
    later: int
    later_holds: int

    @property
    def due(self) -> int:
        return self.no_shows + self.holds

    @property
    def slots(self) -> int:
        return self.due + self.arrived + self.later + self.later_holds


LOAD = Load(no_shows=7_000, holds=3_000, arrived=200, later=200, later_holds=100)
SMALL = Load(no_shows=1_500, holds=500, arrived=30, later=30, later_holds=20)


@dataclass
class Ended:
    """What came of it."""

    due: int
    kills: int = 0
    rebooked: int = 0
    took_s: float = 0.0
    found: list[Violation] = field(default_factory=list)


async def end_what_is_due(town: Town, load: Load, seed: str) -> Ended:
    """Fills the lot with what is due and what is not, and waits until the workers have ended it."""
    source, ended = random.Random(seed), Ended(load.due)
    kept = await _fill(town, load)
    wanted = {
        slot
        for slots in (kept.no_shows.values(), kept.holds.values())
        for slot in source.sample(sorted(slots), len(slots) // WANTED_OF)
    }
    began_s = monotonic()
    rebooked: dict[str, int] = {}
    over = asyncio.Event()
    async with running(_book_what_is_free(town, rebooked, wanted, over)) as booking:
        while await _due(town):
            assert monotonic() - began_s < _GIVES_UP_AFTER_S, "they do not come to an end"
            await asyncio.sleep(source.uniform(0, 2 * MEAN_PAUSE_S))
            worker = town.deployment[source.choice(town.deployment.enders)]
            if worker.is_running:
                worker.kill()
                ended.kills += 1
            worker.start()
        # What it has asked for it is told, else nobody knows whose those slots are.
        over.set()
        await booking
    ended.took_s = monotonic() - began_s
    await town.deployment.ready()
    # Whatever a worker has begun to do it has done.
    await town.converged(_CONVERGES_WITHIN_S)
    ended.rebooked = len(rebooked)
    ended.found = await _violations(town, load, kept, rebooked)
    return ended


@dataclass(frozen=True)
class _Kept:
    """What was there in the beginning: identifiers, and the slots by number with their versions."""

    no_shows: dict[str, int]
    holds: dict[str, int]
    running: dict[str, int]
    later_holds: dict[str, int]
    versions: dict[int, int]


async def _fill(town: Town, load: Load) -> _Kept:
    database = town.desk.database
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        await connection.execute(update(_LOT).values(check_in_required=True))
        slots = select(_STATE.c.slot_id, _STATE.c.version).order_by(_STATE.c.slot_id)
        versions = {row.slot_id: row.version + 1 for row in await connection.execute(slots)}
        free = iter(versions)
        no_shows = {new_id(): next(free) for _ in range(load.no_shows)}
        holds = {new_id(): next(free) for _ in range(load.holds)}
        arrived = {new_id(): next(free) for _ in range(load.arrived)}
        later = {new_id(): next(free) for _ in range(load.later)}
        later_holds = {new_id(): next(free) for _ in range(load.later_holds)}
        past, future = now - timedelta(seconds=5), now + timedelta(hours=2)
        tariff = await _tariff(connection)
        await connection.execute(
            insert(records.RESERVATION),
            [
                *(_booking(town, tariff, one, slot, past, past) for one, slot in no_shows.items()),
                *(
                    _booking(town, tariff, one, slot, past, None, arrived_at=past)
                    for one, slot in arrived.items()
                ),
                *(_booking(town, tariff, one, slot, past, future) for one, slot in later.items()),
            ],
        )
        await connection.execute(
            insert(HOLD),
            [
                *(_hold(town, one, slot, past, past) for one, slot in holds.items()),
                *(_hold(town, one, slot, past, future) for one, slot in later_holds.items()),
            ],
        )
        for state, owners in (
            (State.RESERVED, {**no_shows, **later}),
            (State.OCCUPIED, arrived),
            (State.HELD, {**holds, **later_holds}),
        ):
            await _own(connection, state, owners)
    await rebuild_lot(database, town.desk.status, town.lot_id)
    return _Kept(no_shows, holds, {**arrived, **later}, later_holds, versions)


async def _own(connection: Any, state: State, owners: dict[str, int]) -> None:
    """These slots are theirs."""
    moved = update(_STATE).values(state=state, version=_STATE.c.version + 1)
    ids = sorted(owners.values())
    for start in range(0, len(ids), 1_000):
        await connection.execute(moved.where(_STATE.c.slot_id.in_(ids[start : start + 1_000])))
    for table in (records.RESERVATION, HOLD):
        owner = select(table.c.id).where(table.c.slot_id == _STATE.c.slot_id).scalar_subquery()
        owned = select(table.c.slot_id)
        await connection.execute(
            update(_STATE).where(_STATE.c.slot_id.in_(owned)).values(reservation_id=owner)
        )


async def _tariff(connection: Any) -> int:
    found: int = (await connection.execute(select(TariffVersion.id))).scalars().first()
    return found


def _booking(
    town: Town,
    tariff: int,
    one: str,
    slot: int,
    start: datetime,
    arrive_by: datetime | None,
    arrived_at: datetime | None = None,
) -> dict[str, Any]:
    return Reservation(
        id=one,
        slot_id=slot,
        lot_id=town.lot_id,
        tariff_id=tariff,
        premium=False,
        entity=f"D {slot}",
        entity_given=f"D {slot}",
        source="api",
        created_at=start,
        expected_at=start,
        start_at=start,
        arrived_at=arrived_at,
        arrive_by=arrive_by,
    ).model_dump()


def _hold(town: Town, one: str, slot: int, start: datetime, until: datetime) -> dict[str, Any]:
    return Hold(
        id=one, slot_id=slot, lot_id=town.lot_id, browser=one, address="", held_at=start, until=until
    ).model_dump()


async def _due(town: Town) -> int:
    database = town.desk.database
    async with database.look() as connection:
        now = await database.now(connection)
        count = 0
        for column in (records.RESERVATION.c.arrive_by, HOLD.c.until):
            asked = select(func.count()).select_from(column.table).where(column <= now)
            count += (await connection.execute(asked)).scalar_one()
    return count


async def _book_what_is_free(
    town: Town, rebooked: dict[str, int], wanted: set[int], over: asyncio.Event
) -> None:
    """What is wanted, as soon as it comes free, until it is over; each slot once."""
    desk, number = town.desk, 0
    while not over.is_set():
        async with desk.database.look() as connection:
            ids = await records.free_ids(connection, town.lot_id, {})
            free = await records.slots_by_id(connection, ids, records.Lock.NONE)
        taken = {*rebooked.values()}
        chosen = [slot for slot in free if slot.slot_id in wanted and slot.slot_id not in taken][:AT_ONCE]
        asked = [ReserveRequest(f"R {number + n}", slot=slot.identifier) for n, slot in enumerate(chosen)]
        number += len(asked)
        told = await asyncio.gather(*(reserve(desk, one) for one in asked), return_exceptions=True)
        for slot, done in zip(chosen, told, strict=True):
            if isinstance(done, Reserved):
                rebooked[done.reservation] = slot.slot_id
            elif not isinstance(done, Problem):
                raise done
        await asyncio.sleep(0.01)


async def _violations(town: Town, load: Load, kept: _Kept, rebooked: dict[str, int]) -> list[Violation]:
    async with town.desk.database.look() as connection:
        history = select(records.HISTORY.c.id, records.HISTORY.c.ending)
        ended = {row.id: row.ending for row in await connection.execute(history)}
        runs = set((await connection.execute(select(records.RESERVATION.c.id))).scalars())
        held = set((await connection.execute(select(HOLD.c.id))).scalars())
        states = {row.slot_id: row for row in await connection.execute(select(_STATE))}
    found = [Violation("not ended", one) for one in kept.no_shows if ended.get(one) != Ending.NO_SHOW]
    found += [Violation("ended early", one) for one in {*ended} - {*kept.no_shows}]
    found += [Violation("lost booking", one) for one in {**kept.running, **rebooked} if one not in runs]
    found += [Violation("lost hold", one) for one in kept.later_holds if one not in held]
    found += [Violation("hold not ended", one) for one in kept.holds if one in held]
    again = Counter(rebooked.values())
    for slot in [*kept.no_shows.values(), *kept.holds.values()]:
        expected = kept.versions[slot] + 1 + again[slot]
        if states[slot].version != expected:
            found.append(
                Violation("not ended once", f"slot {slot} at {states[slot].version}, not {expected}")
            )
    owners = {slot: one for one, slot in {**kept.running, **kept.later_holds, **rebooked}.items()}
    for slot, row in states.items():
        if row.reservation_id != owners.get(slot) or (row.state == State.FREE) is (slot in owners):
            found.append(
                Violation("SQL contradicts itself", f"slot {slot}: {row.state}, {row.reservation_id}")
            )
    return found
