"""The status of slots in Redis: a projection of SQL that proposes, counts and tells viewers.

Everything of a lot lives under one hash tag, ``lot:{id}:…``, so that a Redis Cluster keeps it on one
shard. ``docs/redis-keys.md`` lists the keys. What is here may be lost at any time: SQL is the truth.
"""

import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from app.core.redis import Patience, Script
from app.live.channels import lot_channel
from app.slots.models import STATE_CODES, State

LEASE_MS = 5_000
EPOCH_KEY = "lotline:epoch"
BUILT_KEY = "lotline:built"
RECORD = struct.Struct(">IHBB")

_propose = Script("app.slots", "propose")
_apply = Script("app.slots", "apply")
_release = Script("app.slots", "release")
_begin = Script("app.slots", "begin")
_finish = Script("app.slots", "finish")
_snapshot = Script("app.slots", "snapshot")


class NotBuilt(Exception):
    """Redis holds no status of this lot that may be believed: another epoch, or not built yet."""


class OtherOrder(Exception):
    """The lot's ranks were given anew since the caller read its layout."""


class Superseded(Exception):
    """Another rebuild of the lot has begun since: it clears what this one loaded, and ends it all."""


@dataclass(frozen=True)
class Proposal:
    """A slot that Redis believes free, leased to the caller for ``LEASE_MS``."""

    rank: int
    class_number: int


@dataclass(frozen=True)
class SlotChange:
    """A slot's state as SQL has committed it."""

    rank: int
    version: int
    class_number: int
    state: State


@dataclass(frozen=True)
class StatusSnapshot:
    """One lot as Redis knows it. ``states`` holds a code for each rank."""

    epoch: str
    built: bool
    order_version: int
    layout_version: int
    seq: int
    states: bytes
    versions: tuple[int, ...]


@dataclass(frozen=True)
class LotKey:
    """Which lot, in which of its orders."""

    lot_id: int
    order_version: int


def _key(lot_id: int, name: str) -> str:
    return f"lot:{{{lot_id}}}:{name}"


