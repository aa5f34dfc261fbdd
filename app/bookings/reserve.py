"""Reserve: Redis proposes, SQL decides, and every change is told once.

``docs/architecture.md`` tells the path; its first rule is that nothing is acknowledged before its commit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from app.bookings import answers, problems, records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.entity import as_compared, as_given
from app.bookings.forms import ReserveRequest, billed_from
from app.bookings.results import Reserved
from app.core import metrics
from app.core.errors import Problem, Unavailable
from app.core.ids import new_id, sign_id
from app.core.redis import REDIS_IS_GONE
from app.payments.fees import Price
from app.payments.queries import price_in_force, price_of
from app.slots.layout import Frame, Layout, Wish
from app.slots.models import State
from app.slots.status import LotKey, NotBuilt, OtherOrder, Proposal

log = structlog.get_logger()
CANDIDATES_BEFORE_SQL = 3
ROUNDS_BEFORE_503 = 20


@dataclass(frozen=True)
class _Candidate:
    """A slot to try, as it was named, or as Redis proposed it: then with the class it must still have."""

    where: dict[str, Any]
    class_number: int | None = None


@dataclass(frozen=True)
class _Taken:
    reserved: Reserved
    moved: records.Moved | None


class _Lost(Exception):
    """The candidate is not free: the transaction is undone, and the next one is tried."""


async def reserve(desk: Desk, request: ReserveRequest) -> Reserved:
    """Gives a slot to an entity.

    Raises a Problem: 404 where every matching slot is taken, or no such lot or slot exists; 409 where
    the named slot is taken or the entity has a booking; 422 for wrong fields; 503 where SQL is gone.
    """
    try:
        reserved = await _reserve(desk, request)
    except Problem as problem:
        metrics.RESERVATIONS.labels(problem.type).inc()
        raise
    metrics.RESERVATIONS.labels("reserved").inc()
    return reserved


async def _reserve(desk: Desk, request: ReserveRequest) -> Reserved:
    if request.slot is not None:
        return await _reserve_named(desk, request)
    frame = await run_again_on_conflict(lambda: _frame(desk, request))
    if frame is None and request.lot is not None:
        await _refuse_wrong_fields(desk, request)
        raise problems.no_such_lot(request.lot)
    if frame is not None:
        area = request.wish.area
        if request.lot is not None and area is not None and area not in frame.area_codes.values():
            await _refuse_wrong_fields(desk, request)
            raise problems.no_such_area(request.lot, area)
        reserved = await _reserve_proposed(desk, request, frame)
        if reserved is not None:
            return reserved
    lot_id = frame.lot_id if frame is not None and request.lot is not None else None
    for _ in range(ROUNDS_BEFORE_503):
        try:
            taken = await run_again_on_conflict(lambda: _take(desk, request, lot_id, None))
        except _Lost:
            # The entity's other booking ended between the refused insert and the look at it.
            continue
        return await _announce(desk, taken)
    raise Unavailable("A free slot", retry_after_s=1)


async def _frame(desk: Desk, request: ReserveRequest) -> Frame | None:
    """The lot that is asked for, or one that seems to have what is wished for."""
    if request.lot is not None:
        lot_id = await desk.layouts.id_of(request.lot)
    else:
        async with desk.database.look() as connection:
            lot_id = await records.lot_with_free(connection, class_filter(request.wish))
    return None if lot_id is None else await desk.layouts.frame(lot_id)


async def _reserve_proposed(desk: Desk, request: ReserveRequest, frame: Frame) -> Reserved | None:
    """Tries what Redis proposes; ``None`` where SQL had better choose."""
    groups = frame.groups(request.wish)
    lot = LotKey(frame.lot_id, frame.lot.order_version)
    if not groups or frame.lot.closed:
        return None
    for _ in range(CANDIDATES_BEFORE_SQL):
        try:
            proposals = await desk.status.propose(lot, groups, 1)
        except (NotBuilt, OtherOrder) as reason:
            desk.layouts.forget(frame.lot_id)
            metrics.PICKED_BY_SQL.labels(type(reason).__name__).inc()
            return None
        except REDIS_IS_GONE as error:
            metrics.REDIS_FAULTS.labels("propose").inc()
            metrics.PICKED_BY_SQL.labels("redis-gone").inc()
            log.warning("status.redis_gone", step="propose", lot=frame.lot_id, error=repr(error))
            return None
        if not proposals:
            metrics.PICKED_BY_SQL.labels("nothing-proposed").inc()
            return None
        reserved = await _try_proposal(desk, request, frame, proposals[0])
        if reserved is not None:
            return reserved
        metrics.CANDIDATES_LOST.inc()
    metrics.PICKED_BY_SQL.labels("candidates-lost").inc()
    return None


async def _try_proposal(
    desk: Desk, request: ReserveRequest, frame: Frame, proposal: Proposal
) -> Reserved | None:
    candidate = _Candidate({"lot_id": frame.lot_id, "rank": proposal.rank}, proposal.class_number)
    try:
        taken = await run_again_on_conflict(lambda: _take(desk, request, frame.lot_id, candidate))
    except _Lost:
        await _put_right(desk, candidate)
        return None
    except Problem:
        await _release(desk, frame, proposal)
        raise
    if taken.moved is None:
        await _release(desk, frame, proposal)
    return await _announce(desk, taken)


async def _reserve_named(desk: Desk, request: ReserveRequest) -> Reserved:
    async def look_up() -> records.SlotRow | None:
        async with desk.database.look() as connection:
            return await records.slot_by(connection, identifier=request.slot)

    named = await run_again_on_conflict(look_up)
    if named is None or (request.lot is not None and named.lot_code != request.lot):
        await _refuse_wrong_fields(desk, request)
        raise problems.no_such_slot(request.slot or "")
    candidate = _Candidate({"id": named.slot_id})
    try:
        taken = await run_again_on_conflict(lambda: _take(desk, request, named.lot_id, candidate))
    except _Lost:
        nearest = await nearest_like(desk, named)
        async with desk.database.look() as connection:
            seen = await records.slot_by(connection, id=named.slot_id)
        if seen is not None and (seen.state == State.CLOSED or seen.lot_closed):
            raise problems.slot_closed(named.identifier, nearest) from None
        raise problems.slot_taken(named.identifier, nearest) from None
    return await _announce(desk, taken)


async def _take(
    desk: Desk, request: ReserveRequest, lot_id: int | None, candidate: _Candidate | None
) -> _Taken:
    """The booking's one transaction. Raises _Lost where the candidate is not free, and Problems."""
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        if kept := await answers.claim(connection, "reserve", request.idempotency, now):
            return _Taken(await _replay(connection, kept, desk), None)
        if errors := request.wrong_fields(now):
            raise problems.invalid(errors)
        slot = await _choose(connection, request, lot_id, candidate)
        price = await price_in_force(connection, slot.lot_id, slot.area_id, premium=slot.premium)
        if price is None:
            raise problems.no_tariff(slot.lot_code)
        reservation = await _insert(connection, request, slot, price, now)
        moved = await records.move_slot(
            connection,
            slot,
            (State.FREE,),
            State.OCCUPIED if request.arrived else State.RESERVED,
            reservation["id"],
            now,
            class_number=candidate.class_number if candidate else None,
        )
        if moved is None:
            raise _Lost
        answer = {"reservation": reservation["id"]}
        await answers.keep(connection, "reserve", request.idempotency, answer)
        return _Taken(_reserved(desk, slot, reservation, price), moved)


