"""Which epoch of the status is in force: one life of it in one Redis over one database."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.core.clock import monotonic_s
from app.core.cluster import Cluster
from app.core.db import SqlAway
from app.core.redis import Patience, Script, is_spoiled, life_by, life_of

log = structlog.get_logger()
EPOCH_KEY = "lotline:epoch"
# No request reads the incarnation from SQL more often than this, whatever Redis says.
LOOK_AGAIN_S = 1.0

_epoch = Script("app.slots", "epoch")

ReadIncarnation = Callable[[], Awaitable[str]]


async def _or_spoiled(asked: Awaitable[Any]) -> Any:
    """The answer, or the error that says that somebody else has written there."""
    try:
        return await asked
    except ResponseError as error:
        if not is_spoiled(error):
            raise
        return error


class Epochs:
    """The epoch as one process knows it.

    It reads ``run id.replication id.incarnation.random``: the first two are the server's (of a cluster
    ``cluster`` and a digest of all primaries) and change with a restart or a failover, the third is SQL's
    (``accounts.incarnation``) and changes where SQL may have lost commits. ``read_incarnation`` reads the
    third anew; without it the one given holds for ever.
    """

    def __init__(
        self,
        redis: Redis,
        incarnation: str,
        read_incarnation: ReadIncarnation | None,
        patience: Patience,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        self._redis = redis
        self._read_incarnation = read_incarnation
        self._patience = patience
        self._clock = clock
        self._looked_at_s = float("-inf")
        self._known = ""
        self.incarnation = incarnation

    async def current(self, *, fresh: bool = False) -> str:
        """The epoch in force, or ``""`` where a worker has yet to begin one."""
        if fresh or not self._known:
            self._known = await self._read()
        return self._known

    def forget(self) -> None:
        """Somebody has shown that another one is in force: look at the next use."""
        self._known = ""

    async def begin(self) -> str:
        """Makes sure that an epoch of this Redis over this database as it is now is in force.

        Returns ``""`` where another process has begun one of another life at this moment: try again. Raises
        SqlAway.
        """
        if self._read_incarnation is not None:
            self.incarnation = await self._read_incarnation()
        stored, server = await self._look()
        if not self._is_of_now(stored, server):
            fresh = f"{server}.{self._incarnation}.{secrets.token_hex(4)}"
            if await _epoch(self._redis, [EPOCH_KEY], [stored, fresh]):
                log.info("status.epoch_begun", epoch=fresh, before=stored.decode(errors="replace"))
        return await self.current(fresh=True)

    @property
    def _incarnation(self) -> str:
        return self.incarnation[:12]

    async def _read(self) -> str:
        async with self._patience.asking():
            stored, server = await self._look()
        if stored.startswith(f"{server}.".encode()) and not self._is_of_now(stored, server):
            await self._take_up_incarnation()
        return stored.decode(errors="replace") if self._is_of_now(stored, server) else ""

    async def _look(self) -> tuple[bytes, str]:
        """What is stored as the epoch, and what one of the server's present life begins with."""
        if isinstance(self._redis, Cluster):
            stored: Any = await _or_spoiled(self._redis.get(EPOCH_KEY))
            life = await life_of(self._redis)
        else:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.get(EPOCH_KEY)
            pipeline.info("server")
            pipeline.info("replication")
            stored, server, replication = await pipeline.execute(raise_on_error=False)
            for answer in (stored, server, replication):
                if isinstance(answer, Exception) and not is_spoiled(answer):
                    raise answer
            life = life_by(server, replication)
        return b"" if isinstance(stored, Exception) else stored or b"", life

    def _is_of_now(self, stored: bytes, server: str) -> bool:
        return stored.startswith(f"{server}.{self._incarnation}.".encode())

    async def _take_up_incarnation(self) -> None:
        """A worker has found that SQL lost commits, and began an epoch of its new incarnation."""
        now_s = self._clock()
        if self._read_incarnation is None or now_s - self._looked_at_s < LOOK_AGAIN_S:
            return
        self._looked_at_s = now_s
        try:
            self.incarnation = await self._read_incarnation()
        except SqlAway as error:
            log.warning("status.incarnation_unread", error=str(error))