class Status:
    """The status of all lots, as one process uses it."""

    def __init__(self, redis: Redis, incarnation: str) -> None:
        self._redis = redis
        self._incarnation = incarnation
        self._epoch = ""
        self._patience = Patience()

    async def epoch(self, *, fresh: bool = False) -> str:
        """The epoch in force, or ``""`` where a worker has yet to begin one."""
        if fresh or not self._epoch:
            self._epoch = await self._read_epoch()
        return self._epoch

    async def begin_epoch(self) -> str:
        """Makes sure that an epoch of this server's present life is in force; returns it."""
        known = await self.epoch(fresh=True)
        if known:
            return known
        fresh = f"{await self._life()}.{secrets.token_hex(4)}"
        await self._redis.set(EPOCH_KEY, fresh)
        return await self.epoch(fresh=True)

    async def is_built(self) -> bool:
        """Whether every lot was built in the epoch in force."""
        return bool(self._epoch) and await self._redis.get(BUILT_KEY) == self._epoch.encode()

    async def mark_built(self, epoch: str) -> None:
        await self._redis.set(BUILT_KEY, epoch)

    async def propose(self, lot: LotKey, groups: Sequence[Sequence[int]], count: int) -> list[Proposal]:
        """Leases up to ``count`` slots, nearest first, from the first group that has one.

        ``groups`` are class numbers, equally good within a group. Raises NotBuilt and OtherOrder.
        """
        preference: list[int] = []
        for group in groups:
            preference += [*group, 0]
        keys = [_key(lot.lot_id, name) for name in ("meta", "slots", "leases")]
        answer = await self._run(
            _propose,
            keys,
            [
                _key(lot.lot_id, "free:"),
                await self._epoch_in_force(),
                lot.order_version,
                count,
                LEASE_MS,
                *preference[:-1],
            ],
        )
        self._check(answer[0])
        return [Proposal(rank, number) for rank, number in zip(answer[1::2], answer[2::2], strict=True)]

    async def release(self, lot: LotKey, ranks: Sequence[int]) -> None:
        """Gives proposed slots back before their lease ends."""
        keys = [_key(lot.lot_id, name) for name in ("slots", "leases")]
        await self._run(_release, keys, [_key(lot.lot_id, "free:"), *ranks])

    async def apply(self, lot: LotKey, changes: Iterable[SlotChange], *, publish: bool = True) -> int:
        """Writes committed changes and tells the viewers; may be repeated. Returns the sequence number.

        Raises NotBuilt and OtherOrder: then Redis knows nothing of them, and the outbox must keep them.
        """
        arguments: list[int | str] = [
            _key(lot.lot_id, "free:"),
            lot_channel(lot.lot_id) if publish else "",
            await self._epoch_in_force(),
            lot.order_version,
        ]
        for one in changes:
            arguments += [one.rank, one.version, one.class_number, STATE_CODES[one.state]]
        keys = [_key(lot.lot_id, name) for name in ("meta", "slots", "leases", "classes")]
        answer = await self._run(_apply, keys, arguments)
        self._check(answer[0])
        return int(answer[1])

    async def begin(self, lot: LotKey, layout_version: int) -> int:
        """Forgets one lot and takes it into the epoch in force; it is unknown until ``finish``.

        Returns the number that names this rebuild. Raises NotBuilt where no epoch is in force.
        """
        keys = [_key(lot.lot_id, name) for name in ("meta", "slots", "leases", "classes")]
        prefix = _key(lot.lot_id, "free:")
        epoch = await self._epoch_in_force()
        return int(await self._run(_begin, keys, [prefix, epoch, lot.order_version, layout_version]))

    async def finish(
        self, lot: LotKey, layout_version: int, *, built: bool, begun: int | None = None
    ) -> None:
        """Says that a lot is built, or that its layout grew; viewers read it anew.

        ``begun`` is what ``begin`` returned. Raises NotBuilt, OtherOrder, and Superseded where another
        rebuild has begun since.
        """
        answer = await self._run(
            _finish,
            [_key(lot.lot_id, "meta")],
            [
                lot_channel(lot.lot_id),
                await self._epoch_in_force(),
                lot.order_version,
                layout_version,
                "1" if built else "0",
                "" if begun is None else begun,
            ],
        )
        self._check(answer[0])

    async def snapshot(self, lot_id: int) -> StatusSnapshot:
        """One lot at one instant. ``built`` is false unless that holds for the epoch in force."""
        keys = [_key(lot_id, name) for name in ("meta", "slots")]
        epoch, built, order, layout, seq, records = await self._run(_snapshot, keys, [])
        fields = list(RECORD.iter_unpack(records))
        known = await self.epoch()
        return StatusSnapshot(
            epoch=epoch.decode(),
            built=bool(known) and epoch == built == known.encode(),
            order_version=int(order or 0),
            layout_version=int(layout or 0),
            seq=int(seq or 0),
            states=bytes(one[2] for one in fields),
            versions=tuple(one[0] for one in fields),
        )

    async def heads(self, lot_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """For each lot its epoch and last sequence number; ``("", 0)`` where it is not built."""
        known = (await self.epoch(fresh=True)).encode()
        pipeline = self._redis.pipeline(transaction=False)
        for lot_id in lot_ids:
            pipeline.hmget(_key(lot_id, "meta"), ["epoch", "built", "seq"])
        async with self._patience.asking():
            answers = await pipeline.execute()
        heads = {}
        for lot_id, (epoch, built, seq) in zip(lot_ids, answers, strict=True):
            heads[lot_id] = (epoch.decode(), int(seq)) if known and epoch == built == known else ("", 0)
        return heads

    async def _life(self) -> str:
        """Names one life of this server over this database; a restart or a restore is another one."""
        server = await self._redis.info("server")
        replication = await self._redis.info("replication")
        return f"{server['run_id'][:12]}.{replication['master_replid'][:12]}.{self._incarnation[:12]}"

    async def _epoch_in_force(self) -> str:
        """Without an epoch nothing can be told from what an earlier life has left."""
        epoch = await self.epoch()
        if not epoch:
            raise NotBuilt
        return epoch

    async def _read_epoch(self) -> str:
        async with self._patience.asking():
            stored = await self._redis.get(EPOCH_KEY)
            if not stored:
                return ""
            epoch = stored.decode() if isinstance(stored, bytes) else stored
            return epoch if epoch.startswith(await self._life() + ".") else ""

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        async with self._patience.asking():
            return await script(self._redis, keys, arguments)

    def _check(self, word: bytes) -> None:
        if word == b"ok":
            return
        if word == b"order":
            raise OtherOrder
        if word == b"begun":
            raise Superseded
        self._epoch = ""
        raise NotBuilt
