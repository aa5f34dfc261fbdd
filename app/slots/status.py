"""The status of slots in Redis: a projection of SQL that proposes, counts and tells viewers.

Everything of a lot lives under one hash tag, ``lot:{id}:…``, so that a Redis Cluster keeps it on one
shard. ``docs/redis-keys.md`` lists the keys. What is here may be lost at any time: SQL is the truth.
"""

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.core import metrics
from app.core.cluster import Cluster
from app.core.redis import Patience, Script, is_spoiled
from app.live.channels import lot_channel
from app.slots.epochs import Epochs, ReadIncarnation
from app.slots.models import STATE_CODES, State
from app.slots.packed import RECORD, Packed

log = structlog.get_logger()
LEASE_MS = 5_000
# So long nobody else begins a rebuild that somebody is at; who is at it renews it three times as often.
BUILDER_MS = 1_000
STRETCH_RANKS = 1_024
_NEVER_MS = 1e15
BUILT_KEY = "lotline:built"
DOUBTED_KEY = "lotline:doubted"

_propose = Script("app.slots", "propose")
_apply = Script("app.slots", "apply")
_release = Script("app.slots", "release")
_begin = Script("app.slots", "begin")
_load = Script("app.slots", "load")
_renew = Script("app.slots", "renew")
_finish = Script("app.slots", "finish")
_inspect = Script("app.slots", "inspect")
_snapshot = Script("app.slots", "snapshot")


class NotBuilt(Exception):
    """Redis holds no status of this lot that may be believed: another epoch, or not built yet."""


class BeingBuilt(NotBuilt):
    """Another one builds this lot just now."""


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


@dataclass(frozen=True)
class Begun:
    """A rebuild under way: the number that names it, and the secret by which its builder is known."""

    number: int
    builder: str


@dataclass(frozen=True)
class Inspection:
    """One lot as it lies in Redis at one instant, free sets and leases included.

    ``believed``: built in the epoch in force, and nobody rebuilds it. ``leases`` holds, by rank, how many
    milliseconds a lease still runs; ``rebuild`` names the last one begun.
    """

    believed: bool
    being_built: bool
    rebuild: tuple[str, int]
    order_version: int
    layout_version: int
    records: bytes
    leases: dict[int, int]
    free: dict[int, bytes]


def _key(lot_id: int, name: str) -> str:
    return f"lot:{{{lot_id}}}:{name}"


def _keys(lot_id: int, *names: str) -> list[str]:
    return [_key(lot_id, name) for name in names]


