"""The way into Redis: one client a process, scripts loaded once, faults told apart from answers."""

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from app.core.clock import monotonic_s

log = structlog.get_logger()
REDIS_IS_GONE = (RedisError, OSError, TimeoutError)
_SPOILED = ("WRONGTYPE", "not an integer")
CONNECT_TIMEOUT_S = 0.5
SOCKET_TIMEOUT_S = 1.0
MAX_CONNECTIONS = 64
REST_S = 1.0
# It is back when nothing has failed for so long: it may answer some calls and refuse others.
IS_BACK_AFTER_S = 2.0


def connect(url: str) -> Redis:
    """A client of the server at ``url``.

    redis-py would retry ten times in silence, so that a script might run twice; here the caller
    hears of a fault at once and decides.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=SOCKET_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
    )
    return Redis.from_pool(pool)


def is_spoiled(error: Exception) -> bool:
    """Whether a key holds something else than this application writes there."""
    return isinstance(error, ResponseError) and any(word in str(error) for word in _SPOILED)


class Patience:
    """After a call that was not answered, the next ones are not even sent for a moment.

    A Redis that hangs would otherwise cost each booking two timeouts, while SQL does the work anyway.
    """

    def __init__(self, rest_s: float = REST_S) -> None:
        self._rest_s = rest_s
        self._until = 0.0
        self._is_gone = False
        self._failed_at_s = 0.0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Around a call; raises RedisError at once while Redis rests."""
        if monotonic_s() < self._until:
            raise RedisError("Redis did not answer a moment ago")
        try:
            yield
        except REDIS_IS_GONE as error:
            if isinstance(error, TimeoutError | RedisTimeout):
                self._until = monotonic_s() + self._rest_s
            if not is_spoiled(error):
                self._failed_at_s = monotonic_s()
                self._notes(is_gone=True, error=repr(error))
            raise
        if self._is_gone and monotonic_s() - self._failed_at_s >= IS_BACK_AFTER_S:
            self._notes(is_gone=False)

    def _notes(self, *, is_gone: bool, **facts: str) -> None:
        """The log hears of it once, not with each of hundreds of requests a second."""
        if is_gone is not self._is_gone:
            log.log(
                logging.WARNING if is_gone else logging.INFO,
                f"redis.{'gone' if is_gone else 'back'}",
                **facts,
            )
        self._is_gone = is_gone


class Script:
    """One Lua file. It is sent whole only where the server does not know it yet."""

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self._source = resources.files(package).joinpath("lua", f"{name}.lua").read_text()
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return await redis.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await redis.eval(self._source, len(keys), *keys, *arguments)