async def _choose(
    connection: Any, request: ReserveRequest, lot_id: int | None, candidate: _Candidate | None
) -> records.SlotRow:
    if candidate is not None:
        # Every path locks the slot's state before its reservation; in the other order, who had chosen a
        # slot and who had been proposed it waited for each other until PostgreSQL ended one of them.
        slot = await records.slot_by(connection, lock=records.Lock.WAIT, **candidate.where)
        if slot is None or slot.lot_closed:
            raise _Lost
        return slot
    wanted = class_filter(request.wish)
    for _ in range(ROUNDS_BEFORE_503):
        slot = await records.free_slot(connection, lot_id, wanted, records.Lock.SKIP)
        if slot is not None:
            return slot
        if await records.free_slot(connection, lot_id, wanted, records.Lock.NONE) is None:
            raise problems.lot_full(request.lot or "any lot")
        # Others hold what is free: wait for one of them. PostgreSQL answers with nothing where the row
        # that it waited for was taken meanwhile, although another may be free: hence the rounds.
        slot = await records.free_slot(connection, lot_id, wanted, records.Lock.WAIT)
        if slot is not None:
            return slot
    raise Unavailable("A free slot", retry_after_s=1)


async def _insert(
    connection: Any, request: ReserveRequest, slot: records.SlotRow, price: Price, now: datetime
) -> dict[str, Any]:
    compared = as_compared(request.entity, plate=slot.entities_are_plates)
    values: dict[str, Any] = {
        "id": new_id(),
        "slot_id": slot.slot_id,
        "lot_id": slot.lot_id,
        "tariff_id": price.tariff_id,
        "premium": slot.premium,
        "entity": compared,
        "entity_given": as_given(request.entity),
        "exclusive": slot.lot_exclusive,
        "source": request.source,
        "created_at": now,
        "expected_at": request.start or now,
        "start_at": billed_from(request.start, now),
        "until": request.until,
        "arrived_at": now if request.arrived else None,
    }
    if await records.insert_reservation(connection, values):
        return values
    if slot.lot_exclusive:
        other = await records.active(connection, entity=compared, exclusive=True)
        if other is not None:
            held = await records.slot_by(connection, id=other.slot_id)
            assert held is not None
            raise problems.entity_has_reservation(held.identifier, held.name, other.id)
    raise _Lost


