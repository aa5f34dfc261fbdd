"""The race with all that a booking may live through: drivers who never arrive and are ended, browsers that
hold slots and wait for them, attendants who check in, close, open and move.
"""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from unittest.mock import patch

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api import routes
from app.bookings import attend, endings, giving_back, holdings, problems, records, waiting_records
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.hold import Visitor, held_for, join, leave, let_go, place_of
from app.bookings.jobs import Act
from app.bookings.models import Hold
from app.bookings.reserve import reserve
from app.bookings.results import Held, Reserved
from app.bookings.unreserve import release
from app.bookings.waiting_records import HOLD
from app.core.errors import Problem
from app.slots.layout import Wish
from app.slots.models import Lot, State
from tests.chaos.checker import Violation
from tests.chaos.deployment import Shape, end_what_time_ends, serve
from tests.chaos.drivers import Habits
from tests.chaos.history import History
from tests.chaos.site import Base
from tests.chaos.timeline import Left, Told, Visit, check_lives
from tests.chaos.town import LOT, Town, opened_town
from tests.chaos.truth import read_slots
from tests.chaos.waiting import until_none
from tests.chaos.watched import seen, watch
from tests.cluster import started_cluster

HABITS = Habits(most_held=8, arrives=0.75, pause_s=0.02)
# Short, so that much comes to its end.
HELD_FOR, ARRIVAL_GRACE_S = timedelta(seconds=2), 4
SETTLES_WITHIN_S = 20.0
# What is counted.
TOLD = (
    "ended: no-show",
    "held",
    "confirmed",
    "did not answer",
    "left the line",
    "check_in",
    "close",
    "close_when_free",
    "open",
    "move",
    "shut",
)
# By so much the clock of the broken worker is wrong.
AHEAD = timedelta(seconds=1)
# So long a broken web process believes what it has heard.
REMEMBERED_S = 2.0
_LOT = Lot.__table__  # type: ignore[attr-defined]


def serve_short_holds() -> None:
    """A web process that does not hold slots for long."""
    _shorten(ExitStack())
    serve()


def end_short_holds() -> None:
    """A bookings worker that passes slots on, not for long."""
    _shorten(ExitStack())
    end_what_time_ends()


def serve_remembering_full() -> None:
    """As ``serve_short_holds``; what was full a moment ago is said to be full still, and SQL is not asked."""
    _shorten(ExitStack())
    full_until_s = 0.0

    async def remembering(desk: Desk, request: ReserveRequest) -> Reserved:
        nonlocal full_until_s
        if request.slot is None and monotonic() < full_until_s:
            raise problems.lot_full(LOT)
        try:
            return await reserve(desk, request)
        except Problem as problem:
            if problem.type == "all-taken":
                full_until_s = monotonic() + REMEMBERED_S
            raise

    routes.__dict__["reserve"] = remembering
    serve()


