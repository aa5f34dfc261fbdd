"""A Redis Cluster of three primaries and three replicas out of the embedded server, on loopback."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from app.launch import embedded_redis
from tests.integration.launch.run_process import free_port

PRIMARIES, SLOTS = 3, 16_384
# A server that is silent for so long is taken to have failed.
NODE_TIMEOUT_MS = 1_000
WITHIN_S = 30.0
_POLL_S = 0.05


@dataclass
class Node:
    """One server of the cluster, through all its lives."""

    port: int
    bus_port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    client: Redis = field(init=False)

    def __post_init__(self) -> None:
        self.client = Redis(port=self.port, decode_responses=True, socket_timeout=5)

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
            "appendonly": "no",
            "save": "",
            "logfile": self.folder / "redis.log",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([str(embedded_redis.binary()), *words], stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

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
            views = []
            for node in self.nodes:
                info = await node.client.info("replication")
                linked = info["role"] == "master" or info.get("master_link_status") == "up"
                state = str(await node.client.cluster("info"))
                views.append(linked and "'cluster_state': 'ok'" in state)
            primaries = await self.primaries()
            return all(views) and len(primaries) == PRIMARIES

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
            if node.process is not None and node.process.poll() is None:
                info = await node.client.info("replication")
                if info["role"] == "slave" and int(info["master_port"]) == primary.port:
                    return node
        raise AssertionError("it has no replica")

    async def move_slot(self, slot: int, target: Node) -> None:
        """Moves one hash slot with its keys, as an operator's tool does."""
        source = next(
            node
            for shard in await target.call("CLUSTER", "SLOTS")
            if int(shard[0]) <= slot <= int(shard[1])
            for node in self.nodes
            if node.port == int(shard[2][1])
        )
        if source is target:
            return
        source_id, target_id = await source.call("CLUSTER", "MYID"), await target.call("CLUSTER", "MYID")
        await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := await source.call("CLUSTER", "GETKEYSINSLOT", slot, 100):
            await source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)
        for node in (target, source):
            await node.call("CLUSTER", "SETSLOT", slot, "NODE", target_id)

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
    nodes = [Node(free_port(), free_port(), folder / f"{number}") for number in range(2 * PRIMARIES)]
    try:
        for node in nodes:
            node.start()
        cluster = Cluster(nodes)
        await _join(nodes)
        await cluster.until_whole()
        yield cluster
    finally:
        for node in nodes:
            await node.client.aclose()
            if node.process is not None and node.process.poll() is None:
                node.kill()
        shutil.rmtree(folder)


async def _join(nodes: list[Node]) -> None:
    async def all_answer() -> bool:
        return all([await node.client.ping() for node in nodes])

    await until(all_answer, "all servers answer")
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
