"""Who keeps what in a cluster, and whose life it is, out of what its servers say."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from app.core import cluster as cluster_module
from app.core.cluster import LIFE_HOLDS_S, TRIES, Address, Cluster, Topology

A, B, C = ("10.0.0.1", 7001), ("10.0.0.2", 7002), ("10.0.0.3", 7003)
KEY = "lot:{1}:meta"
SLOT = key_slot(KEY.encode())
Told = dict[Any, Any]


def node(address: Address, role: bytes = b"master", health: bytes = b"online") -> Told:
    return {
        b"id": b"%d" % address[1],
        b"port": address[1],
        b"ip": address[0].encode(),
        b"role": role,
        b"health": health,
    }


def shard(slots: list[int], *nodes: Told) -> Told:
    return {b"slots": slots, b"nodes": list(nodes)}


def flat(told: Any) -> Any:
    """The same as an older protocol sends it: names and values in one list."""
    if isinstance(told, dict):
        return [part for name, value in told.items() for part in (name, flat(value))]
    return [flat(one) for one in told] if isinstance(told, list) else told


def by_text(told: Any) -> Any:
    """The same with names that a client has decoded already."""
    if isinstance(told, dict):
        return {name.decode(): by_text(value) for name, value in told.items()}
    return [by_text(one) for one in told] if isinstance(told, list) else told


class Server:
    """One server: answers with the next of what it was given, the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self.shards: Any = []
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []
        self.infos = 0
        self.told = {"server": {"run_id": "r"}, "replication": {"role": "master", "master_replid": "x"}}

    async def execute_command(self, *args: Any, **_: Any) -> Any:
        if args == ("CLUSTER SHARDS",):
            return self._said(self.shards)
        self.asked.append(args)
        return self._said(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    async def info(self, section: str) -> Any:
        self.infos += 1
        return self._said(self.told[section])

    def pipeline(self, transaction: bool) -> "Pipeline":
        assert not transaction
        return Pipeline(self)

    @staticmethod
    def _said(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pipeline:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._sent: list[tuple[Any, ...]] = []

    def execute_command(self, *args: Any, **_: Any) -> None:
        self._sent.append(args)

    async def execute(self, raise_on_error: bool) -> list[Any]:
        assert not raise_on_error
        self._server.asked += self._sent
        answers = self._server.answers
        return [b"OK", answers.pop(0) if len(answers) > 1 else answers[0]]


@pytest.fixture
def servers() -> dict[Address, Server]:
    """Three, each of which says that A keeps the lower half, B the upper one, and C nothing."""
    found = {A: Server(b"of A"), B: Server(b"of B"), C: Server(b"of C")}
    for server in found.values():
        server.shards = [shard([0, 8191], node(A)), shard([8192, 16383], node(B), node(C, b"replica"))]
    return found


@pytest.fixture
def connected(servers: dict[Address, Server]) -> Callable[..., Cluster]:
    def connect(*first: Address) -> Cluster:
        return Cluster(first, lambda address: cast(Redis, servers[address]))

    return connect


def topology(servers: dict[Address, Server], *first: Address) -> Topology:
    return Topology(first, lambda address: cast(Redis, servers[address]))


@pytest.mark.parametrize("shape", [lambda told: told, flat, by_text])
async def test_who_keeps_a_key_is_read_from_maps_and_from_flat_lists(
    servers: dict[Address, Server], shape: Callable[[Any], Any]
) -> None:
    servers[A].shards = shape(
        [
            shard([0, 99, 200, SLOT], node(C, b"replica"), node(A)),
            shard([100, 199, SLOT + 1, 16383], node(A, b"master", b"fail"), node(B)),
        ]
    )
    known = topology(servers, A)
    await known.read()
    assert known.is_known
    assert known.primaries == {A, B}
    assert known.owner(KEY) == A
    assert known.owner("lot:{4}:meta") == B


async def test_a_server_that_has_failed_keeps_nothing(servers: dict[Address, Server]) -> None:
    servers[A].shards = [shard([0, 16383], node(A, b"master", b"fail"), node(B, b"replica"))]
    known = topology(servers, A)
    await known.read()
    assert known.primaries == set()
    assert known.owner(KEY) is None


async def test_a_name_is_taken_where_a_server_tells_no_address(servers: dict[Address, Server]) -> None:
    named = {b"endpoint": b"db-1", b"ip": b"", b"port": 7001, b"role": b"master", b"health": b"online"}
    servers[A].shards = [shard([0, 16383], named)]
    known = topology(servers, A)
    await known.read()
    assert known.owner(KEY) == ("db-1", 7001)


async def test_one_server_after_the_other_is_asked_until_one_answers(servers: dict[Address, Server]) -> None:
    servers[A].shards = RedisConnectionError("gone")
    known = topology(servers, A, B)
    await known.read()
    assert known.primaries == {A, B}
    for server in servers.values():
        server.shards = RedisConnectionError("gone too")
    with pytest.raises(RedisConnectionError, match="gone too"):
        await known.read()


async def test_a_key_that_has_moved_is_asked_for_where_it_is_now(
    servers: dict[Address, Server], connected: Callable[..., Cluster]
) -> None:
    first, second = (A, B) if SLOT <= 8191 else (B, A)
    servers[first].answers = [MovedError(f"{SLOT} {second[0]}:{second[1]}")]
    redis = connected(A)
    await redis.topology.read()
    for server in servers.values():
        server.shards = [shard([0, 16383], node(second))]
    assert await redis.get(KEY) == servers[second].answers[0]
    assert len(servers[first].asked) == 1


async def test_who_has_been_told_where_a_key_is_believes_it_before_the_others_know(
    servers: dict[Address, Server], connected: Callable[..., Cluster]
) -> None:
    first, second = (A, B) if SLOT <= 8191 else (B, A)
    servers[first].answers = [MovedError(f"{SLOT} {second[0]}:{second[1]}")]
    redis = connected(A)
    for _ in range(3):
        assert await redis.get(KEY) == servers[second].answers[0]
    assert len(servers[first].asked) == 1


async def test_a_key_on_its_way_is_asked_for_once_where_it_goes(
    servers: dict[Address, Server], connected: Callable[..., Cluster]
) -> None:
    here = A if SLOT <= 8191 else B
    servers[here].answers = [AskError(f"{SLOT} {C[0]}:{C[1]}")]
    redis = connected(A)
    assert await redis.get(KEY) == b"of C"
    assert servers[C].asked == [("ASKING",), ("GET", KEY)]
    assert redis.topology.owner(KEY) == here


async def test_keys_of_which_some_are_on_their_way_are_asked_for_again(
    servers: dict[Address, Server], connected: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "TRIES_AGAIN_S", 0.0)
    here = A if SLOT <= 8191 else B
    ask, again = AskError(f"{SLOT} {C[0]}:{C[1]}"), TryAgainError("TRYAGAIN")
    # Also where it goes it may not be whole yet.
    servers[here].answers, servers[C].answers = [again, ask, ask], [again, b"of C"]
    assert await connected(A).get(KEY) == b"of C"
    servers[here].answers = [again]
    servers[here].asked.clear()
    with pytest.raises(ClusterDownError):
        await connected(A).get(KEY)
    assert len(servers[here].asked) == TRIES


async def test_nothing_is_sent_twice_where_a_server_may_have_done_it(
    servers: dict[Address, Server], connected: Callable[..., Cluster]
) -> None:
    here = A if SLOT <= 8191 else B
    servers[here].answers = [RedisConnectionError("cut")]
    redis = connected(A)
    with pytest.raises(RedisConnectionError):
        await redis.get(KEY)
    assert len(servers[here].asked) == 1
    assert not redis.topology.is_known


async def test_the_life_is_another_one_when_any_primary_is(
    servers: dict[Address, Server], connected: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "LIFE_HOLDS_S", 0.0)
    servers[B].told["server"] = {"run_id": "s"}
    servers[C].told["server"] = {"run_id": "t"}
    redis = connected(A)
    first = await redis.life()
    assert await redis.life() == first
    # B has been started again.
    servers[B].told["server"] = {"run_id": "u"}
    restarted = await redis.life()
    # C has taken over from A.
    servers[A].told["replication"] = {"role": "slave", "master_replid": "x"}
    for server in servers.values():
        server.shards = [shard([0, 8191], node(C), node(A, b"replica")), shard([8192, 16383], node(B))]
    failed_over = await redis.life()
    assert len({first, restarted, failed_over}) == 3
    assert redis.topology.primaries == {B, C}


async def test_the_life_stays_where_only_hash_slots_move(
    servers: dict[Address, Server], connected: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "LIFE_HOLDS_S", 0.0)
    redis = connected(A)
    first = await redis.life()
    for server in servers.values():
        server.shards = [shard([0, 1], node(A)), shard([2, 16383], node(B))]
    redis.topology.doubt()
    assert await redis.life() == first


async def test_while_a_primary_is_away_nobody_knows_the_life(
    servers: dict[Address, Server], connected: Callable[..., Cluster]
) -> None:
    servers[B].told["server"] = RedisConnectionError("gone")  # type: ignore[assignment]
    with pytest.raises(RedisError):
        await connected(A).life()


async def test_many_who_ask_for_the_life_at_once_ask_the_servers_once(
    servers: dict[Address, Server], connected: Callable[..., Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(cluster_module, "monotonic_s", lambda: now_s)
    redis = connected(A)
    lives = await asyncio.gather(*(redis.life() for _ in range(9)))
    assert len({*lives}) == 1
    assert await redis.life() == lives[0]
    assert servers[A].infos == servers[B].infos == 2
    now_s += LIFE_HOLDS_S
    servers[B].told["server"] = {"run_id": "u"}
    assert await redis.life() != lives[0]
