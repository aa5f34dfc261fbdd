"""A Redis Cluster of three primaries and three replicas out of the embedded server, on loopback."""

import asyncio
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from app.launch import embedded_redis

PRIMARIES, SLOTS = 3, 16_384
# A server that is silent for so long is taken to have failed.
NODE_TIMEOUT_MS = 1_000
WITHIN_S = 30.0
_POLL_S = 0.05
# So often other ports are tried where somebody has taken those of a server before it could.
_STARTS = 5
# Below those that connections are given: one of theirs would keep a server from starting again.
_PORTS = range(20_000, 30_000)


@dataclass
class Node:
    """One server of the cluster, through all its lives."""

    port: int
    bus_port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    client: Redis = field(init=False)

    def __post_init__(self) -> None:
        # Who asks again and again need not be helped; a server that has ended is no answer.
        retry = Retry(NoBackoff(), 0)
        self.client = Redis(port=self.port, decode_responses=True, socket_timeout=5, retry=retry)

    def start(self) -> None:
        """Starts it; what it knew of the cluster is in its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.folder,
            "cluster-enabled": "yes",
            "cluster-port": self.bus_port,
            "cluster-node-timeout": NODE_TIMEOUT_MS,
            "cluster-require-full-coverage": "no",
            # A replica that comes back need not wait for others that may want the same.
            "repl-diskless-sync-delay": 0,
            "appendonly": "no",
            "save": "",
            "logfile": self.folder / "redis.log",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([str(embedded_redis.binary()), *words], stdin=subprocess.DEVNULL)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def end(self) -> None:
        """Ends it for good."""
        await self.client.aclose()
        if self.is_running:
            self.kill()

    async def until_it_answers(self) -> bool:
        """False where the process has ended; another one may answer on its port."""
        assert self.process is not None
        deadline_s = monotonic() + WITHIN_S
        while self.is_running:
            try:
                if (await self.client.info("server"))["process_id"] == self.process.pid:
                    return True
            except (RedisError, OSError):
                pass
            assert monotonic() < deadline_s, f"not within {WITHIN_S:.0f} s: {self.port} answers"
            await asyncio.sleep(_POLL_S)
        return False

    async def hand_over(self, target: "Node", keys: Sequence[str]) -> None:
        """Keys of a hash slot that is on its way, all of them at one instant."""
        await self.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)

    async def call(self, *words: object) -> Any:
        """What it answers to a command."""
        return await self.client.execute_command(*words)


@dataclass
class Cluster:
    """Servers 0 to 2 begin as primaries, 3 to 5 as their replicas."""

    nodes: list[Node]

    @property
    def url(self) -> str:
        """What the application is told: two of the servers."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    async def until_whole(self) -> None:
        """Returns when every server runs, all agree, and each primary has a replica that follows it."""

        async def is_whole() -> bool:
            followed = set()
            for node in self.nodes:
                info = await node.client.info("replication")
                if info["role"] == "slave":
                    if info["master_link_status"] != "up":
                        return False
                    followed.add(int(info["master_port"]))
                if "'cluster_state': 'ok'" not in str(await node.client.cluster("info")):
                    return False
            primaries = {node.port for node in await self.primaries()}
            return primaries == followed and len(followed) == PRIMARIES and await self._agree()

        await until(is_whole, "the cluster is whole")

    async def primaries(self) -> list[Node]:
        """The servers that keep hash slots now, as one that runs sees them."""
        for node in self.nodes:
            try:
                shards = await node.call("CLUSTER", "SLOTS")
            except (RedisError, OSError):
                continue
            ports = {int(shard[2][1]) for shard in shards}
            return [one for one in self.nodes if one.port in ports]
        raise AssertionError("no server answers")

    async def owner(self, key: str) -> Node:
        """The primary that keeps this key."""
        slot = key_slot(key.encode())
        for shard in await self.nodes[0].call("CLUSTER", "SLOTS"):
            if int(shard[0]) <= slot <= int(shard[1]):
                return next(node for node in self.nodes if node.port == int(shard[2][1]))
        raise AssertionError(f"nobody keeps {key}")

    async def replica_of(self, primary: Node) -> Node:
        """One that follows this primary."""
        for node in self.nodes:
            if node.is_running:
                info = await node.client.info("replication")
                if info["role"] == "slave" and int(info["master_port"]) == primary.port:
                    return node
        raise AssertionError("it has no replica")

    async def move_slot(self, slot: int, target: Node, keys_at_once: int = 100) -> None:
        """Moves one hash slot with its keys, so many at once, as an operator's tool does."""
        source = next(
            node
            for shard in await target.call("CLUSTER", "SLOTS")
            if int(shard[0]) <= slot <= int(shard[1])
            for node in self.nodes
            if node.port == int(shard[2][1])
        )
        if source is target:
            return
        await self.begin_to_move(slot, source, target)
        while keys := await source.call("CLUSTER", "GETKEYSINSLOT", slot, keys_at_once):
            await source.hand_over(target, keys)
        target_id = await target.call("CLUSTER", "MYID")
        # Told only by one another, a third one might hear of a later move first, and never believe this one.
        others = [node for node in await self.primaries() if node not in (target, source)]
        for node in (target, source, *others):
            await node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        await until(self._agree, f"all servers know who keeps {slot}")

    async def begin_to_move(self, slot: int, source: Node, target: Node) -> None:
        """From here on a key may be on either of them."""
        source_id, target_id = await source.call("CLUSTER", "MYID"), await target.call("CLUSTER", "MYID")
        await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)

    async def _agree(self) -> bool:
        """Whether all servers tell the same of who keeps what, and since which of their elections."""
        views = [_primaries(await node.client.cluster("nodes")) for node in self.nodes]
        return all(view == views[0] for view in views)

    async def fail_over(self, primary: Node) -> Node:
        """A planned failover: its replica takes over; returns that one."""
        replica = await self.replica_of(primary)
        await replica.call("CLUSTER", "FAILOVER")
        await self.until_primary(replica)
        return replica

    async def until_primary(self, node: Node) -> None:
        """Returns when that one keeps hash slots."""

        async def keeps() -> bool:
            return node in await self.primaries()

        await until(keeps, f"{node.port} is a primary")


