"""The servers of a Redis Cluster fail and change their roles, and lots move from one to another one, while
requests come in: no answer fails, and soon viewers see the truth again.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic

from redis.crc import key_slot

from app.live.channels import lot_channel
from app.slots.epochs import EPOCH_KEY
from app.slots.status import BUILT_KEY
from tests.chaos.checker import Violation
from tests.chaos.deployment import Shape
from tests.chaos.drivers import HttpCounter, Wanted
from tests.chaos.history import Action, Asked, History, Outcome
from tests.chaos.redis_loss import Pace, compared, viewer_differences
from tests.chaos.region import Region, opened_region
from tests.chaos.running import running
from tests.chaos.site import Base
from tests.chaos.stream import Stream
from tests.chaos.truth import epoch_of
from tests.chaos.waiting import TooLate, until_none
from tests.cluster import Cluster, started_cluster

FAULTS = ("killed", "failed over", "moved")
REQUESTS_PER_S = 300.0
LOTS, LOT_SLOTS, WATCHED, BUSY = 20, 500, 10, 20
# Of a lot's keys, so that some are here and others there while requests for it come in.
KEYS_AT_ONCE = (1, 2, 3, 100)
# A change that nobody publishes to a viewer is shown by the numbers that are asked for every two seconds.
# Who is told is told of one of so many in time, however busy the machine is; who is not, of none.
HEARD_WITHIN_S, HEARD_OF = 1.5, 3


@dataclass
class Shaken:
    """What came of it. ``faults``: how often each; ``moved``: hash slots. ``shown_after_s``: by fault the
    most seconds from the instant at which the cluster was whole until every viewer saw what SQL has;
    ``heard_after_s``: the most until a change was shown then; ``taken_over_after_s``: from a kill until the
    replica kept what its primary had.
    """

    faults: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    shown_after_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    heard_after_s: float = 0.0
    taken_over_after_s: float = 0.0
    found: list[Violation] = field(default_factory=list)


@asynccontextmanager
async def opened_on_cluster(
    base: Base, folder: Path, shape: Shape, lots: int, lot_slots: int, watched: int, busy: int
) -> AsyncIterator[tuple[Region, Cluster]]:
    """As ``opened_region``, over a cluster of three primaries with a replica each."""
    async with started_cluster() as cluster:
        own = replace(base, redis_url=cluster.url)
        async with opened_region(own, folder, shape, lots, lot_slots, watched, busy) as region:
            yield region, cluster


async def shake(
    region: Region,
    cluster: Cluster,
    history: History,
    seed: str,
    pace: Pace,
    seconds: float = 0.0,
    faults: Sequence[str] = FAULTS,
) -> Shaken:
    """Each fault in turn, again until so much time has passed, during the stream of requests; then everything
    is compared.
    """
    stream, shaken, until_s = Stream(region, history, seed, pace.per_s), Shaken(), monotonic() + seconds
    shaking = _Shaking(region, cluster, stream, random.Random(seed), pace, shaken)
    async with running(stream.run()) as sending:
        while not shaken.found and (not shaken.faults or monotonic() < until_s):
            try:
                await shaking.one_round(faults)
            except TooLate as late:
                shaken.found.append(Violation("never shown", str(late)))
        stream.end()
        await sending
    # A 5xx, or no answer at all.
    unknown = [one.answer for one in history.operations if one.answer.outcome is Outcome.UNKNOWN]
    shaken.found += [Violation("failed answer", answer.refusal) for answer in unknown]
    shaken.found += await compared(region, history.operations, pace.gives_up_after_s)
    return shaken


@dataclass
class _Shaking:
    region: Region
    cluster: Cluster
    stream: Stream
    source: random.Random
    pace: Pace
    shaken: Shaken
    _numbers: "count[int]" = field(default_factory=count)

    async def one_round(self, faults: Sequence[str]) -> None:
        happens = {"killed": self._kill, "failed over": self._fail_over, "moved": self._move}
        for fault in self.source.sample(faults, len(faults)):
            self.stream.left_alone.clear()
            await asyncio.sleep(self.pace.calm_s)
            before = await epoch_of(self.region.redis)
            await happens[fault]()
            await self.cluster.until_whole()
            self.shaken.faults[fault] += 1
            await self._until_shown(fault, before)
            await self._until_heard(fault)

    async def _kill(self) -> None:
        primary = await self.cluster.owner(self._some_key())
        replica = await self.cluster.replica_of(primary)
        began_s = monotonic()
        primary.kill()
        await self.cluster.until_primary(replica)
        took_s = monotonic() - began_s
        self.shaken.taken_over_after_s = max(self.shaken.taken_over_after_s, took_s)
        primary.start()

    async def _fail_over(self) -> None:
        await self.cluster.fail_over(await self.cluster.owner(self._some_key()))

    async def _move(self) -> None:
        """All that is booked in, and what all lots have in common."""
        lots = [lot_channel(self.region.lot_id(number)) for number in self.region.busy]
        for key in self.source.sample([*lots, EPOCH_KEY, BUILT_KEY], len(lots) + 2):
            here = await self.cluster.owner(key)
            others = [one for one in await self.cluster.primaries() if one is not here]
            target, keys_at_once = self.source.choice(others), self.source.choice(KEYS_AT_ONCE)
            await self.cluster.move_slot(key_slot(key.encode()), target, keys_at_once)
            self.shaken.moved += 1

    def _some_key(self) -> str:
        return lot_channel(self.region.lot_id(self.source.choice([*self.region.screens])))

    async def _until_shown(self, fault: str, before: str) -> None:
        """All that are watched as they are in SQL: in a new epoch where a primary is another one, in the same
        where lots have only moved."""
        began_s = monotonic()
        self.stream.left_alone.update(self.region.screens)

        async def differences() -> list[str]:
            epoch = await epoch_of(self.region.redis)
            if epoch == "" or (epoch == before) is not (fault == "moved"):
                return [f"the epoch is {epoch!r}, and was {before!r}"]
            return await viewer_differences(self.region, epoch)

        what = f"viewers see the truth after it was whole, {fault}"
        await until_none(differences, self.pace.gives_up_after_s, what)
        took_s = monotonic() - began_s
        self.shaken.shown_after_s[fault] = max(self.shaken.shown_after_s[fault], took_s)
        if took_s > self.pace.within_s:
            late = f"{took_s:.2f} s after the cluster was whole, {fault}"
            self.shaken.found.append(Violation("slow to show the truth", late))

    async def _until_heard(self, fault: str) -> None:
        took_s = 0.0
        for _ in range(HEARD_OF):
            took_s = max(await asyncio.gather(*map(self._heard_after, self.region.screens)))
            self.shaken.heard_after_s = max(self.shaken.heard_after_s, took_s)
            if took_s <= HEARD_WITHIN_S:
                return
        self.shaken.found.append(Violation("not told of a change", f"for {took_s:.2f} s, {fault}"))

    async def _heard_after(self, number: int) -> float:
        """Seconds until the viewer of a lot that nobody else books was shown the second of two changes. The
        first one may have been found by asking, a moment before it would have been asked again."""
        region, counter = self.region, HttpCounter(self.source.choice(self.region.wires))
        place, name = region.place(number), f"H{next(self._numbers)}"
        wanted = Wanted(name, name, lot=place.lot)
        asked = Asked(0, Action.RESERVE, name, name, place.fitting(wanted))
        # Not by its name: a request that is still on its way may get it first.
        held = await self.stream.history.record(asked, counter.reserve(wanted))
        if held.outcome is not Outcome.OK:
            raise TooLate(f"lot {number} has more than one free slot, but {held}")
        position = place.slots.index(held.slot)

        async def shows(*, taken: bool) -> list[str]:
            shown = region.screens[number].shown
            is_so = shown is not None and (shown[position] != 0) is taken
            return [] if is_so else [f"{held.slot} is shown as it was"]

        what = f"{name} is shown in lot {number}, {held}"
        await until_none(partial(shows, taken=True), self.pace.gives_up_after_s, what)
        began_s, key = monotonic(), f"{name} leaves"
        asked = Asked(0, Action.UNRESERVE, key, name, frozenset({held.slot}), held.reservation)
        left = await self.stream.history.record(asked, counter.unreserve(name, held.slot, key))
        what = f"{name} is shown to have left lot {number}, {left}"
        await until_none(partial(shows, taken=False), self.pace.gives_up_after_s, what)
        return monotonic() - began_s
