"""The way into Redis, one server or a cluster: one client a process, scripts loaded once, faults told apart.

What belongs together lies under one hash tag, so no command meets keys of two servers. ``docs/decisions/014``
says what a cluster's failovers and moved hash slots do.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from app.core.clock import monotonic_s
from app.core.cluster import Cluster
from app.settings import CLUSTER_SCHEME, cluster_addresses

log = structlog.get_logger()
REDIS_IS_GONE = (RedisError, OSError, TimeoutError)
_SPOILED = ("WRONGTYPE", "not an integer")
CONNECT_TIMEOUT_S = 0.5
SOCKET_TIMEOUT_S = 1.0
MAX_CONNECTIONS = 64
REST_S = 1.0
# It is back when nothing has failed for so long: it may answer some calls and refuse others.
IS_BACK_AFTER_S = 2.0


@dataclass(frozen=True)
class Store:
    """The process's client, whatever kind of it."""

    client: Redis


def connect(url: str) -> Redis:
    """A client of the server, or of the cluster, at ``url``.

    redis-py would retry ten times in silence, so that a script might run twice; here the caller
    hears of a fault at once and decides.
    """
    if url.startswith(f"{CLUSTER_SCHEME}:"):
        return Cluster(cluster_addresses(url), lambda address: _client(_url(*address)))
    return _client(url)


def _url(host: str, port: int) -> str:
    """Of one server of a cluster, which may be named by an IPv6 address."""
    return f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"


def _client(url: str) -> Redis:
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


async def life_of(redis: Redis) -> str:
    """Names the present life of what is stored: another one after a restart, or after a failover.

    Of a cluster that of all its primaries together. Raises RedisError where one of them does not answer.
    """
    if isinstance(redis, Cluster):
        return await redis.life()
    return life_by(await redis.info("server"), await redis.info("replication"))


def life_by(server: Mapping[str, Any], replication: Mapping[str, Any]) -> str:
    """The life of one server, by what it says of itself (INFO)."""
    return f"{server['run_id'][:12]}.{replication['master_replid'][:12]}"


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