def _pairs(flat: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _number(stored: bytes | None) -> int:
    """What a worker has written; 0 where it is missing, or something else."""
    return int(stored) if stored is not None and stored.isdigit() else 0


def _text(stored: bytes | None) -> str:
    """Never fails: what nobody here has written is no epoch in force."""
    return (stored or b"").decode(errors="replace")


class Status:
    """The status of all lots, as one process uses it."""

    def __init__(
        self, redis: Redis, incarnation: str, read_incarnation: ReadIncarnation | None = None
    ) -> None:
        self._redis = redis
        self._patience = Patience()
        self._epochs = Epochs(redis, incarnation, read_incarnation, self._patience)

    @property
    def incarnation(self) -> str:
        """The life of SQL that this process knows of."""
        return self._epochs.incarnation

    async def epoch(self, *, fresh: bool = False) -> str:
        """The epoch in force, or ``""`` where a worker has yet to begin one."""
        return await self._epochs.current(fresh=fresh)

    async def begin_epoch(self) -> str:
        """Makes sure that an epoch of this Redis over this SQL is in force; returns it.

        Raises NotBuilt where another process has begun one of another life at this moment, and SqlAway.
        """
        epoch = await self._epochs.begin()
        if not epoch:
            raise NotBuilt
        return epoch

    async def is_built(self) -> bool:
        """Whether every lot was built in the epoch in force."""
        epoch = await self._epochs.current()
        try:
            return bool(epoch) and await self._redis.get(BUILT_KEY) == epoch.encode()
        except ResponseError as error:
            if not is_spoiled(error):
                raise
            return False

    async def mark_built(self, epoch: str) -> None:
        """Every lot is built in this epoch."""
        await self._redis.set(BUILT_KEY, epoch)

    async def forget_built(self) -> None:
        """A lot may be unbuilt: a worker will look at all of them."""
        await self._redis.delete(BUILT_KEY)

    async def propose(self, lot: LotKey, groups: Sequence[Sequence[int]], count: int) -> list[Proposal]:
        """Leases up to ``count`` slots, nearest first, from the first group that has one.

        ``groups`` are class numbers, equally good within a group. Raises NotBuilt and OtherOrder.
        """
        preference: list[int] = []
        for group in groups:
            preference += [*group, 0]
        answer = await self._run(
            _propose,
            _keys(lot.lot_id, "meta", "slots", "leases"),
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
        metrics.LEASES_EXPIRED.inc(answer[1])
        return [Proposal(rank, number) for rank, number in _pairs(answer[2:])]

    async def release(self, lot: LotKey, ranks: Sequence[int]) -> None:
        """Gives proposed slots back before their lease ends."""
        await self._run(_release, _keys(lot.lot_id, "slots", "leases"), [_key(lot.lot_id, "free:"), *ranks])

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
        answer = await self._run(_apply, _keys(lot.lot_id, "meta", "slots", "leases", "classes"), arguments)
        self._check(answer[0])
        if answer[3] and publish:
            await self._doubt(lot.lot_id)
        return int(answer[1])

    async def tell(self, lot: LotKey, changes: Sequence[SlotChange]) -> None:
        """Applies, and once more where the epoch may have changed. Raises NotBuilt and OtherOrder."""
        try:
            await self.apply(lot, changes)
        except NotBuilt:
            await self.apply(lot, changes)

    async def begin(self, lot: LotKey, layout_version: int, *, again: bool = True) -> Begun | None:
        """Forgets one lot and takes it into the epoch in force; it is unknown until ``finish``.

        ``None`` where it is built already, unless ``again``. Raises BeingBuilt where another one is at it,
        and NotBuilt where no epoch is in force.
        """
        builder = secrets.token_hex(8)
        answer = await self._run(
            _begin,
            _keys(lot.lot_id, "meta", "slots", "leases", "classes", "builder"),
            [
                _key(lot.lot_id, "free:"),
                await self._epoch_in_force(),
                lot.order_version,
                layout_version,
                builder,
                BUILDER_MS,
                "1" if again else "0",
            ],
        )
        if answer[0] == b"built":
            return None
        self._check(answer[0])
        return Begun(answer[1], builder)

    async def renew(self, lot: LotKey, begun: Begun) -> None:
        """Keeps others from beginning the rebuild for another ``BUILDER_MS``, unless the time has run out."""
        await self._run(_renew, _keys(lot.lot_id, "builder"), [begun.builder, BUILDER_MS])

    async def load(self, lot: LotKey, begun: Begun, packed: Packed) -> list[range]:
        """Writes what SQL had after ``begin``. Returns the stretches of ranks that live changes have reached
        first: nothing was written there, and they are to be applied by version.

        Raises NotBuilt, OtherOrder, and Superseded where another rebuild has begun since.
        """
        epoch, left = await self._epoch_in_force(), []
        for first, records, free in packed.stretches(STRETCH_RANKS):
            arguments = [_key(lot.lot_id, "free:"), epoch, lot.order_version, begun.number, first, records]
            sets = [part for one in free.items() for part in one]
            answer = await self._run(_load, _keys(lot.lot_id, "meta", "slots", "classes"), arguments + sets)
            if answer[0] == b"known":
                left.append(range(first, first + STRETCH_RANKS))
            else:
                self._check(answer[0])
        return left

    async def finish(
        self, lot: LotKey, layout_version: int, *, built: bool, begun: Begun | None = None
    ) -> None:
        """Says that a lot is built, or that its layout grew; viewers read it anew.

        ``begun`` is what ``begin`` returned. Raises NotBuilt, OtherOrder, and Superseded where another
        rebuild has begun since.
        """
        answer = await self._run(
            _finish,
            _keys(lot.lot_id, "meta", "builder"),
            [
                lot_channel(lot.lot_id),
                await self._epoch_in_force(),
                lot.order_version,
                layout_version,
                "1" if built else "0",
                "" if begun is None else begun.number,
            ],
        )
        self._check(answer[0])

    async def snapshot(self, lot_id: int) -> StatusSnapshot:
        """One lot at one instant. ``built`` is false unless that holds for the epoch in force."""
        keys = _keys(lot_id, "meta", "slots")
        epoch, built, order, layout, seq, records = await self._run(_snapshot, keys, [])
        fields = list(RECORD.iter_unpack(records))
        return StatusSnapshot(
            epoch=_text(epoch),
            built=await self._is_in_force(epoch) and epoch == built,
            order_version=_number(order),
            layout_version=_number(layout),
            seq=_number(seq),
            states=bytes(one[2] for one in fields),
            versions=tuple(one[0] for one in fields),
        )

    async def inspect(self, lot_id: int) -> Inspection:
        """All that lies in Redis of one lot."""
        keys = _keys(lot_id, "meta", "slots", "leases", "classes", "builder")
        answer = await self._run(_inspect, keys, [_key(lot_id, "free:")])
        epoch, built, order, layout, begun, being_built, now_ms, records, leases, free = answer
        return Inspection(
            believed=await self._is_in_force(epoch) and epoch == built and not being_built,
            being_built=bool(being_built),
            rebuild=(_text(epoch), _number(begun)),
            order_version=_number(order),
            layout_version=_number(layout),
            records=records,
            leases={_number(rank): int(min(float(end), _NEVER_MS)) - now_ms for rank, end in _pairs(leases)},
            free={_number(number): bits for number, bits in _pairs(free)},
        )

    async def doubted(self) -> set[int]:
        """Lots of which Redis knew a higher version than it was told, since the last call."""
        try:
            found: Any = await self._redis.spop(DOUBTED_KEY, 1_000)
        except ResponseError as error:
            if not is_spoiled(error):
                raise
            log.error("status.spoiled", key=DOUBTED_KEY, error=str(error))
            await self._redis.delete(DOUBTED_KEY)
            return set()
        return {int(one) for one in found or () if one.isdigit()}

    async def heads(self, lot_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """For each lot its epoch and last sequence number; ``("", 0)`` where it is not built."""
        known = (await self.epoch(fresh=True)).encode()
        async with self._patience.asking():
            answers = await self._heads(lot_ids)
        heads = {}
        for lot_id, answer in zip(lot_ids, answers, strict=True):
            epoch, built, seq = (b"", b"", b"") if isinstance(answer, BaseException) else answer
            heads[lot_id] = (epoch.decode(), _number(seq)) if known and epoch == built == known else ("", 0)
        return heads

    async def _heads(self, lot_ids: Sequence[int]) -> Sequence[Any]:
        """Epoch, built and number of each; in place of it what was wrong with a lot's key, or its server."""
        fields = ["epoch", "built", "seq"]
        if isinstance(self._redis, Cluster):
            # Each by itself: a server that is away takes along no lot of another one.
            asked = (self._redis.hmget(_key(lot_id, "meta"), fields) for lot_id in lot_ids)
            return await asyncio.gather(*asked, return_exceptions=True)
        pipeline = self._redis.pipeline(transaction=False)
        for lot_id in lot_ids:
            pipeline.hmget(_key(lot_id, "meta"), fields)
        answers: Sequence[Any] = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and not is_spoiled(answer):
                raise answer
        return answers

    async def _doubt(self, lot_id: int) -> None:
        """Redis knows more than it is told: two changes crossed, or SQL has lost what it had committed."""
        await self._redis.sadd(DOUBTED_KEY, lot_id)

    async def _is_in_force(self, epoch: bytes) -> bool:
        """Whether a lot's epoch is the one in force, which may be another one than this process knows of."""
        known = await self.epoch()
        if epoch != known.encode():
            known = await self.epoch(fresh=True)
        return bool(epoch) and epoch == known.encode()

    async def _epoch_in_force(self) -> str:
        """Without an epoch nothing can be told from what an earlier life has left."""
        epoch = await self.epoch()
        if not epoch:
            raise NotBuilt
        return epoch

    async def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            async with self._patience.asking():
                return await script(self._redis, keys, arguments)
        except ResponseError as error:
            if not is_spoiled(error):
                raise
            log.error("status.spoiled", keys=keys, script=script.name, error=str(error))
        lot, _, _ = keys[0].rpartition(":")
        # Without its head a lot is unknown, and a worker that looks for such lots builds it anew.
        await self._redis.delete(f"{lot}:meta")
        await self._redis.delete(BUILT_KEY)
        raise NotBuilt

    def _check(self, word: bytes) -> None:
        if word == b"ok":
            return
        if word == b"order":
            raise OtherOrder
        if word == b"begun":
            raise Superseded
        if word == b"builder":
            raise BeingBuilt
        self._epochs.forget()
        raise NotBuilt
