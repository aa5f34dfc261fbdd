"""The scrub: is what Redis holds of a lot true to SQL, and to itself? What is not is counted and mended.

Changes go on meanwhile, so Redis is read first and SQL after it, and what looks wrong is looked at again
after the time in which the outbox's relay must have mended it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy import select

from app.accounts.incarnation import renew_incarnation
from app.core import metrics
from app.core.db import Database
from app.slots.layout import read_lot
from app.slots.models import Lot, SlotState, StatusOutbox
from app.slots.packed import Packed, free_sets, pack, ranks_in, unpack, without
from app.slots.rebuild import read_states, rebuild_all, rebuild_lot
from app.slots.relay import relay_slots
from app.slots.status import LEASE_MS, Inspection, LotKey, NotBuilt, Status

log = structlog.get_logger()
# An outbox row is relayed after a second, the relay looks four times a second.
AGAIN_AFTER_S = 3.0
# More slots than this are built anew rather than told one by one.
MOST_TOLD = 1_000
THE_LOT = -1
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]


class Kind(StrEnum):
    """What can be wrong in Redis."""

    BEHIND = "behind"
    """An older version than SQL has, and nothing in the outbox that would mend it."""
    AHEAD = "ahead"
    """A higher version than SQL has: SQL has lost what it had committed."""
    STATE = "state"
    """The same version with another state or class."""
    FREE_SET = "free-set"
    """A slot that is free and not offered, or offered although it is taken or leased."""
    STRAY = "stray"
    """A bit in the free set of a class that the slot is not of."""
    LEASE = "lease"
    """A lease that runs longer than any was given for."""
    UNBUILT = "unbuilt"
    """A lot that nobody builds, though all are said to be built."""
    ORDER = "order"
    """Ranks of an older order than SQL has."""
    LAYOUT = "layout"
    """Viewers were not told that the layout grew."""


# Redis may be late in these; in the others it is wrong as soon as it is seen to be.
_MAY_BE_LATE = (Kind.BEHIND, Kind.UNBUILT, Kind.ORDER, Kind.LAYOUT)
_BUILT_ANEW = (Kind.STATE, Kind.STRAY, Kind.UNBUILT, Kind.ORDER)


for _kind in Kind:
    # A metric that should stay 0 has to be there to be seen.
    metrics.SCRUB_FINDINGS.labels(_kind)


@dataclass(frozen=True)
class Suspect:
    """A place where a look found Redis and SQL apart. ``rank`` is ``THE_LOT`` where it is no single slot."""

    kind: Kind
    rank: int
    in_redis: int = 0
    in_sql: int = 0


@dataclass(frozen=True)
class Look:
    """What one look at a lot has found, and which rebuild it looked at."""

    rebuild: tuple[str, int]
    suspects: dict[tuple[Kind, int], Suspect]


@dataclass(frozen=True)
class Finding:
    """What was wrong in one lot: so many places of one kind."""

    lot_id: int
    lot_code: str
    kind: Kind
    places: int


async def look(database: Database, status: Status, lot_id: int) -> Look:
    """Compares one lot. Redis first: whatever it knows by then, SQL has committed before it is read."""
    seen = await status.inspect(lot_id)
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
    if lot is None or seen.being_built:
        return Look(seen.rebuild, {})
    suspects = compare(seen, lot, pack(await read_states(database, lot_id)))
    return Look(seen.rebuild, {(one.kind, one.rank): one for one in suspects})


def compare(seen: Inspection, lot: Lot, truth: Packed) -> Iterable[Suspect]:
    """Where a lot in Redis is not what SQL has, or contradicts itself."""
    if not seen.believed:
        yield Suspect(Kind.UNBUILT, THE_LOT, in_redis=0, in_sql=1)
        return
    if seen.order_version != lot.order_version:
        yield _late_or_ahead(Kind.ORDER, THE_LOT, seen.order_version, lot.order_version)
        return
    if seen.layout_version != lot.layout_version:
        yield _late_or_ahead(Kind.LAYOUT, THE_LOT, seen.layout_version, lot.layout_version)
    if seen.records != truth.records:
        yield from _compare_records(seen.records, truth.records)
    yield from _compare_sets(seen, truth)
    for rank, left_ms in seen.leases.items():
        if left_ms > 2 * LEASE_MS:
            yield Suspect(Kind.LEASE, rank)


def _compare_records(seen: bytes, truth: bytes) -> Iterable[Suspect]:
    length = max(len(seen), len(truth))
    pairs = zip(unpack(seen.ljust(length, b"\0")), unpack(truth.ljust(length, b"\0")), strict=True)
    for rank, (in_redis, in_sql) in enumerate(pairs):
        if in_redis[0] != in_sql[0]:
            yield _late_or_ahead(Kind.BEHIND, rank, in_redis[0], in_sql[0])
        elif in_redis != in_sql:
            yield Suspect(Kind.STATE, rank)


def _late_or_ahead(late: Kind, rank: int, in_redis: int, in_sql: int) -> Suspect:
    return Suspect(Kind.AHEAD if in_redis > in_sql else late, rank, in_redis, in_sql)


def _compare_sets(seen: Inspection, truth: Packed) -> Iterable[Suspect]:
    expected = truth.free if seen.records == truth.records else free_sets(seen.records)
    records: list[tuple[int, int, int]] = []
    for number in expected.keys() | seen.free.keys():
        wanted = without(expected.get(number, b""), seen.leases)
        found = seen.free.get(number, b"")
        if wanted.rstrip(b"\0") == found.rstrip(b"\0"):
            continue
        records = records or unpack(seen.records)
        for rank in ranks_in(wanted) ^ ranks_in(found):
            is_of_class = rank < len(records) and records[rank][1] == number
            yield Suspect(Kind.FREE_SET if is_of_class else Kind.STRAY, rank)


async def look_again(
    database: Database, status: Status, lot_id: int, first: Look
) -> tuple[Look, list[Suspect]]:
    """Another look, ``AGAIN_AFTER_S`` after the first, and what both have found: that is wrong for certain.

    The outbox is read before Redis is: where it holds nothing of a slot, all of the slot was applied.
    """
    waiting = await _ranks_in_outbox(database, lot_id)
    second = await look(database, status, lot_id)
    if second.rebuild != first.rebuild:
        return second, []
    certain = [
        one
        for key, one in second.suspects.items()
        if key in first.suspects and _is_certain(first.suspects[key], one, waiting)
    ]
    return second, certain


def _is_certain(first: Suspect, second: Suspect, waiting: Collection[int]) -> bool:
    if first.kind not in _MAY_BE_LATE:
        return True
    is_waiting = bool(waiting) if first.rank == THE_LOT else first.rank in waiting
    return second.in_redis < first.in_sql and not is_waiting


def is_still_suspect(first: Look, second: Look, certain: Collection[Suspect]) -> bool:
    """Whether a third look may find what these two could not be certain of.

    A busy lot always has a few that are only late, each time other ones: they are left to the next round.
    """
    return any(
        one not in certain and (key in first.suspects or one.kind not in _MAY_BE_LATE)
        for key, one in second.suspects.items()
    )


async def mend(database: Database, status: Status, lot_id: int, found: Collection[Suspect]) -> None:
    """Counts and repairs what is wrong in one lot. Raises NotBuilt where that has to wait."""
    by_kind: dict[Kind, list[int]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one.rank)
    for kind, ranks in by_kind.items():
        metrics.SCRUB_FINDINGS.labels(kind).inc(len(ranks))
        log.warning("status.scrub_found", lot=lot_id, kind=kind, places=len(ranks), ranks=sorted(ranks)[:10])
    if Kind.AHEAD in by_kind:
        log.error("status.sql_lost_commits", lot=lot_id)
        await renew_incarnation(database, status.incarnation)
        return
    told = {*by_kind.get(Kind.BEHIND, ()), *by_kind.get(Kind.FREE_SET, ())}
    if len(told) > MOST_TOLD or any(kind in by_kind for kind in _BUILT_ANEW):
        await rebuild_lot(database, status, lot_id)
        return
    await _mend_slots(database, status, lot_id, told, by_kind.get(Kind.LEASE, ()), Kind.LAYOUT in by_kind)


async def _mend_slots(
    database: Database,
    status: Status,
    lot_id: int,
    told: Collection[int],
    leased: Collection[int],
    layout_grew: bool,
) -> None:
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
        of_ranks = select(_STATE.c.slot_id).where(_STATE.c.lot_id == lot_id, _STATE.c.rank.in_(told))
        slot_ids = list((await connection.execute(of_ranks)).scalars())
    if lot is None:
        return
    key = LotKey(lot_id, lot.order_version)
    if leased:
        await status.release(key, list(leased))
    if slot_ids:
        await relay_slots(database, status, lot_id, slot_ids)
    if layout_grew:
        await status.finish(key, lot.layout_version, built=False)


async def scrub_all(
    database: Database,
    status: Status,
    on_progress: Callable[[int, int], None],
    again_after_s: float = AGAIN_AFTER_S,
) -> list[Finding]:
    """Compares every lot now and mends what is wrong; returns what was found.

    Raises NotBuilt where the status is not built: there is nothing to compare.
    """
    await status.begin_epoch()
    if not await status.is_built():
        raise NotBuilt
    codes = await _lot_codes(database)
    looks: dict[int, Look] = {}
    for number, lot_id in enumerate(codes, start=1):
        metrics.LOTS_SCRUBBED.inc()
        first = await look(database, status, lot_id)
        if first.suspects:
            looks[lot_id] = first
        on_progress(number, len(codes))
    if not looks:
        return []
    await asyncio.sleep(again_after_s)
    findings: list[Finding] = []
    for lot_id, first in looks.items():
        _, certain = await look_again(database, status, lot_id, first)
        if certain:
            await mend(database, status, lot_id, certain)
            findings += _summed_up(lot_id, codes[lot_id], certain)
    await status.begin_epoch()
    if findings:
        await rebuild_all(database, status)
    return findings


def _summed_up(lot_id: int, code: str, certain: Collection[Suspect]) -> list[Finding]:
    kinds = [one.kind for one in certain]
    return [Finding(lot_id, code, kind, kinds.count(kind)) for kind in Kind if kind in kinds]


async def _lot_codes(database: Database) -> dict[int, str]:
    async with database.look() as connection:
        rows = await connection.execute(select(_LOT.c.id, _LOT.c.code).order_by(_LOT.c.id))
        return {row.id: row.code for row in rows}


async def _ranks_in_outbox(database: Database, lot_id: int) -> set[int]:
    waiting = (
        select(_STATE.c.rank)
        .join_from(_OUTBOX, _STATE, _STATE.c.slot_id == _OUTBOX.c.slot_id)
        .where(_OUTBOX.c.lot_id == lot_id)
    )
    async with database.look() as connection:
        return set((await connection.execute(waiting)).scalars())
