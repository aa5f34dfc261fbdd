"""The scrub: it finds whatever is wrong in Redis, mends it, and finds nothing where nothing is wrong."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.errors import Problem
from app.live.hub import Hub
from app.slots import scrub
from app.slots import status as status_module
from app.slots.models import State
from app.slots.packed import RECORD
from app.slots.pictures import StatusPictures
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from app.slots.scrub import Kind, Look, Suspect, look, look_again, scrub_all
from app.slots.status import LotKey, NotBuilt, SlotChange, Status
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_relay import desk_without_redis, outbox
from tests.integration.slots.test_status_machine import Fault, FaultyScript
from tests.integration.slots.working import is_true, until

# Two premium slots, two standard ones: classes 1 and 2, ranks 0 to 3.
SLOTS, PREMIUM = 4, 2
Break = Callable[[Desk, Redis, int], Awaitable[None]]


def key(lot: int, name: str) -> str:
    return f"lot:{{{lot}}}:{name}"


async def in_sql(desk: Desk, statement: str) -> None:
    """A change that leaves nothing in the outbox."""
    async with desk.database.unit_of_work() as connection:
        await connection.execute(text(statement))


async def sql_goes_on(desk: Desk, redis: Redis, lot: int) -> None:
    await in_sql(desk, "UPDATE slot_state SET version = version + 1, state = 'closed' WHERE rank = 1")


async def records_are_cut(desk: Desk, redis: Redis, lot: int) -> None:
    records = await redis.get(key(lot, "slots"))
    await redis.set(key(lot, "slots"), records[: 3 * RECORD.size])


async def redis_goes_on(desk: Desk, redis: Redis, lot: int) -> None:
    await desk.status.apply(LotKey(lot, 1), [SlotChange(2, 7, 2, State.OCCUPIED)])


async def redis_knows_a_slot_more(desk: Desk, redis: Redis, lot: int) -> None:
    await desk.status.apply(LotKey(lot, 1), [SlotChange(4, 1, 2, State.FREE)])


async def a_newer_order(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.hset(key(lot, "meta"), "order", 2)  # type: ignore[misc]


async def an_older_order(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.hset(key(lot, "meta"), "order", 0)  # type: ignore[misc]


async def an_older_layout(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.hset(key(lot, "meta"), "layout", 0)  # type: ignore[misc]


async def a_newer_layout(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.hset(key(lot, "meta"), "layout", 9)  # type: ignore[misc]


async def another_state(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setrange(key(lot, "slots"), 3 * RECORD.size + 6, b"\x02")
    await redis.setbit(key(lot, "free:2"), 3, 0)


async def another_class(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setrange(key(lot, "slots"), 3 * RECORD.size + 4, b"\x00\x01")
    await redis.setbit(key(lot, "free:2"), 3, 0)
    await redis.setbit(key(lot, "free:1"), 3, 1)


async def a_free_slot_is_not_offered(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setbit(key(lot, "free:1"), 1, 0)


async def a_taken_slot_is_offered(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setbit(key(lot, "free:1"), 0, 1)


async def a_leased_slot_is_offered(desk: Desk, redis: Redis, lot: int) -> None:
    (proposed,) = await desk.status.propose(LotKey(lot, 1), [[2]], 1)
    await redis.setbit(key(lot, "free:2"), proposed.rank, 1)


async def a_slot_is_offered_in_another_class(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setbit(key(lot, "free:2"), 1, 1)


async def a_slot_that_is_not_there_is_offered(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.setbit(key(lot, "free:2"), 99, 1)


async def a_clock_goes_back(desk: Desk, redis: Redis, lot: int) -> None:
    (proposed,) = await desk.status.propose(LotKey(lot, 1), [[2]], 1)
    hours_ms = 3_600_000
    await redis.zincrby(key(lot, "leases"), hours_ms, str(proposed.rank))


async def nobody_builds_it(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.hdel(key(lot, "meta"), "built")  # type: ignore[misc]


async def it_is_gone(desk: Desk, redis: Redis, lot: int) -> None:
    await redis.delete(*[name async for name in redis.scan_iter(key(lot, "*").replace("{", "[{]"))])


BROKEN: dict[str, tuple[Break, dict[Kind, int]]] = {
    "SQL has changed and nothing says so": (sql_goes_on, {Kind.BEHIND: 1}),
    "a record is missing": (records_are_cut, {Kind.BEHIND: 1, Kind.STRAY: 1}),
    "Redis knows a higher version": (redis_goes_on, {Kind.AHEAD: 1}),
    "Redis knows a slot that SQL does not": (redis_knows_a_slot_more, {Kind.AHEAD: 1}),
    "Redis knows a newer order": (a_newer_order, {Kind.AHEAD: 1}),
    "Redis knows a newer layout": (a_newer_layout, {Kind.AHEAD: 1}),
    "Redis has an older order": (an_older_order, {Kind.ORDER: 1}),
    "viewers have an older layout": (an_older_layout, {Kind.LAYOUT: 1}),
    "another state": (another_state, {Kind.STATE: 1}),
    "another class": (another_class, {Kind.STATE: 1}),
    "a free slot is not offered": (a_free_slot_is_not_offered, {Kind.FREE_SET: 1}),
    "a taken slot is offered": (a_taken_slot_is_offered, {Kind.FREE_SET: 1}),
    "a leased slot is offered": (a_leased_slot_is_offered, {Kind.FREE_SET: 1}),
    "a slot is offered in another class": (a_slot_is_offered_in_another_class, {Kind.STRAY: 1}),
    "a slot that is not there is offered": (a_slot_that_is_not_there_is_offered, {Kind.STRAY: 1}),
    "a lease of hours": (a_clock_goes_back, {Kind.LEASE: 1}),
    "a lot that nobody builds": (nobody_builds_it, {Kind.UNBUILT: 1}),
    "a lot that is gone": (it_is_gone, {Kind.UNBUILT: 1}),
}


async def opened(desk: Desk) -> int:
    """A lot with a booking; nothing is left in the outbox."""
    lot = (await open_lot(desk, lot_plan(slots=SLOTS, premium=PREMIUM))).id or 0
    await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
    await relay_once(desk.database, desk.status, -1)
    await rebuild_all(desk.database, desk.status)
    return lot


async def scrubbed(desk: Desk) -> dict[Kind, int]:
    """What a scrub on demand finds, by kind."""
    found = await scrub_all(desk.database, desk.status, lambda done, total: None, again_after_s=0)
    return {one.kind: one.places for one in found}


@pytest.mark.parametrize(("broken", "kinds"), BROKEN.values(), ids=BROKEN.keys())
async def test_whatever_is_wrong_is_found_and_mended_and_viewers_see_it(
    desk: Desk, redis: Redis, broken: Break, kinds: dict[Kind, int]
) -> None:
    lot = await opened(desk)
    await open_lot(desk, lot_plan("another"))
    await rebuild_all(desk.database, desk.status)
    epoch = await desk.status.epoch()
    assert await scrubbed(desk) == {}
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    async with Hub(source, redis).running() as hub:
        before = await hub.picture(lot)
        assert before is not None
        assert list(before.states) == [1, 0, 0, 0]
        await broken(desk, redis, lot)
        assert await scrubbed(desk) == kinds
        assert await is_true(desk, lot)
        assert await desk.status.is_built()
        assert (await desk.status.epoch() != epoch) == (Kind.AHEAD in kinds)
        assert await scrubbed(desk) == {}

        async def is_shown() -> bool:
            picture = await hub.picture(lot)
            seen = await desk.status.snapshot(lot)
            return picture is not None and (picture.epoch, bytes(picture.states)) == (seen.epoch, seen.states)

        await until(is_shown)
    offered = await desk.status.propose(LotKey(lot, 1), [[1], [2]], 99)
    seen = await desk.status.snapshot(lot)
    assert all(seen.states[one.rank] == 0 for one in offered)


async def test_a_scrub_of_what_is_not_built_says_so(desk: Desk, redis: Redis) -> None:
    await opened(desk)
    await redis.flushall()
    with pytest.raises(NotBuilt):
        await scrubbed(desk)


async def test_what_the_relay_has_yet_to_tell_is_no_finding(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lot = await opened(desk)
    await reserve(desk_without_redis(desk), ReserveRequest("A 2", slot="here-A3"))
    first = await look(desk.database, desk.status, lot)
    assert first.suspects.keys() == {(Kind.BEHIND, 2)}
    assert (await look_again(desk.database, desk.status, lot, first))[1] == []
    assert await scrubbed(desk) == {}
    assert await outbox(desk) == 1

    # The negative control: a scrub that does not ask the outbox calls it wrong.
    async def nothing_waits(*_: object) -> set[int]:
        return set()

    monkeypatch.setattr(scrub, "_ranks_in_outbox", nothing_waits)
    assert await scrubbed(desk) == {Kind.BEHIND: 1}


async def test_a_lot_that_was_rebuilt_between_two_looks_is_no_finding(desk: Desk, redis: Redis) -> None:
    lot = await opened(desk)
    await another_state(desk, redis, lot)
    first = await look(desk.database, desk.status, lot)
    assert first.suspects
    begun = await desk.status.begin(LotKey(lot, 1), 1)
    assert begun is not None
    second, certain = await look_again(desk.database, desk.status, lot, first)
    assert (second.suspects, certain) == ({}, []), "somebody is at it"
    await desk.status.finish(LotKey(lot, 1), 1, built=True, begun=begun)
    second, certain = await look_again(desk.database, desk.status, lot, first)
    # It lacks all of its records now, and that is another matter than what was seen first.
    assert certain == []
    assert {kind for kind, _ in second.suspects} == {Kind.BEHIND}


# What looks wrong for a moment while slots change, and how long that may last here.
RELAYED_AFTER_S, AGAIN_AFTER_S = 0.1, 0.5
LOAD_S = 4.0
PLATES, BUSY_SLOTS = 12, 16
# Slots change often, and some rest for longer than the time between two looks.
LONGEST_STAY_S = 0.4
LONGEST_DELAY_S = 0.2


class SlowStatus(Status):
    """The status of a process that takes its time to tell Redis."""

    random: random.Random

    async def apply(self, lot: LotKey, changes: Iterable[SlotChange], *, publish: bool = True) -> int:
        await asyncio.sleep(self.random.random() * LONGEST_DELAY_S)
        return await super().apply(lot, changes, publish=publish)


class ForgetfulStatus(SlowStatus):
    """It says at once that it has told Redis, so that later changes of the same slot overtake it."""

    late: set[asyncio.Task[int]]

    async def apply(self, lot: LotKey, changes: Iterable[SlotChange], *, publish: bool = True) -> int:
        self.late.add(asyncio.create_task(super().apply(lot, list(changes), publish=publish)))
        return 0


class Load:
    """Bookings that come and go, some by a process that can't tell Redis or tells it late; and the relay."""

    def __init__(self, desk: Desk, redis: Redis, kind: type[SlowStatus] = SlowStatus) -> None:
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        self._random = random.Random(seed)
        self._late: set[asyncio.Task[int]] = set()
        slow = kind(redis, desk.status.incarnation)
        slow.random = self._random
        if isinstance(slow, ForgetfulStatus):
            slow.late = self._late
        self._desks = [
            desk,
            desk_without_redis(desk),
            Desk(desk.database, desk.layouts, slow, desk.signing_key),
        ]
        self._desk = desk
        self._over = False
        self.bookings = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        tasks = [asyncio.create_task(self._come_and_go(f"P {number}")) for number in range(PLATES)]
        tasks.append(asyncio.create_task(self._relay()))
        try:
            yield self
        finally:
            self._over = True
            await asyncio.gather(*tasks)
            await asyncio.gather(*self._late)

    async def _come_and_go(self, plate: str) -> None:
        while not self._over:
            with contextlib.suppress(Problem):
                done = await reserve(self._random.choice(self._desks), ReserveRequest(plate, lot="here"))
                self.bookings += 1
                await asyncio.sleep(self._random.random() * LONGEST_STAY_S)
                await unreserve(self._random.choice(self._desks), UnreserveRequest(plate, done.slot))
            await asyncio.sleep(self._random.random() * LONGEST_STAY_S)

    async def _relay(self) -> None:
        while not self._over:
            await relay_once(self._desk.database, self._desk.status, RELAYED_AFTER_S)
            await asyncio.sleep(0.05)


