"""The outbox's relay: Redis is told what a process committed and could not tell it itself."""

from collections import defaultdict
from collections.abc import Collection

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import metrics
from app.core.db import Database, SqlAway
from app.core.redis import REDIS_IS_GONE
from app.slots.layout import read_lot
from app.slots.models import SlotState, State, StatusOutbox
from app.slots.rebuild import rebuild_lot
from app.slots.status import LotKey, NotBuilt, OtherOrder, SlotChange, Status

log = structlog.get_logger()
BATCH = 2_000
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]


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


async def relay_once(database: Database, status: Status, older_than_s: float) -> int:
    """Applies what the outbox has kept for longer than ``older_than_s``; returns how many rows ended.

    Several workers may do it at once: to apply twice changes nothing. A row whose lot could not be told,
    since it is being built or in another epoch, stays for the next call. Raises SqlAway, what Redis does when
    it is gone, and, when all others were told, the first fault that it met in a lot.
    """
    async with database.look() as connection:
        metrics.OUTBOX_LAG.set(await outbox_lag_s(database, connection))
        before_us = await _now_us(database, connection) - int(older_than_s * 1_000_000)
        rows = (
            await connection.execute(
                select(_OUTBOX.c.id, _OUTBOX.c.lot_id, _OUTBOX.c.slot_id)
                .where(_OUTBOX.c.created_at_us < before_us)
                .order_by(_OUTBOX.c.created_at_us)
                .limit(BATCH)
            )
        ).all()
    by_lot: dict[int, dict[int, int]] = defaultdict(dict)
    for row in rows:
        by_lot[row.lot_id][row.id] = row.slot_id
    told: list[int] = []
    faults: list[Exception] = []
    for lot_id, slots in by_lot.items():
        try:
            await relay_slots(database, status, lot_id, set(slots.values()))
        except (NotBuilt, OtherOrder) as reason:
            log.info("status.left_for_later", lot=lot_id, reason=type(reason).__name__)
            if type(reason) is NotBuilt and await status.is_built():
                # One server of a cluster has lost what it had: a worker looks at all lots.
                await status.forget_built()
        except (SqlAway, *REDIS_IS_GONE):
            raise
        except Exception as fault:
            # What is wrong with one lot keeps back no other one.
            faults.append(fault)
        else:
            told += slots
    ended = await _end(database, told)
    if faults:
        raise faults[0]
    return ended


async def relay_slots(database: Database, status: Status, lot_id: int, slot_ids: Collection[int]) -> None:
    """Tells Redis what SQL has of these slots now; builds their lot where Redis does not know it.

    Raises NotBuilt or OtherOrder where neither can be done just now.
    """
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
        states = (await connection.execute(select(_STATE).where(_STATE.c.slot_id.in_(slot_ids)))).all()
    if lot is None:
        return
    changes = [SlotChange(row.rank, row.version, row.class_number, State(row.state)) for row in states]
    try:
        await status.tell(LotKey(lot_id, lot.order_version), changes)
    except (NotBuilt, OtherOrder):
        await rebuild_lot(database, status, lot_id)


async def _end(database: Database, ids: Collection[int]) -> int:
    """Deletes these rows, without waiting for those that another transaction deletes at this moment."""
    if not ids:
        return 0
    mine = select(_OUTBOX.c.id).where(_OUTBOX.c.id.in_(ids)).with_for_update(skip_locked=True)
    async with database.unit_of_work() as connection:
        ended = (await connection.execute(delete(_OUTBOX).where(_OUTBOX.c.id.in_(mine)))).rowcount
    metrics.RELAYED.inc(ended)
    log.debug("status.relayed", rows=ended)
    return ended


async def _now_us(database: Database, connection: AsyncConnection) -> int:
    """By the clock that dated the rows, which need not be this machine's."""
    return int((await database.now(connection)).timestamp() * 1_000_000)
