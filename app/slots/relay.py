"""What keeps Redis true to SQL: the outbox's relay, and the rebuild of lots."""

from collections import defaultdict
from collections.abc import Collection

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import metrics
from app.core.db import Database
from app.slots.layout import read_lot
from app.slots.models import Lot, SlotState, State, StatusOutbox
from app.slots.status import LotKey, NotBuilt, OtherOrder, SlotChange, Status, Superseded

log = structlog.get_logger()
BATCH = 2_000
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]


async def lots_lagging(database: Database, connection: AsyncConnection, older_than_s: float) -> set[int]:
    """Lots with a change in the outbox that is older than that."""
    before_us = await _now_us(database, connection) - int(older_than_s * 1_000_000)
    rows = await connection.execute(
        select(_OUTBOX.c.lot_id).where(_OUTBOX.c.created_at_us < before_us).distinct()
    )
    return set(rows.scalars())


async def outbox_lag_s(database: Database, connection: AsyncConnection) -> float:
    """Seconds since the oldest change in the outbox was committed; 0 where it is empty."""
    oldest_us = (await connection.execute(select(func.min(_OUTBOX.c.created_at_us)))).scalar_one()
    if oldest_us is None:
        return 0.0
    lag_us: int = await _now_us(database, connection) - oldest_us
    return max(0.0, lag_us / 1_000_000)


async def rebuild_all(database: Database, status: Status) -> int:
    """Builds every lot that is not built in the epoch in force, one after another; returns how many.

    It may be stopped and begun again at any time: what is built stays built.
    """
    epoch = await status.begin_epoch()
    if await status.is_built():
        return 0
    async with database.look() as connection:
        lot_ids = list((await connection.execute(select(_LOT.c.id).order_by(_LOT.c.id))).scalars())
    built = 0
    for start in range(0, len(lot_ids), BATCH):
        some = lot_ids[start : start + BATCH]
        heads = await status.heads(some)
        for lot_id in some:
            if heads[lot_id][0] != epoch:
                await rebuild_lot(database, status, lot_id)
                built += 1
    await status.mark_built(epoch)
    return built


async def rebuild_lot(database: Database, status: Status, lot_id: int) -> None:
    """Builds the status of one lot from SQL, while changes go on: a version orders them."""
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
    if lot is None:
        return
    key = LotKey(lot_id, lot.order_version)
    await status.begin_epoch()
    begun = await status.begin(key, lot.layout_version)
    async with database.look() as connection:
        rows = (await connection.execute(select(_STATE).where(_STATE.c.lot_id == lot_id))).all()
    for start in range(0, len(rows), BATCH):
        await status.apply(key, map(_change, rows[start : start + BATCH]), publish=False)
    try:
        await status.finish(key, lot.layout_version, built=True, begun=begun)
    except Superseded:
        return
    metrics.REBUILDS.inc()
    log.info("status.rebuilt", lot=lot_id, slots=len(rows))


async def relay_once(database: Database, status: Status, older_than_s: float) -> int:
    """Applies what the outbox has kept for longer than ``older_than_s``; returns how many rows ended."""
    async with database.look() as connection:
        before_us = await _now_us(database, connection) - int(older_than_s * 1_000_000)
        rows = (
            await connection.execute(
                select(_OUTBOX.c.id, _OUTBOX.c.lot_id, _OUTBOX.c.slot_id)
                .where(_OUTBOX.c.created_at_us < before_us)
                .order_by(_OUTBOX.c.created_at_us)
                .limit(BATCH)
            )
        ).all()
    by_lot: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        by_lot[row.lot_id].add(row.slot_id)
    for lot_id, slot_ids in by_lot.items():
        await relay_slots(database, status, lot_id, slot_ids)
    if rows:
        async with database.unit_of_work() as connection:
            await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_([row.id for row in rows])))
        log.debug("status.relayed", rows=len(rows))
    return len(rows)


async def relay_slots(database: Database, status: Status, lot_id: int, slot_ids: Collection[int]) -> None:
    """Tells Redis what SQL has of these slots now; builds their lot where Redis does not know it."""
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
        states = (await connection.execute(select(_STATE).where(_STATE.c.slot_id.in_(slot_ids)))).all()
    if lot is None:
        return
    try:
        await status.apply(LotKey(lot_id, lot.order_version), map(_change, states))
    except (NotBuilt, OtherOrder):
        await rebuild_lot(database, status, lot_id)


async def _now_us(database: Database, connection: AsyncConnection) -> int:
    """By the clock that dated the rows, which need not be this machine's."""
    return int((await database.now(connection)).timestamp() * 1_000_000)


def _change(row: object) -> SlotChange:
    return SlotChange(
        rank=row.rank,  # type: ignore[attr-defined]
        version=row.version,  # type: ignore[attr-defined]
        class_number=row.class_number,  # type: ignore[attr-defined]
        state=State(row.state),  # type: ignore[attr-defined]
    )