class Watch:
    """Scrubs one lot again and again, and keeps what it has found."""

    def __init__(self, desk: Desk, lot: int) -> None:
        self._desk = desk
        self._lot = lot
        self.looks = self.suspects = 0
        self.certain: list[Suspect] = []

    async def until(self, over_s: float, found: bool = False) -> None:
        """For so long, or until something was ``found``."""
        until_s = time.monotonic() + over_s
        while time.monotonic() < until_s and not (found and self.certain):
            first = await look(self._desk.database, self._desk.status, self._lot)
            self.looks += 1
            self.suspects += len(first.suspects)
            if first.suspects:
                await self._look_again(first)
            await asyncio.sleep(0.01)

    async def _look_again(self, first: Look) -> None:
        await asyncio.sleep(AGAIN_AFTER_S)
        self.certain += (await look_again(self._desk.database, self._desk.status, self._lot, first))[1]


async def lot_under_load(desk: Desk) -> int:
    lot = (await open_lot(desk, lot_plan(slots=BUSY_SLOTS))).id or 0
    await rebuild_all(desk.database, desk.status)
    return lot


async def test_under_load_nothing_is_found_though_much_is_suspect(desk: Desk, redis: Redis) -> None:
    lot = await lot_under_load(desk)
    watch = Watch(desk, lot)
    async with Load(desk, redis).running() as load:
        await watch.until(LOAD_S)
    print(f"{load.bookings} bookings, {watch.looks} looks, {watch.suspects} suspects")
    assert watch.certain == []
    assert watch.suspects > 0
    while await relay_once(desk.database, desk.status, -1):
        pass
    assert await is_true(desk, lot)


