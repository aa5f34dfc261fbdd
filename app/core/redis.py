"""The way into Redis: one client a process, scripts loaded once, faults told apart from answers."""

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

REDIS_IS_GONE = (RedisError, OSError, TimeoutError)
CONNECT_TIMEOUT_S = 0.5
SOCKET_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 64


def connect(url: str) -> Redis:
    """A client of the server at ``url``.

    redis-py would retry ten times in silence, so that a script might run twice; here the caller
    hears of a fault at once and decides.
    """
    return Redis.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
    )


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