@asynccontextmanager
async def started_cluster() -> AsyncIterator[Cluster]:
    """A cluster that is whole; it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    nodes: list[Node] = []
    try:
        while len(nodes) < 2 * PRIMARIES:
            nodes.append(await started_node(folder / f"{len(nodes)}"))
        cluster = Cluster(nodes)
        await _join(nodes)
        await cluster.until_whole()
        yield cluster
    finally:
        for node in nodes:
            await node.end()
        shutil.rmtree(folder)


async def started_node(folder: Path, port: Callable[[], int] | None = None) -> Node:
    """A server alone, with its data in ``folder``, on ports that ``port`` draws."""
    draw = port or free_port
    for _ in range(_STARTS):
        node = Node(draw(), draw(), folder)
        node.start()
        if await node.until_it_answers():
            return node
        await node.end()
        shutil.rmtree(folder)
    raise AssertionError(f"no server of {_STARTS} got its ports")


def free_port() -> int:
    """One that nobody listens on now, nor is given to a connection later."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


async def _join(nodes: list[Node]) -> None:
    for node in nodes[1:]:
        await node.call("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
    for number, node in enumerate(nodes[:PRIMARIES]):
        first, last = SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES - 1
        await node.call("CLUSTER", "ADDSLOTSRANGE", first, last)

    async def all_know_all() -> bool:
        return all([len(await node.client.cluster("nodes")) == len(nodes) for node in nodes])

    await until(all_know_all, "all servers know each other")
    for primary, replica in zip(nodes[:PRIMARIES], nodes[PRIMARIES:], strict=True):
        name = await primary.call("CLUSTER", "MYID")
        await until(lambda r=replica, n=name: _follows(r, n), "the replica follows")  # type: ignore[misc]


async def _follows(replica: Node, primary: str) -> bool:
    return bool(await replica.call("CLUSTER", "REPLICATE", primary))


def _primaries(nodes: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each primary with the number of its election and the hash slots that it keeps."""
    found = (one for one in nodes.values() if "master" in one["flags"])
    return sorted((one["node_id"], str(one["epoch"]), str(one["slots"])) for one in found)


async def until(holds: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> None:
    """Asks again and again until it holds; a server that does not answer is no answer yet."""
    deadline_s = monotonic() + within_s
    while True:
        try:
            if await holds():
                return
        except (RedisError, OSError):
            pass
        assert monotonic() < deadline_s, f"not within {within_s:.0f} s: {what}"
        await asyncio.sleep(_POLL_S)
