"""The names of what is published, and subscriptions that survive lost connections, failovers and moved slots.

Channels are sharded: what is published stays on the server that keeps the lot, and each server has a reader.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError

from app.core.cluster import Address, Cluster, Topology
from app.core.redis import REDIS_IS_GONE
from app.core.tasks import end_all

log = structlog.get_logger()
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 1.0
# After so long without a word the server is asked for one, and after as long again taken to be gone: a
# connection whose other end has vanished says nothing by itself.
QUIET_S = 3.0
# So often a cluster is asked who keeps what; at once, where a reader has lost something.
LOOKS_EVERY_S = 1.0
LOOKS_AGAIN_S = 0.1
_LOT = re.compile(rb"lot:\{(\d+)\}:feed")

OnMessage = Callable[[int, dict[str, Any]], None]
OnWatching = Callable[[int], None]
OnLost = Callable[[Iterable[int]], None]


def lot_channel(lot_id: int) -> str:
    """Where the changes of a lot are published; the hash tag keeps it on the lot's own shard."""
    return f"lot:{{{lot_id}}}:feed"


class Subscription(Protocol):
    """The changes of all lots that this process watches.

    ``on_watching`` is called with a lot each time its server has confirmed it: nothing after is missed, and
    everything before may have been. ``on_lost`` with the lots of which something may be missed.
    """

    async def watch(self, lot_id: int, wait_s: float = 1.0) -> bool:
        """Subscribes to a lot; true once the server has confirmed it, so that nothing after is missed."""

    def is_watching(self, lot_id: int) -> bool:
        """Whether the server has confirmed that it sends this lot's changes here."""

    async def leave(self, lot_id: int) -> None:
        """Ends it."""

    async def run(self) -> None:
        """Listens until cancelled; after a fault it connects again and says that messages were lost."""


def subscription(
    redis: Redis, on_message: OnMessage, on_watching: OnWatching, on_lost: OnLost
) -> Subscription:
    """Over one connection to one server, or one to each primary of a cluster."""
    if isinstance(redis, Cluster):
        return Readers(redis.topology, on_message, on_watching, on_lost)
    return Reader(redis, on_message, on_watching, on_lost)


