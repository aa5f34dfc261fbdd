"""The hub: one replica of each lot that somebody watches, kept true and shown to all at once.

A lot is subscribed to first and read after, so nothing falls between; a gap in the numbers, or another
epoch, means reading it again. The numbers are asked for every two seconds besides, since the last
message may be the one that was lost.

Whatever hangs holds up nobody for long: lots are read by tasks of the hub's own, and every wait has an end.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis

from app.core import metrics
from app.core.clock import steady_s
from app.core.languages import language
from app.core.tasks import end_all
from app.live.channels import subscription
from app.live.feed import Feed
from app.live.picture import SQL_EPOCH, Picture, Projection, Source

log = structlog.get_logger()
TICK_S = 0.1
BEAT_S = 2.0
# Seconds of rest for a second of drawing.
REST_FOR_WORK = 3.0
KEEP_UNWATCHED_S = 30.0
# Last pictures of lots that nobody watches any more, for when nothing answers.
KEPT_LAST = 64
# So long somebody waits for the first picture of a lot; what is known only later is shown later.
FIRST_WITHIN_S = 3.0
# A reading that takes longer is given up: the next one may find what it asks.
READ_WITHIN_S = 12.0
ASKED_WITHIN_S = 2.0
Found = TypeVar("Found")


class Watched:
    """A lot that is watched, or was a moment ago."""

    def __init__(self, lot_id: int) -> None:
        self.lot_id = lot_id
        self.picture: Picture | None = None
        # By projection and language: one is drawn for all who read it.
        self.feeds: dict[tuple[str, str], Feed] = {}
        self.viewers = 0
        self.left_at = time.monotonic()
        self.reading = asyncio.Lock()
        self.reader: asyncio.Task[None] | None = None
        self.stale = False
        self.resyncing = False
        self.confirming = False
        self.waiting: list[dict[str, Any]] = []


class Hub:
    """All that is live in one process."""

    def __init__(self, source: Source, redis: Redis, clock: Callable[[], float] = steady_s) -> None:
        self._source = source
        self._now = clock
        self._lots: dict[int, Watched] = {}
        self._last: OrderedDict[int, Picture] = OrderedDict()
        self._subscription = subscription(redis, self._on_message, self._on_watching, self._on_lost)
        self._background: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Hub"]:
        """The hub with its loops; they end with the block."""
        loops = [
            asyncio.create_task(work(), name=f"hub.{work.__name__}")
            for work in (self._subscription.run, self._tick, self._beat)
        ]
        try:
            yield self
        finally:
            await end_all([*loops, *self._background])

    @asynccontextmanager
    async def watching(self, lot_id: int, projection: Projection) -> AsyncIterator[Feed | None]:
        """A viewer's stay; ``None`` where nothing at all is known of the lot just now."""
        async with self._staying(lot_id) as watched:
            metrics.VIEWERS.labels(projection.name).inc()
            feed = self._feed(watched, projection)
            try:
                if feed is not None:
                    feed.viewers += 1
                yield feed
            finally:
                if feed is not None:
                    feed.viewers -= 1
                metrics.VIEWERS.labels(projection.name).dec()

    async def picture(self, lot_id: int) -> Picture | None:
        """The lot as this process knows it; it is watched for a while from then on."""
        async with self._staying(lot_id) as watched:
            return watched.picture

    def known(self) -> list[int]:
        """Lots of which this process has a picture, however old it is."""
        watched = (lot_id for lot_id, one in self._lots.items() if one.picture is not None)
        return list({**dict.fromkeys(watched), **dict.fromkeys(self._last)})

    def _feed(self, watched: Watched, projection: Projection) -> Feed | None:
        if watched.picture is None:
            return None
        kind = projection.name, language()
        feed = watched.feeds.get(kind)
        if feed is None:
            feed = watched.feeds[kind] = Feed(watched.picture, projection)
            feed.number = 1
        return feed

    @asynccontextmanager
    async def _staying(self, lot_id: int) -> AsyncIterator[Watched]:
        """Somebody's interest in a lot, from before its first picture on: who waits is not forgotten."""
        watched = self._lots.get(lot_id)
        if watched is None:
            watched = self._lots[lot_id] = Watched(lot_id)
            watched.reader = self._spawn(self._begin(watched))
        watched.viewers += 1
        try:
            if watched.picture is None:
                await self._first_picture(watched)
            yield watched
        finally:
            watched.viewers -= 1
            watched.left_at = time.monotonic()

    async def _begin(self, watched: Watched) -> None:
        await self._subscription.watch(watched.lot_id)
        await self._read(watched, "first")

    async def _first_picture(self, watched: Watched) -> None:
        """Waits for the reading under way, or for one more; all who wait share it."""
        if watched.reader is None or watched.reader.done():
            self._resync(watched, "unknown")
        assert watched.reader is not None
        await asyncio.wait({watched.reader}, timeout=FIRST_WITHIN_S)

    async def _read(self, watched: Watched, reason: str) -> None:
        """Takes a fresh picture, then what was published while it was taken; one reader for each lot."""
        async with watched.reading:
            watched.stale = watched.resyncing = False
            watched.waiting.clear()
            before = watched.picture or self._last.get(watched.lot_id)
            picture = None
            try:
                async with asyncio.timeout(READ_WITHIN_S):
                    picture = await self._source.read(watched.lot_id, before)
            except TimeoutError:
                log.error("feed.read_hangs", lot=watched.lot_id, reason=reason)
            finally:
                watched.stale = watched.stale or picture is None
            metrics.RESYNCS.labels(reason).inc()
            if picture is None:
                watched.picture = before
                return
            watched.picture = picture
            self._last.pop(watched.lot_id, None)
            # What changed since the last tick has not been shown yet, though it is in no later number.
            if before is not None and before.layout_version == picture.layout_version:
                picture.changed |= before.changed
            is_news = before is None or (before.layout_version, before.mark) != (
                picture.layout_version,
                picture.mark,
            )
            for feed in watched.feeds.values():
                if is_news:
                    feed.renew(picture)
                else:
                    feed.picture = picture
        for message in watched.waiting:
            self._on_message(watched.lot_id, message)

    def _on_message(self, lot_id: int, message: dict[str, Any]) -> None:
        watched = self._lots.get(lot_id)
        if watched is None:
            return
        picture = watched.picture
        if picture is None or watched.reading.locked():
            watched.waiting.append(message)
            return
        if message["epoch"] == picture.epoch and message["seq"] <= picture.seq:
            return
        if picture.epoch == SQL_EPOCH and not message.get("fresh"):
            # Read from SQL every beat, until Redis may be believed again.
            return
        in_order = message["epoch"] == picture.epoch and message["seq"] == picture.seq + 1
        if message.get("fresh") or not in_order:
            self._resync(watched, "fresh" if message.get("fresh") else "gap")
            return
        ranks, states = message["changes"][::2], message["changes"][1::2]
        positions = self._source.positions(picture, ranks)
        if positions is None:
            self._resync(watched, "layout")
            return
        for position, state in zip(positions, states, strict=True):
            picture.states[position] = state
            picture.changed.add(position)
        picture.seq = message["seq"]
        picture.memo.clear()

    def _on_watching(self, lot_id: int) -> None:
        watched = self._lots.get(lot_id)
        if watched is not None and watched.picture is not None:
            # The connection was lost in between. The next beat would find that too, but two seconds later.
            self._resync(watched, "back")

    def _on_lost(self, lots: Iterable[int]) -> None:
        for lot_id in lots:
            if (watched := self._lots.get(lot_id)) is not None:
                watched.stale = True

    def _resync(self, watched: Watched, reason: str) -> None:
        watched.stale = True
        if not watched.resyncing:
            watched.resyncing = True
            watched.reader = self._spawn(self._read(watched, reason))

    def _spawn(self, work: Coroutine[Any, Any, Found]) -> asyncio.Task[Found]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("feed.read_failed", exc_info=task.exception())

    async def _tick(self) -> None:
        """Every tenth of a second: one frame for all that changed, encoded once for each projection.

        Where drawing takes long the tick widens, so that requests get their share of the processor. Time in
        which this process stood still is no drawing.
        """
        spent_s = 0.0
        while True:
            await asyncio.sleep(max(TICK_S, spent_s * REST_FOR_WORK))
            began_s = time.thread_time()
            for watched in self._lots.values():
                picture = watched.picture
                if picture is None or not picture.changed:
                    continue
                changed, picture.changed = picture.changed, set()
                for feed in watched.feeds.values():
                    self._draw(feed, changed)
            spent_s = time.thread_time() - began_s

    @staticmethod
    def _draw(feed: Feed, changed: set[int]) -> None:
        try:
            feed.tick(changed)
        except Exception:
            # One projection that can't be drawn must not end the feed of all the others.
            log.exception("feed.tick_failed", projection=feed.projection.name)

    async def _beat(self) -> None:
        """Every two seconds: is what the viewers see the newest there is?"""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._confirm()
            except Exception:
                log.exception("feed.beat_failed")

    async def _confirm(self) -> None:
        asked_at = self._now()
        lots = [one for one in self._lots.values() if not one.confirming]
        heads, lagging = await asyncio.gather(
            self._source.heads([one.lot_id for one in lots]), self._lagging()
        )
        if lagging is not None:
            # Otherwise they could not be read again.
            await self._forget_unwatched()
            lots = [one for one in lots if one.lot_id in self._lots]
        # Together, and without waiting for each: one lot whose reading takes long must not make the others
        # look old.
        for one in lots:
            one.confirming = True
        confirming = [self._spawn(self._confirm_lot(one, asked_at, heads, lagging)) for one in lots]
        if confirming:
            await asyncio.wait(confirming, timeout=ASKED_WITHIN_S)

    async def _lagging(self) -> set[int] | None:
        """What the source says, ``None`` where it takes its time: a beat does not wait for SQL."""
        asking = self._spawn(self._source.lagging())
        await asyncio.wait({asking}, timeout=ASKED_WITHIN_S)
        return asking.result() if asking.done() else None

    async def _confirm_lot(
        self,
        watched: Watched,
        asked_at: float,
        heads: dict[int, tuple[str, int]] | None,
        lagging: set[int] | None,
    ) -> None:
        try:
            if not self._subscription.is_watching(watched.lot_id):
                await self._subscription.watch(watched.lot_id, wait_s=0)
            head = None if heads is None else heads.get(watched.lot_id)
            if not self._is_current(watched, head, lagging):
                await self._read(watched, "behind")
            elif watched.picture is not None and lagging is not None:
                watched.picture.as_of = asked_at
        finally:
            watched.confirming = False
            for feed in watched.feeds.values():
                feed.beat()

    def _is_current(self, watched: Watched, head: tuple[str, int] | None, lagging: set[int] | None) -> bool:
        """Messages that came since the numbers were asked for make a picture newer, not less true."""
        picture = watched.picture
        return (
            picture is not None
            and head is not None
            and not watched.stale
            and not self._is_behind(picture, head)
            and (lagging is None or watched.lot_id not in lagging)
        )

    @staticmethod
    def _is_behind(picture: Picture, head: tuple[str, int]) -> bool:
        return picture.epoch != head[0] or picture.seq < head[1]

    async def _forget_unwatched(self) -> None:
        now = time.monotonic()
        for lot_id, watched in list(self._lots.items()):
            if not watched.viewers and now - watched.left_at > KEEP_UNWATCHED_S:
                del self._lots[lot_id]
                self._keep_last(lot_id, watched.picture)
                await self._subscription.leave(lot_id)

    def _keep_last(self, lot_id: int, picture: Picture | None) -> None:
        if picture is not None:
            self._last[lot_id] = picture
            self._last.move_to_end(lot_id)
        while len(self._last) > KEPT_LAST:
            self._last.popitem(last=False)
