"""The rebuild of the status from SQL: lot by lot, by any number of workers, while changes go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import select

from app.core import metrics
from app.core.db import Database
from app.core.tasks import end_all
from app.slots.layout import read_lot
from app.slots.models import Lot, SlotState, State
from app.slots.packed import pack
from app.slots.status import (
    BUILDER_MS,
    Begun,
    BeingBuilt,
    LotKey,
    NotBuilt,
    OtherOrder,
    SlotChange,
    Status,
    Superseded,
)

log = structlog.get_logger()
LOTS_AT_ONCE = 500
StateRow = tuple[int, int, int, str]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]


async def rebuild_all(database: Database, status: Status) -> int:
    """Builds every lot that is not built in the epoch in force, one after another; returns how many.

    Any number of workers may be at it: what one builds, the others leave to it and go on with the next.
    Whether all is built says ``Status.is_built``; until then, call again. It may be stopped at any time:
    what is built stays built. Raises NotBuilt where another epoch began meanwhile.
    """
    epoch = await status.begin_epoch()
    if await status.is_built():
        return 0
    built, complete, after = 0, True, 0
    while lots := await _lots(database, after):
        heads = await status.heads([lot_id for lot_id, _, _ in lots])
        for lot_id, order_version, layout_version in lots:
            if heads[lot_id][0] == epoch:
                continue
            try:
                built += await _build(
                    database, status, epoch, LotKey(lot_id, order_version), layout_version, again=False
                )
            except (BeingBuilt, OtherOrder, Superseded):
                complete = False
        after = lots[-1][0]
    await _check_still(status, epoch)
    if complete:
        await status.mark_built(epoch)
    return built


async def rebuild_lot(database: Database, status: Status, lot_id: int) -> None:
    """Builds one lot from SQL, whatever Redis holds of it.

    Raises BeingBuilt where another one is at it: what that one loads may be older than what the caller has
    seen. Where it dies halfway, ``rebuild_all`` goes on.
    """
    async with database.look() as connection:
        lot = await read_lot(connection, lot_id)
    if lot is None:
        return
    epoch = await status.begin_epoch()
    await status.forget_built()
    try:
        await _build(
            database, status, epoch, LotKey(lot_id, lot.order_version), lot.layout_version, again=True
        )
    except Superseded:
        return
    await _check_still(status, epoch)


async def lot_ids(database: Database) -> list[int]:
    """The number of every lot."""
    async with database.look() as connection:
        return list((await connection.execute(select(_LOT.c.id).order_by(_LOT.c.id))).scalars())


async def read_states(database: Database, lot_id: int) -> list[StateRow]:
    """Rank, version, class number and state of each slot of a lot, as SQL has them now."""
    columns = (_STATE.c.rank, _STATE.c.version, _STATE.c.class_number, _STATE.c.state)
    async with database.look() as connection:
        rows = await connection.execute(select(*columns).where(_STATE.c.lot_id == lot_id))
        return [(rank, version, number, state) for rank, version, number, state in rows]


async def _lots(database: Database, after: int) -> list[tuple[int, int, int]]:
    """Number, order version and layout version of the next lots."""
    columns = (_LOT.c.id, _LOT.c.order_version, _LOT.c.layout_version)
    statement = select(*columns).where(_LOT.c.id > after).order_by(_LOT.c.id).limit(LOTS_AT_ONCE)
    async with database.look() as connection:
        return [(lot_id, order, layout) for lot_id, order, layout in await connection.execute(statement)]


async def _build(
    database: Database, status: Status, epoch: str, lot: LotKey, layout_version: int, *, again: bool
) -> bool:
    """Whether the lot was built by this call. SQL is read after ``begin``, so that every change is either in
    what is read or applied by whoever committed it; a version orders the two."""
    await _check_still(status, epoch)
    begun = await status.begin(lot, layout_version, again=again)
    if begun is None:
        return False
    async with _kept_from_others(status, lot, begun):
        rows = await read_states(database, lot.lot_id)
        for ranks in await status.load(lot, begun, pack(rows)):
            changes = [_change(row) for row in rows if row[0] in ranks]
            await status.apply(lot, changes, publish=False)
    await status.finish(lot, layout_version, built=True, begun=begun)
    metrics.REBUILDS.inc()
    log.debug("status.rebuilt", lot=lot.lot_id, slots=len(rows))
    return True


@asynccontextmanager
async def _kept_from_others(status: Status, lot: LotKey, begun: Begun) -> AsyncIterator[None]:
    """A courtesy: SQL may take longer to answer than the others would wait."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(BUILDER_MS / 3_000)
            await status.renew(lot, begun)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        await end_all([renewing])


async def _check_still(status: Status, epoch: str) -> None:
    """Raises NotBuilt where another epoch is in force by now.

    Who stood still while it began may have taken a lot that the others had built back into the old one:
    all are looked at again.
    """
    if await status.epoch(fresh=True) != epoch:
        await status.forget_built()
        raise NotBuilt


def _change(row: StateRow) -> SlotChange:
    rank, version, number, state = row
    return SlotChange(rank, version, number, State(state))