class Reader:
    """The lots of one server, over one connection."""

    def __init__(
        self,
        redis: Redis,
        on_message: OnMessage,
        on_watching: OnWatching,
        on_lost: OnLost,
        on_fault: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis = redis
        self._on_message = on_message
        self._on_watching = on_watching
        self._on_lost = on_lost
        self._on_fault = on_fault
        self._lots: dict[int, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._sending = asyncio.Lock()
        self._is_lost = False

    async def watch(self, lot_id: int, wait_s: float = 1.0) -> bool:
        confirmed = self._lots.setdefault(lot_id, asyncio.Event())
        if self._is_lost:
            # Nobody waits for a server that is away: who finds it again subscribes to all.
            return False
        await self._send("ssubscribe", lot_id)
        if wait_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(confirmed.wait(), wait_s)
        return confirmed.is_set()

    def is_watching(self, lot_id: int) -> bool:
        confirmed = self._lots.get(lot_id)
        return confirmed is not None and confirmed.is_set()

    async def leave(self, lot_id: int) -> None:
        self._lots.pop(lot_id, None)
        await self._send("sunsubscribe", lot_id)

    async def run(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    # A subscription to nothing would end the listening: this channel is never used.
                    await pubsub.subscribe("lotline:here")
                    watched = set(self._lots)
                    await self._subscribe(pubsub, watched)
                    self._pubsub = pubsub
                    # Who began to watch in between found no connection to subscribe on.
                    await self._subscribe(pubsub, set(self._lots) - watched)
                    if self._is_lost:
                        log.info("feed.subscription_back")
                    retry_s, self._is_lost = FIRST_RETRY_S, False
                    await self._listen(pubsub)
            except REDIS_IS_GONE as error:
                # Said once; the next word is that it is back.
                if not self._is_lost:
                    log.warning("feed.subscription_lost", error=repr(error))
                self._is_lost = True
            except Exception:
                # Whatever it was: without this loop every viewer would fall behind for good.
                log.exception("feed.subscription_failed", retry_s=retry_s)
            self._pubsub = None
            for confirmed in self._lots.values():
                confirmed.clear()
            self._on_lost(list(self._lots))
            self._on_fault()
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    @staticmethod
    async def _subscribe(pubsub: PubSub, lots: Iterable[int]) -> None:
        # One by one: the channels of one command have to be of one hash slot.
        for lot_id in lots:
            await pubsub.ssubscribe(lot_channel(lot_id))

    async def _listen(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            try:
                message = await pubsub.get_message(timeout=QUIET_S)
            except MovedError:
                # One lot, which another server keeps now. The others are heard on.
                self._on_fault()
                continue
            if message is None:
                if asked:
                    raise RedisConnectionError(f"not a word for {2 * QUIET_S:.0f} s")
                async with self._sending:
                    await pubsub.ping()
                asked = True
                continue
            asked = False
            found = _LOT.fullmatch(message["channel"] or b"")
            if found is None:
                continue
            lot_id = int(found[1])
            if message["type"] == "ssubscribe" and lot_id in self._lots:
                self._lots[lot_id].set()
                self._on_watching(lot_id)
            elif message["type"] == "sunsubscribe" and lot_id in self._lots:
                # Nobody here has asked for it: another server keeps the lot now.
                self._lots[lot_id].clear()
                self._on_lost([lot_id])
                self._on_fault()
            elif message["type"] == "smessage":
                self._take(lot_id, message["data"])

    def _take(self, lot_id: int, data: bytes) -> None:
        """Hands a message on. One that can't be read is left to the numbers, which are asked for anyway."""
        try:
            self._on_message(lot_id, json.loads(data))
        except Exception:
            log.exception("feed.message_unreadable", lot=lot_id)

    async def _send(self, verb: str, lot_id: int) -> None:
        # One after the other: who leaves a lot and comes back at once is subscribed in the end.
        async with self._sending:
            if self._pubsub is None or (verb == "sunsubscribe") == (lot_id in self._lots):
                return
            call: Callable[[str], Awaitable[Any]] = getattr(self._pubsub, verb)
            with contextlib.suppress(*REDIS_IS_GONE):
                await call(lot_channel(lot_id))


class Readers:
    """The lots of a cluster: a reader for each server that keeps one, and who finds out which that is."""

    def __init__(
        self, topology: Topology, on_message: OnMessage, on_watching: OnWatching, on_lost: OnLost
    ) -> None:
        self._topology = topology
        self._callbacks = (on_message, on_watching, on_lost)
        self._on_lost = on_lost
        self._owners: dict[int, Address | None] = {}
        self._readers: dict[Address, tuple[Reader, asyncio.Task[None]]] = {}
        self._look = asyncio.Event()

    async def watch(self, lot_id: int, wait_s: float = 1.0) -> bool:
        self._owners.setdefault(lot_id, None)
        if not self._topology.is_known:
            self._look.set()
            return False
        reader = await self._placed(lot_id)
        return reader is not None and await reader.watch(lot_id, wait_s)

    def is_watching(self, lot_id: int) -> bool:
        owner = self._owners.get(lot_id)
        found = self._readers.get(owner) if owner else None
        return found is not None and found[0].is_watching(lot_id)

    async def leave(self, lot_id: int) -> None:
        owner = self._owners.pop(lot_id, None)
        if owner is not None and owner in self._readers:
            await self._readers[owner][0].leave(lot_id)

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._place_all()
                except Exception:
                    # Whatever it was, lots are to be looked after.
                    log.exception("feed.placing_failed")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), LOOKS_EVERY_S)
                    await asyncio.sleep(LOOKS_AGAIN_S)
                self._look.clear()
        finally:
            for address in list(self._readers):
                await self._end(address)

    async def _place_all(self) -> None:
        """Each lot to the reader of the server that keeps it; those of servers that keep none end."""
        try:
            await self._topology.read()
        except REDIS_IS_GONE as error:
            log.info("feed.topology_unread", error=repr(error))
            return
        for lot_id in list(self._owners):
            reader = await self._placed(lot_id)
            if reader is not None and not reader.is_watching(lot_id):
                await reader.watch(lot_id, wait_s=0)
        for address in set(self._readers) - set(self._topology.primaries):
            await self._end(address)

    async def _placed(self, lot_id: int) -> Reader | None:
        owner, before = self._topology.owner(lot_channel(lot_id)), self._owners.get(lot_id)
        if lot_id in self._owners and owner != before:
            self._owners[lot_id] = owner
            if before is not None and before in self._readers:
                await self._readers[before][0].leave(lot_id)
                self._on_lost([lot_id])
        if owner is None:
            return None
        if owner not in self._readers:
            client = self._topology.client(owner)
            reader = Reader(client, *self._callbacks, on_fault=self._look.set)
            self._readers[owner] = (reader, asyncio.create_task(reader.run(), name="feed.reader"))
        return self._readers[owner][0]

    async def _end(self, address: Address) -> None:
        _, task = self._readers.pop(address)
        await end_all([task])
