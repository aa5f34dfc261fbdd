"""Opening lots for booking: slots, the tariff that they need, and their place in Redis."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.desk import Desk, run_again_on_conflict
from app.core.db import SqlAway
from app.core.redis import REDIS_IS_GONE
from app.payments.service import open_tariff
from app.slots import queries, service
from app.slots.forms import SlotForm
from app.slots.importers.plan import ImportPlan, LotPlan, Refusal
from app.slots.layout import read_lot
from app.slots.models import Lot
from app.slots.rebuild import rebuild_lot
from app.slots.relay import relay_slots
from app.slots.status import LotKey, NotBuilt, OtherOrder

log = structlog.get_logger()


@dataclass(frozen=True)
class Imported:
    """What an import has written, and what it refused."""

    lots: tuple[Lot, ...]
    slots: int
    refusals: tuple[Refusal, ...]


async def put_slot(desk: Desk, form: SlotForm) -> service.Put:
    """Creates or replaces a slot, opens its lot where that is new, and tells Redis and the viewers.

    Raises a Problem: 409, 412, or 503 where SQL is gone.
    """

    async def work() -> service.Put:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            put = await service.put_slot(connection, form, now)
            if put.lot_created:
                await open_tariff(connection, put.lot_id, put.currency, put.time_zone, now)
            return put

    put: service.Put = await run_again_on_conflict(work)
    await _show(desk, put)
    return put


async def import_lots(desk: Desk, plan: ImportPlan, *, plates: bool = False) -> Imported:
    """Writes every lot of a plan, each in a transaction of its own; those that exist are refused.

    ``plates`` says that entities in these lots are number plates, to be compared as such.
    """
    lots, slots, refusals = [], 0, list(plan.refusals)
    for lot_plan in plan.lots:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            fresh, refused = await what_is_new(connection, lot_plan)
            refusals += refused
            if fresh is None:
                continue
            lot = await service.import_lot(connection, fresh, now, plates=plates)
            if lot is None:
                # Another process has made it a moment ago.
                refusals.append(_lot_is_there(fresh))
                continue
            assert lot.id is not None
            await open_tariff(connection, lot.id, lot.currency, lot.time_zone, now)
        lots.append(lot)
        slots += len(fresh.slots)
        await build_lot(desk, lot.id or 0)
    return Imported(tuple(lots), slots, tuple(refusals))


async def what_is_new(connection: AsyncConnection, plan: LotPlan) -> tuple[LotPlan | None, list[Refusal]]:
    """The lot with the slots that may be written, None where there are none; and what is there already.

    A lot that exists is refused as one thing, however many of its slots exist.
    """
    if await queries.lot_exists(connection, plan.code):
        return None, [_lot_is_there(plan)]
    taken = await service.taken_identifiers(connection, [slot.identifier for slot in plan.slots])
    refusals = [
        Refusal(None, slot.identifier, "A slot with this identifier exists already.")
        for slot in plan.slots
        if slot.identifier in taken
    ]
    slots = tuple(slot for slot in plan.slots if slot.identifier not in taken)
    return (replace(plan, slots=slots) if slots else None), refusals


def _lot_is_there(plan: LotPlan) -> Refusal:
    return Refusal(None, plan.code, "A lot with this code exists already; it stays as it is.")


async def _show(desk: Desk, put: service.Put) -> None:
    """A slot more or changed: Redis takes it up, viewers load the map again."""
    await show_lot(desk, put.lot_id, [put.slot_id])


async def show_lot(desk: Desk, lot_id: int, slot_ids: Collection[int] = ()) -> None:
    """What is said of a lot has changed: viewers load its pages again. Redis takes up these slots first."""
    desk.layouts.forget(lot_id)
    try:
        if slot_ids:
            await relay_slots(desk.database, desk.status, lot_id, slot_ids)
        async with desk.database.look() as connection:
            lot = await read_lot(connection, lot_id)
        assert lot is not None
        await desk.status.finish(LotKey(lot_id, lot.order_version), lot.layout_version, built=False)
    except (NotBuilt, OtherOrder, SqlAway, *REDIS_IS_GONE) as error:
        log.info("status.left_to_relay", lot=lot_id, error=repr(error))


async def build_lot(desk: Desk, lot_id: int) -> None:
    """Builds the lot now; where that fails, the outbox has a row of it, and the relay will."""
    try:
        await rebuild_lot(desk.database, desk.status, lot_id)
    except (NotBuilt, OtherOrder, *REDIS_IS_GONE) as error:
        log.info("status.build_left_to_relay", lot=lot_id, error=repr(error))