async def sql_before_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrub that reads SQL first: what is committed and applied in between looks like a higher version."""
    inspect, read = Status.inspect, scrub.read_states
    rows: list[object] = []

    async def read_first(self: Status, lot_id: int) -> status_module.Inspection:
        rows[:] = await read(READS_FROM[0].database, lot_id)
        await asyncio.sleep(0.05)
        return await inspect(self, lot_id)

    async def what_was_read(*_: object) -> list[object]:
        return list(rows)

    monkeypatch.setattr(Status, "inspect", read_first)
    monkeypatch.setattr(scrub, "read_states", what_was_read)


async def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrub that believes its first look."""

    async def believe(desk: object, status: object, lot: int, first: Look) -> tuple[Look, list[Suspect]]:
        return first, list(first.suspects.values())

    monkeypatch.setitem(globals(), "look_again", believe)


READS_FROM: list[Desk] = []


@pytest.mark.parametrize("broken", [sql_before_redis, no_second_look])
async def test_a_scrub_with_a_fault_finds_under_load_what_is_not_wrong(
    desk: Desk,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], Awaitable[None]],
) -> None:
    """The negative control of the test before."""
    lot = await lot_under_load(desk)
    READS_FROM[:] = [desk]
    await broken(monkeypatch)
    watch = Watch(desk, lot)
    async with Load(desk, redis).running():
        await watch.until(60.0, found=True)
    assert watch.certain


APPLICATION_FAULTS = {
    "an older version wins": Fault(
        "apply",
        "  if version >= known then\n    if version > known then\n",
        "  if true then\n    if true then\n",
    ),
    "a slot that was given back is not offered": Fault("apply", "free and 1 or 0", "0"),
    "a slot that was taken is offered": Fault("apply", "free and 1 or 0", "1"),
    "a change is forgotten": Fault("apply", "    if version > known then", "    if version > known + 1 then"),
}


@pytest.mark.parametrize("fault", APPLICATION_FAULTS.values(), ids=APPLICATION_FAULTS.keys())
async def test_under_load_a_faulty_script_is_found(
    desk: Desk, redis: Redis, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    lot = await lot_under_load(desk)
    monkeypatch.setattr(status_module, f"_{fault.script}", FaultyScript(fault))
    watch = Watch(desk, lot)
    async with Load(desk, redis, ForgetfulStatus).running():
        await watch.until(60.0, found=True)
    assert watch.certain
