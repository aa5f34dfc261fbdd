"""Reserve: Redis proposes, SQL decides, and every change is told once.

``docs/architecture.md`` tells the path; its first rule is that nothing is acknowledged before its commit.
"""

from typing import Any

from app.bookings import answers, problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.entity import as_compared
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.jobs import Taking
from app.bookings.results import Reserved
from app.bookings.takings import class_filter, may_have
from app.core import metrics
from app.core.errors import Problem
from app.slots.layout import Frame, Layout
from app.slots.models import State

CANDIDATES_BEFORE_SQL = 3


async def reserve(desk: Desk, request: ReserveRequest) -> Reserved:
    """Gives a slot to an entity.

    Raises a Problem: 404 where every matching slot is taken, or no such lot or slot exists; 409 where
    the named slot is taken, the entity has a booking, or the same key is being worked on; 422 for wrong
    fields or a key that came with another request; 503 where SQL is gone.
    """
    try:
        async with desk.in_flight.working_on("reserve", request.idempotency):
            reserved = await _reserve(desk, request)
    except Problem as problem:
        metrics.RESERVATIONS.labels(problem.type).inc()
        raise
    metrics.RESERVATIONS.labels("reserved").inc()
    return reserved


async def _reserve(desk: Desk, request: ReserveRequest) -> Reserved:
    if request.slot is not None:
        return await _reserve_named(desk, request)
    taking = Taking(request, await _frame(desk, request))

    async def somebody_was_faster() -> None:
        if taking.proposal is not None:
            metrics.CANDIDATES_LOST.inc()
        taking.lost += 1
        if taking.lost == CANDIDATES_BEFORE_SQL:
            metrics.PICKED_BY_SQL.labels("candidates-lost").inc()
            taking.by_sql = True

    reserved = await desk.served(taking, somebody_was_faster)
    assert isinstance(reserved, Reserved)
    return reserved


async def _frame(desk: Desk, request: ReserveRequest) -> Frame | None:
    """The lot that is asked for, or one that seems to have what is wished for."""
    frame: Frame | None = await run_again_on_conflict(lambda: _look_up(desk, request))
    if request.lot is None:
        return frame
    if frame is None:
        await _refuse_wrong_fields(desk, request)
        raise problems.no_such_lot(request.lot)
    area = request.wish.area
    if area is not None and area not in frame.area_codes.values():
        # Another process may have made it a moment ago.
        desk.layouts.forget(frame.lot_id)
        frame = await run_again_on_conflict(lambda: _look_up(desk, request))
    if frame is not None and area is not None and area not in frame.area_codes.values():
        await _refuse_wrong_fields(desk, request)
        raise problems.no_such_area(request.lot, area)
    return frame


async def _look_up(desk: Desk, request: ReserveRequest) -> Frame | None:
    if request.lot is not None:
        lot_id = await desk.layouts.id_of(request.lot)
    else:
        async with desk.database.look() as connection:
            lot_id = await records.lot_with_free(connection, class_filter(request.wish))
    return None if lot_id is None else await desk.layouts.frame(lot_id)


async def _reserve_named(desk: Desk, request: ReserveRequest) -> Reserved:
    async def look_up() -> records.SlotRow | None:
        async with desk.database.look() as connection:
            return await records.slot_by(connection, identifier=request.slot)

    named = await run_again_on_conflict(look_up)
    if named is None or (request.lot is not None and named.lot_code != request.lot):
        await _refuse_wrong_fields(desk, request)
        raise problems.no_such_slot(request.slot or "")

    async def look_again() -> None:
        """Who shared a round with another for this slot may still have it, if that one did not take it."""
        seen = await run_again_on_conflict(look_up)
        if seen is not None and may_have(request, seen):
            return
        refusal = await _refusal_of_holder(desk, named, request.entity)
        if refusal is not None and request.source == "browser" and refusal.extra["slot"] != named.identifier:
            # Anybody may type a plate: where it is parked is not told for a slot that is not to be had.
            refusal = None
        if refusal is None:
            nearest = await nearest_like(desk, named)
            is_closed = seen is not None and (seen.state is State.CLOSED or seen.lot_closed)
            why = problems.slot_closed if is_closed else problems.slot_taken
            refusal = why(named.identifier, nearest)
        # Asked last: who has it may be this very request, which came twice; the next round finds its answer.
        if not await _is_answered(desk, request.idempotency):
            raise refusal

    reserved = await desk.served(Taking(request), look_again)
    assert isinstance(reserved, Reserved)
    return reserved


async def _is_answered(desk: Desk, key: IdempotencyKey | None) -> bool:
    if key is None:
        return False
    async with desk.database.look() as connection:
        return bool(await answers.stored(connection, [answers.name_of("reserve", key)]))


async def _refusal_of_holder(desk: Desk, slot: records.SlotRow, entity: str) -> Problem | None:
    """Who sends a request twice, or has a slot elsewhere, is told of that one and of no other."""
    if not slot.lot_exclusive:
        return None
    compared = as_compared(entity, plate=slot.entities_are_plates)
    async with desk.database.look() as connection:
        held = await records.exclusive_of(connection, [compared])
        there = await records.slot_by(connection, id=held[0].slot_id) if held else None
    if there is None:
        return None
    return problems.entity_has_reservation(there.identifier, there.name, held[0].id)


async def _refuse_wrong_fields(desk: Desk, request: ReserveRequest) -> None:
    """What is wrong besides is said first: whoever mends it learns of the rest."""
    async with desk.database.look() as connection:
        if errors := request.wrong_fields(await desk.database.now(connection)):
            raise problems.invalid(errors)


async def nearest_like(desk: Desk, slot: records.SlotRow) -> str | None:
    """The identifier of the nearest free slot of the same kind in the same lot."""
    layout = await desk.layouts.of(slot.lot_id)
    if layout is not None and slot.class_number not in layout.classes:
        # Another process has given the slot a kind that is new in its lot.
        desk.layouts.forget(slot.lot_id)
        layout = await desk.layouts.of(slot.lot_id)
    here = layout.by_id.get(slot.slot_id) if layout else None
    if layout is None or here is None:
        return None
    async with desk.database.look() as connection:
        free = await records.free_ids(connection, slot.lot_id, class_filter_of(slot, layout))
    others = [layout.by_id[one] for one in free if one in layout.by_id and one != slot.slot_id]
    nearest = min(others, key=lambda other: other.distance_m(here), default=None)
    return nearest.identifier if nearest else None


def class_filter_of(slot: records.SlotRow, layout: Layout) -> dict[str, Any]:
    """What a slot of the same kind has, in whichever area of the lot."""
    kind = layout.classes[slot.class_number]
    return {
        "size": kind.size,
        "premium": kind.premium,
        "accessible": kind.accessible,
        "charging": kind.charging,
    }
