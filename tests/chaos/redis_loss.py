"""Redis loses what it knows while requests come in: no answer fails, and soon viewers see the truth again."""

import asyncio
import random
import shutil
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

from tests.chaos.bookings import Bookings
from tests.chaos.checker import Violation, check
from tests.chaos.history import History, Operation, Outcome
from tests.chaos.region import Region
from tests.chaos.running import running
from tests.chaos.stream import Stream
from tests.chaos.truth import (
    TrueSlot,
    Truth,
    compare,
    epoch_of,
    read_bookings,
    read_slots,
    redis_differences,
    screen_differences,
)
from tests.chaos.waiting import until_none

FAULTS = ("flushed", "restarted", "rolled back")
REQUESTS_PER_S = 300.0
LOT_SLOTS, WATCHED, BUSY = 500, 10, 20
ROLLED_BACK_S = 1.0
# So long the lots that are watched are booked on, before they are left alone to be compared.
BOOKED_ON_S = 1.0
_APPENDED = "redis-aof"


@dataclass
class Lost:
    """What came of it. ``whole_after_s``: from each fault until every viewer saw what SQL has."""

    whole_after_s: dict[str, float] = field(default_factory=dict)
    found: list[Violation] = field(default_factory=list)


@dataclass(frozen=True)
class Pace:
    """``per_s``: requests. ``calm_s``: between two faults. ``within_s``: in which viewers have to see the
    truth again; after ``gives_up_after_s`` nobody waits for it any longer.
    """

    per_s: float
    calm_s: float
    within_s: float
    gives_up_after_s: float


async def lose_redis(region: Region, history: History, seed: str, pace: Pace) -> Lost:
    """Each fault in turn while the stream of requests goes on; then everything is compared."""
    stream, lost = Stream(region, history, seed, pace.per_s), Lost()
    faults = random.Random(seed).sample(FAULTS, len(FAULTS))
    async with running(stream.run()) as sending:
        for fault in faults:
            stream.left_alone.clear()
            await asyncio.sleep(pace.calm_s)
            took_s = await _whole_after(region, stream, fault, pace.gives_up_after_s)
            lost.whole_after_s[fault] = took_s
            if took_s > pace.within_s:
                late = f"{took_s:.2f} s after Redis was {fault}"
                lost.found.append(Violation("slow to show the truth", late))
        stream.end()
        await sending
    # A 5xx, or no answer at all.
    unknown = [one.answer for one in history.operations if one.answer.outcome is Outcome.UNKNOWN]
    lost.found += [Violation("failed answer", answer.refusal) for answer in unknown]
    lost.found += await compared(region, history.operations, pace.gives_up_after_s)
    return lost


async def _whole_after(region: Region, stream: Stream, fault: str, gives_up_after_s: float) -> float:
    """Seconds from the fault until all that are watched are shown as they are, in a new epoch."""
    before = await epoch_of(region.redis)
    backup = region.deployment.folder / "older-aof"
    if fault == "rolled back":
        shutil.copytree(region.deployment.folder / _APPENDED, backup)
        await asyncio.sleep(ROLLED_BACK_S)
    began_s = monotonic()
    if fault == "flushed":
        await region.redis.flushall()
    else:
        redis = region.deployment["redis"]
        redis.kill()
        if fault == "rolled back":
            shutil.rmtree(region.deployment.folder / _APPENDED)
            backup.rename(region.deployment.folder / _APPENDED)
        redis.start()
        await redis.until_ready()
    await asyncio.sleep(max(0.0, began_s + BOOKED_ON_S - monotonic()))
    stream.left_alone.update(region.screens)

    async def differences() -> list[str]:
        epoch = await epoch_of(region.redis)
        if epoch in ("", before):
            return ["no new epoch has begun"]
        return await viewer_differences(region, epoch)

    await until_none(differences, gives_up_after_s, f"viewers see the truth after Redis was {fault}")
    return monotonic() - began_s


async def viewer_differences(region: Region, epoch: str) -> list[str]:
    """Where a viewer shows another state than SQL has, or one of another epoch."""
    found = []
    for number, screen in region.screens.items():
        slots = await read_slots(region.desk.database, region.lot_id(number))
        if screen.epoch != epoch:
            found.append(f"lot {number}: {screen.epoch} is not {epoch}")
        found += [f"lot {number}: {one}" for one in screen_differences(screen.shown, slots)]
    return found


async def compared(region: Region, operations: list[Operation], within_s: float) -> list[Violation]:
    """What is wrong with the answers, with SQL, and with Redis in any lot, now that nobody books."""
    running_ones, ended = await read_bookings(region.desk.database)
    bookings = Bookings(operations, (*running_ones, *ended))
    found = check(bookings)
    slots: list[TrueSlot] = []

    async def differences(lot_id: int) -> list[str]:
        of_lot = await read_slots(region.desk.database, lot_id)
        different = await redis_differences(region.redis, lot_id, of_lot)
        if not different:
            slots.extend(of_lot)
        return different

    for number in range(region.lots):
        of_this_lot = partial(differences, region.lot_id(number))
        await until_none(of_this_lot, within_s, f"Redis equals SQL in lot {number}")
    return [*found, *compare(bookings, Truth(tuple(slots), running_ones, ended))]