async def _replay(connection: Any, kept: dict[str, Any], desk: Desk) -> Reserved:
    """The answer of the first request, whether or not the booking still runs."""
    booking = await records.active(connection, id=kept["reservation"]) or await records.ended(
        connection, id=kept["reservation"]
    )
    assert booking is not None, "a kept answer without its booking"
    slot = await records.slot_by(connection, id=booking.slot_id)
    assert slot is not None
    price = await price_of(connection, booking.tariff_id, premium=booking.premium)
    return _reserved(desk, slot, booking.model_dump(), price)


def _reserved(desk: Desk, slot: records.SlotRow, booking: dict[str, Any], price: Price) -> Reserved:
    return Reserved(
        reservation=booking["id"],
        slot=slot.identifier,
        slot_name=slot.name,
        lot=slot.lot_code,
        area=slot.area_code,
        premium=booking["premium"],
        start_at=booking["start_at"],
        until=booking["until"],
        price=price,
        token=sign_id(desk.signing_key, booking["id"]),
    )


async def _announce(desk: Desk, taken: _Taken) -> Reserved:
    if taken.moved is not None:
        await desk.publish([taken.moved])
    return taken.reserved


async def _put_right(desk: Desk, candidate: _Candidate) -> None:
    """Redis proposed a slot that SQL says is not free: tells Redis what SQL knows."""
    async with desk.database.look() as connection:
        slot = await records.slot_by(connection, **candidate.where)
    if slot is None:
        return
    await desk.publish([records.as_known(slot)])


async def _release(desk: Desk, frame: Frame, proposal: Proposal) -> None:
    try:
        await desk.status.release(LotKey(frame.lot_id, frame.lot.order_version), [proposal.rank])
    except REDIS_IS_GONE:
        metrics.REDIS_FAULTS.labels("release").inc()


async def _refuse_wrong_fields(desk: Desk, request: ReserveRequest) -> None:
    async with desk.database.look() as connection:
        if errors := request.wrong_fields(await desk.database.now(connection)):
            raise problems.invalid(errors)


async def nearest_like(desk: Desk, slot: records.SlotRow) -> str | None:
    """The identifier of the nearest free slot of the same kind in the same lot."""
    layout = await desk.layouts.of(slot.lot_id)
    here = layout.by_id.get(slot.slot_id) if layout else None
    if layout is None or here is None:
        return None
    async with desk.database.look() as connection:
        free = await records.free_ids(connection, slot.lot_id, class_filter_of(slot, layout))
    others = [layout.by_id[one] for one in free if one in layout.by_id and one != slot.slot_id]
    nearest = min(others, key=lambda other: other.distance_m(here), default=None)
    return nearest.identifier if nearest else None


def class_filter(wish: Wish) -> dict[str, Any]:
    """The wish as columns of ``slot_class``."""
    wanted: dict[str, Any] = {
        "size": wish.size,
        "accessible": wish.accessible,
        "charging": wish.charging,
    }
    if wish.premium is not None:
        wanted["premium"] = wish.premium
    if wish.area is not None:
        wanted["area"] = wish.area
    return wanted


def class_filter_of(slot: records.SlotRow, layout: Layout) -> dict[str, Any]:
    """What a slot of the same kind has, in whichever area of the lot."""
    kind = layout.classes[slot.class_number]
    return {
        "size": kind.size,
        "premium": kind.premium,
        "accessible": kind.accessible,
        "charging": kind.charging,
    }