def end_too_early() -> None:
    """A bookings worker whose clock is ahead of SQL's."""
    _shorten(ExitStack())
    no_shows, lapsed = records.no_shows, waiting_records.lapsed

    async def no_shows_early(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
        return await no_shows(connection, now + AHEAD, limit)

    async def lapsed_early(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
        return await lapsed(connection, now + AHEAD, limit)

    records.no_shows, waiting_records.lapsed = no_shows_early, lapsed_early
    endings.is_overdue = lambda booking, now: booking.arrived_at is None
    holdings._may_end = lambda round_, letting, hold: True
    end_what_time_ends()


def _shorten(stack: ExitStack) -> None:
    for module in (giving_back, holdings):
        stack.enter_context(patch.object(module, "HELD_FOR", HELD_FOR))


@asynccontextmanager
async def opened_on_cluster(base: Base, folder: Path, shape: Shape, size: "Size") -> AsyncIterator[Town]:
    """As ``opened_town``, over a cluster of three primaries with a replica each."""
    async with started_cluster() as cluster:
        own = replace(base, redis_url=cluster.url)
        async with opened_town(own, folder, shape, size.slots, size.premium) as town:
            yield town


@dataclass(frozen=True)
class Size:
    """How many there are of each."""

    slots: int
    premium: int
    clients: int
    browsers: int
    attendants: int


@dataclass
class Lived:
    """What came of it. ``did``: how often each thing was done, or was ended by time."""

    did: Counter[str] = field(default_factory=Counter)
    visits: list[Visit] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    shut_s: list[tuple[float, float]] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)
    settled_s: float = 0.0


LARGE = Size(slots=200, premium=20, clients=64, browsers=16, attendants=6)
SMALL = Size(slots=60, premium=6, clients=24, browsers=8, attendants=3)


async def live(town: Town, history: History, seed: str, size: Size, operations: int, seconds: float) -> Lived:
    """All of it for so many operations of drivers or seconds; then it is checked when all agree."""
    lived, over = Lived(), asyncio.Event()
    database = town.desk.database
    async with database.unit_of_work() as connection:
        await connection.execute(update(_LOT).values(check_in_required=True, arrival_grace_s=ARRIVAL_GRACE_S))
    await watch(database)
    traffic = town.traffic(history, seed, size.clients, HABITS)
    actors: list[Callable[[asyncio.Event], Awaitable[None]]] = [
        *(
            _Browser(town, lived, number, random.Random(f"{seed} browser {number}")).visit
            for number in range(size.browsers)
        ),
        *(
            _Attendant(town, lived, random.Random(f"{seed} attendant {number}")).work
            for number in range(size.attendants)
        ),
    ]
    with ExitStack() as stack:
        _shorten(stack)
        async with asyncio.TaskGroup() as group:
            for act in actors:
                group.create_task(act(over))
            try:
                await traffic.run(operations, seconds)
            finally:
                over.set()
    await _until_nothing_is_due(town)
    lived.settled_s = await town.converged(SETTLES_WITHIN_S)
    steps, kept, begun = await seen(database)
    lived.did.update(f"ended: {one.ending}" for one in begun if one.ending is not None)
    told = Told(steps, kept, begun, history.operations, lived.visits, lived.left, lived.shut_s)
    lived.found += check_lives(told)
    return lived


async def _until_nothing_is_due(town: Town) -> None:
    """What nobody answers and who never arrives is ended by the worker."""
    database = town.desk.database

    async def due() -> list[str]:
        async with database.look() as connection:
            now = await database.now(connection)
            counts = {
                "no-shows": records.RESERVATION.c.arrive_by <= now,
                "holds": HOLD.c.until <= now + HELD_FOR,
            }
            found = []
            for what, is_due in counts.items():
                count = (await connection.execute(select(func.count()).where(is_due))).scalar_one()
                found += [f"{count} {what} are due"] if count else []
        return found

    await until_none(due, SETTLES_WITHIN_S, "nothing is due")


@dataclass
class _Browser:
    """Somebody without an account, who answers what is held for them, or does not."""

    town: Town
    lived: Lived
    number: int
    source: random.Random
    made: int = 0

    async def visit(self, over: asyncio.Event) -> None:
        """Comes again and again, as another one each time."""
        while not over.is_set():
            await asyncio.sleep(self.source.uniform(0, 0.1))
            self.made += 1
            name = hashlib.sha256(f"{self.number} {self.made}".encode()).hexdigest()
            try:
                await self._visit(Visitor(name, f"address {self.number}"), over)
            except Problem as problem:
                self.lived.did[f"browser: {problem.type}"] += 1

    async def _visit(self, visitor: Visitor, over: asyncio.Event) -> None:
        desk, lot = self.town.desk, self.town.lot_id
        answer = await join(desk, lot, Wish(), visitor)
        held = await held_for(desk, visitor.browser) if isinstance(answer, Held) else None
        gives_up_s = monotonic() + self.source.uniform(0.5, 4.0)
        while held is None and monotonic() < gives_up_s and not over.is_set():
            await asyncio.sleep(0.05)
            place = await place_of(desk, visitor.browser, lot)
            held = None if place is None else place.hold
        if held is None:
            self.lived.did["left the line"] += 1
            await leave(desk, visitor.browser)
            return
        self.lived.did["held"] += 1
        await asyncio.sleep(self.source.uniform(0, 0.5))
        chance = self.source.random()
        if chance < 0.3:
            self.lived.did["did not answer"] += 1
        elif chance < 0.5:
            await self._let_go(held)
        else:
            await self._confirm(held)

    async def _let_go(self, held: Hold) -> None:
        self.lived.did["let go"] += 1
        # Noted before: it may have an effect before it is answered.
        self.lived.visits.append(Visit(held.id, held.browser, "", monotonic(), monotonic()))
        await let_go(self.town.desk, held.id, held.browser)

    async def _confirm(self, held: Hold) -> None:
        entity, called_s, reservation = f"B{self.number}N{self.made}", monotonic(), ""
        slot = await self._name_of(held.slot_id)
        try:
            reservation = (
                await reserve(self.town.desk, ReserveRequest(entity, slot=slot, hold=held.id))
            ).reservation
            self.lived.did["confirmed"] += 1
        except Problem as problem:
            self.lived.did[f"not confirmed: {problem.type}"] += 1
        self.lived.visits.append(Visit(held.id, held.browser, entity, called_s, monotonic(), reservation))
        if reservation and self.source.random() < 0.7:
            await asyncio.sleep(self.source.uniform(0, 1.0))
            self.lived.left.append(Left(reservation, monotonic()))
            await release(self.town.desk, reservation)

    async def _name_of(self, slot_id: int) -> str:
        async with self.town.desk.database.look() as connection:
            slot = await records.slot_by(connection, id=slot_id)
        assert slot is not None
        return slot.identifier


@dataclass
class _Attendant:
    """Somebody who looks at the map and does things to the slots on it, as they were a moment ago."""

    town: Town
    lived: Lived
    source: random.Random

    async def work(self, over: asyncio.Event) -> None:
        """One thing after another."""
        while not over.is_set():
            await asyncio.sleep(self.source.uniform(0, 0.1))
            act = self.source.choices(
                (self._check_in, self._close, self._close_when_free, self._open, self._move, self._shut),
                (30, 8, 8, 24, 28, 0.5),
            )[0]
            name = act.__name__.strip("_")
            try:
                self.lived.did[name if await act() else f"nothing to {name}"] += 1
            except Problem as problem:
                self.lived.did[f"{name}: {problem.type}"] += 1

    async def _slot(self, *states: State) -> records.SlotRow | None:
        slots = await read_slots(self.town.desk.database, self.town.lot_id)
        fitting = [slot for slot in slots if slot.state in states]
        if not fitting:
            return None
        slot = self.source.choice(fitting)
        async with self.town.desk.database.look() as connection:
            return await records.slot_by(connection, identifier=slot.identifier)

    async def _check_in(self) -> bool:
        return await self._to(attend.check_in, State.RESERVED)

    async def _close(self) -> bool:
        return await self._to(attend.close_slot, State.FREE)

    async def _close_when_free(self) -> bool:
        return await self._to(attend.close_when_free, State.RESERVED, State.OCCUPIED)

    async def _open(self) -> bool:
        return await self._to(attend.open_slot, State.CLOSED)

    async def _to(self, act: Callable[..., Awaitable[None]], *states: State) -> bool:
        chosen = await self._slot(*states)
        if chosen is not None:
            await act(self.town.desk, chosen.slot_id, chosen.version)
        return chosen is not None

    async def _move(self) -> bool:
        here = await self._slot(State.RESERVED, State.OCCUPIED)
        there = await self._slot(State.FREE)
        if here is None or there is None or here.reservation_id is None:
            return False
        await attend.move_booking(
            self.town.desk, here.reservation_id, (here.slot_id, here.version), there.slot_id
        )
        return True

    async def _shut(self) -> bool:
        began_s = monotonic()
        try:
            await attend.work_on_lot(self.town.desk, Act.CLOSE, self.town.lot_id)
            await asyncio.sleep(self.source.uniform(0, 0.5))
        finally:
            await attend.work_on_lot(self.town.desk, Act.OPEN, self.town.lot_id)
            self.lived.shut_s.append((began_s, monotonic()))
        return True


@dataclass(frozen=True)
class Variant:
    """A deployment that is deliberately wrong. ``kinds``: the violations that it must be caught by."""

    name: str
    kinds: frozenset[str]
    serve: Callable[[], None] = serve_short_holds
    end: Callable[[], None] = end_short_holds


VARIANTS = (
    Variant("ending too early", frozenset({"ended early", "lost hold"}), end=end_too_early),
    Variant("remembering that it is full", frozenset({"false all-taken"}), serve=serve_remembering_full),
)
