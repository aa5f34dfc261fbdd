"""The names of what is published, and one subscription a process that survives a lost connection."""

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core.redis import REDIS_IS_GONE

log = structlog.get_logger()
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 1.0
# After so long without a word the server is asked for one, and after as long again taken to be gone: a
# connection whose other end has vanished says nothing by itself.
QUIET_S = 3.0
_LOT = re.compile(rb"lot:\{(\d+)\}:feed")

OnMessage = Callable[[int, dict[str, Any]], None]
OnWatching = Callable[[int], None]
OnLost = Callable[[], None]


def lot_channel(lot_id: int) -> str:
    """Where the changes of a lot are published; the hash tag keeps it on the lot's own shard."""
    return f"lot:{{{lot_id}}}:feed"


class Subscription:
    """The changes of all lots that this process watches, over one connection.

    ``on_watching`` is called with a lot each time the server has confirmed it: nothing after is missed, and
    everything before may have been.
    """

    def __init__(self, redis: Redis, on_message: OnMessage, on_watching: OnWatching, on_lost: OnLost) -> None:
        self._redis = redis
        self._on_message = on_message
        self._on_watching = on_watching
        self._on_lost = on_lost
        self._lots: dict[int, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._sending = asyncio.Lock()
        self._is_lost = False

    async def watch(self, lot_id: int, wait_s: float = 1.0) -> bool:
        """Subscribes to a lot; true once the server has confirmed it, so that nothing after is missed."""
        confirmed = self._lots.setdefault(lot_id, asyncio.Event())
        if self._is_lost:
            # Nobody waits for a server that is away: who finds it again subscribes to all.
            return False
        await self._send("subscribe", lot_id)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(confirmed.wait(), wait_s)
        return confirmed.is_set()

    def is_watching(self, lot_id: int) -> bool:
        """Whether the server has confirmed that it sends this lot's changes here."""
        confirmed = self._lots.get(lot_id)
        return confirmed is not None and confirmed.is_set()

    async def leave(self, lot_id: int) -> None:
        self._lots.pop(lot_id, None)
        await self._send("unsubscribe", lot_id)

    async def run(self) -> None:
        """Listens until cancelled; after a fault it connects again and says that messages were lost."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    # A subscription to nothing would end the listening: this channel is never used.
                    watched = set(self._lots)
                    await pubsub.subscribe("lotline:here", *map(lot_channel, watched))
                    self._pubsub = pubsub
                    # Who began to watch in between found no connection to subscribe on.
                    if late := set(self._lots) - watched:
                        await pubsub.subscribe(*map(lot_channel, late))
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
            self._on_lost()
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def _listen(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_S)
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
            if message["type"] == "subscribe" and lot_id in self._lots:
                self._lots[lot_id].set()
                self._on_watching(lot_id)
            elif message["type"] == "message":
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
            if self._pubsub is None or (verb == "unsubscribe") == (lot_id in self._lots):
                return
            call: Callable[[str], Awaitable[Any]] = getattr(self._pubsub, verb)
            with contextlib.suppress(*REDIS_IS_GONE):
                await call(lot_channel(lot_id))
