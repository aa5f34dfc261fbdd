"""A client of a Redis Cluster: each command goes to the server that keeps its key.

redis-py has one as well, but it closes all of its connections whenever the cluster changes, under the
commands that are on their way, and it asks for a moved key over whichever connection is free. Here a server's
connections live as long as the server is known, and no command is sent twice but by the word of a server that
has not done it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError

from app.core.clock import monotonic_s

Address = tuple[str, int]
# A key may be on its way from one server to another one: so often it is looked for.
TRIES = 10
TRIES_AGAIN_S = 0.02
# While no epoch is in force each request asks, and it takes two questions to each server.
LIFE_HOLDS_S = 0.05
# Where one lot has moved others may have as well.
READ_AGAIN_S = 1.0
_SCRIPTS = ("EVALSHA", "EVAL")


class Topology:
    """Which server keeps what, as any one of them tells it."""

    def __init__(self, first: Sequence[Address], client_of: Callable[[Address], Redis]) -> None:
        self._first = list(first)
        self._client_of = client_of
        self._clients: dict[Address, Redis] = {}
        self._ranges: list[tuple[int, int, Address]] = []
        self._moved: dict[int, Address] = {}
        self._read_at_s = float("-inf")
        self._reading: asyncio.Future[None] | None = None
        self.is_known = False

    @property
    def primaries(self) -> set[Address]:
        """The servers that keep something."""
        return {address for _, _, address in self._ranges}

    def owner(self, key: str) -> Address | None:
        """The server that keeps this key, or receives what is published under it, if one does."""
        slot = key_slot(key.encode())
        if slot in self._moved:
            return self._moved[slot]
        return next((address for first, last, address in self._ranges if first <= slot <= last), None)

    def client(self, address: Address) -> Redis:
        """The client of one server alone."""
        if address not in self._clients:
            self._clients[address] = self._client_of(address)
        return self._clients[address]

    def doubt(self) -> None:
        """Something was not where it was thought to be: it is asked anew before the next use."""
        self.is_known = False

    def moved(self, key: str, address: Address) -> None:
        """The key's old server has said which one keeps it now; the others may not have heard of that yet."""
        self._moved[key_slot(key.encode())] = address
        if address not in self.primaries or monotonic_s() >= self._read_at_s + READ_AGAIN_S:
            self.doubt()

    async def read(self) -> None:
        """Asks one server after the other until one answers; who comes meanwhile shares the answer.

        Raises what the last one did.
        """
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(self._has_read)
        await asyncio.shield(self._reading)

    async def aclose(self) -> None:
        """Ends all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _has_read(self, reading: "asyncio.Future[None]") -> None:
        self._reading = None
        if not reading.cancelled():
            # Whoever waits is told; where nobody does, nobody needs it.
            reading.exception()

    async def _read(self) -> None:
        last: Exception = RedisError("no server of the cluster is known")
        for address in dict.fromkeys([*sorted(self.primaries), *self._first, *self._clients]):
            try:
                told: Any = await self.client(address).execute_command("CLUSTER SHARDS")  # type: ignore[no-untyped-call]
            except (RedisError, OSError, TimeoutError) as error:
                last = error
                continue
            self._ranges, self.is_known = list(_ranges(told)), True
            self._moved.clear()
            self._read_at_s = monotonic_s()
            return
        raise last


class Cluster(Redis):
    """A client of all servers. Commands have one key, or keys that one hash tag keeps together."""

    def __init__(self, first: Sequence[Address], client_of: Callable[[Address], Redis]) -> None:
        super().__init__(host=first[0][0], port=first[0][1])
        self.topology = Topology(first, client_of)
        self._living: asyncio.Future[str] | None = None
        self._living_until_s = 0.0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """What the key's server answers. RedisError where nobody keeps it just now, or it does not answer."""
        key = str(args[3] if args[0] in _SCRIPTS else args[1])
        for _ in range(TRIES):
            if not self.topology.is_known:
                await self.topology.read()
            owner = self.topology.owner(key)
            if owner is None:
                self.topology.doubt()
                raise ClusterDownError(f"nobody keeps {key} now")
            try:
                return await self._send(owner, args, options)
            except MovedError as error:
                self.topology.moved(key, (error.host, int(error.port)))
            except TryAgainError:
                await asyncio.sleep(TRIES_AGAIN_S)
            except (RedisError, OSError, TimeoutError) as error:
                if not _is_answer(error):
                    self.topology.doubt()
                raise
        raise ClusterDownError(f"{key} is on its way")

    async def _send(self, address: Address, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        try:
            return await self.topology.client(address).execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except AskError as error:
            # To redis-py a key that has moved is one of those.
            if isinstance(error, MovedError):
                raise
            return await self._ask((error.host, int(error.port)), args, options)

    async def _ask(self, address: Address, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Of a key that is on its way, as its old server said; the word for it takes the same connection."""
        pipeline = self.topology.client(address).pipeline(transaction=False)
        pipeline.execute_command("ASKING")
        pipeline.execute_command(*args, **options)
        _, answer = await pipeline.execute(raise_on_error=False)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def life(self) -> str:
        """Names the life of what all primaries store: another one after a restart or failover of any.

        What it was less than ``LIFE_HOLDS_S`` ago. RedisError where one of them does not answer.
        """
        if self._living is None or (self._living.done() and monotonic_s() >= self._living_until_s):
            self._living = asyncio.ensure_future(self._read_life())
            self._living.add_done_callback(self._has_read_life)
        return await asyncio.shield(self._living)

    def _has_read_life(self, living: "asyncio.Future[str]") -> None:
        self._living_until_s = monotonic_s() + LIFE_HOLDS_S
        if living.cancelled():
            self._living = None
        else:
            # Whoever waits is told; where nobody does, nobody needs it.
            living.exception()

    async def _read_life(self) -> str:
        for _ in range(2):
            if not self.topology.is_known:
                await self.topology.read()
            addresses = sorted(self.topology.primaries)
            lives = await asyncio.gather(*(self._life(address) for address in addresses))
            if lives and None not in lives:
                return "cluster." + hashlib.sha256(" ".join(map(str, lives)).encode()).hexdigest()[:16]
            # One has been another one's replica since.
            self.topology.doubt()
        raise RedisError("the cluster is changing")

    async def _life(self, address: Address) -> str | None:
        client = self.topology.client(address)
        try:
            server, replication = await client.info("server"), await client.info("replication")
        except (RedisError, OSError, TimeoutError):
            self.topology.doubt()
            raise
        if replication["role"] != "master":
            return None
        return f"{server['run_id']}.{replication['master_replid']}"

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Ends all connections."""
        await self.topology.aclose()
        await super().aclose(close_connection_pool)


def _is_answer(error: Exception) -> bool:
    """Whether the right server has said so."""
    return type(error).__name__ in ("ResponseError", "NoScriptError")


def _ranges(shards: Sequence[Any]) -> Iterator[tuple[int, int, Address]]:
    """First and last hash slot of each stretch, with its primary."""
    for shard in map(_as_dict, shards):
        slots = [int(one) for one in shard["slots"]]
        for node in map(_as_dict, shard["nodes"]):
            if node["role"] == b"master" and node["health"] == b"online":
                host = node.get("ip") or node["endpoint"]
                address = (host.decode(), int(node["port"]))
                for first, last in zip(slots[::2], slots[1::2], strict=True):
                    yield first, last, address


def _as_dict(told: Any) -> dict[str, Any]:
    """A map, which an older protocol sends as a list of names and values."""
    pairs = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)
    return {name.decode() if isinstance(name, bytes) else name: value for name, value in pairs}
