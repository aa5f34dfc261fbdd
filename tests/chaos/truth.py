"""What SQL has at the end, and what must agree with it: the history, Redis and the viewers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import func, select

from app.bookings.records import HISTORY, RESERVATION
from app.core.db import Database
from app.slots.models import STATE_CODES, Slot, SlotState, State, StatusOutbox, public_code
from app.slots.status import RECORD
from tests.chaos.history import Bookings, Operation, Violation

_SLOT = Slot.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class TrueSlot:
    """A slot as SQL has it."""

    identifier: str
    position: int
    rank: int
    class_number: int
    state: State
    version: int
    reservation_id: str | None


@dataclass(frozen=True)
class Truth:
    """A lot as SQL has it. ``running``: reservation, slot and entity of every active booking."""

    slots: tuple[TrueSlot, ...]
    running: tuple[tuple[str, str, str], ...]
    ended: frozenset[str]

    @property
    def shown(self) -> list[int]:
        """What every viewer must show, by position."""
        return [public_code(STATE_CODES[slot.state]) for slot in self.slots]


async def read_truth(database: Database, lot_id: int) -> Truth:
    """The lot as it is now, in one transaction."""
    columns = [_SLOT.c[name] for name in ("identifier", "position")]
    columns += [_STATE.c[name] for name in ("rank", "class_number", "state", "version", "reservation_id")]
    of_lot = (
        select(*columns)
        .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
        .where(_SLOT.c.lot_id == lot_id)
        .order_by(_SLOT.c.position)
    )
    active = (
        select(RESERVATION.c.id, _SLOT.c.identifier, RESERVATION.c.entity)
        .join_from(RESERVATION, _SLOT, _SLOT.c.id == RESERVATION.c.slot_id)
        .where(RESERVATION.c.lot_id == lot_id)
    )
    async with database.look() as connection:
        slots = [dict(row) for row in (await connection.execute(of_lot)).mappings()]
        running = [(row[0], row[1], row[2]) for row in await connection.execute(active)]
        past = (await connection.execute(select(HISTORY.c.id).where(HISTORY.c.lot_id == lot_id))).scalars()
        ended = frozenset(past)
    return Truth(
        tuple(TrueSlot(**{**row, "state": State(row["state"])}) for row in slots), tuple(running), ended
    )


async def outbox_rows(database: Database) -> int:
    """Changes that Redis may not have seen."""
    async with database.look() as connection:
        rows: int = (await connection.execute(select(func.count()).select_from(_OUTBOX))).scalar_one()
        return rows


def compare(operations: Iterable[Operation], truth: Truth) -> list[Violation]:
    """Where SQL does not bear out what clients were told, or contradicts itself."""
    bookings = Bookings(operations)
    return [*_against_itself(truth), *_lost(bookings, truth), *_unasked(bookings, truth)]


def _against_itself(truth: Truth) -> Iterable[Violation]:
    holders: dict[str, list[str]] = defaultdict(list)
    for reservation, slot, _ in truth.running:
        holders[slot].append(reservation)
    for slot in truth.slots:
        expected = [] if slot.reservation_id is None else [slot.reservation_id]
        if holders[slot.identifier] != expected:
            yield Violation("SQL contradicts itself", f"{slot}, but bookings {holders[slot.identifier]}")
        if (slot.state in (State.RESERVED, State.OCCUPIED)) != (slot.reservation_id is not None):
            yield Violation("SQL contradicts itself", f"{slot}")


def _lost(bookings: Bookings, truth: Truth) -> Iterable[Violation]:
    running = {reservation: (slot, entity) for reservation, slot, entity in truth.running}
    for stay in bookings.stays.values():
        is_running = running.get(stay.reservation) == (stay.slot, stay.entity)
        has_ended = stay.reservation in truth.ended
        if not stay.asked_to_end and not is_running:
            yield Violation("lost booking", f"{stay.entity} on {stay.slot} was acknowledged")
        elif stay.ended and (is_running or not has_ended):
            yield Violation("lost release", f"{stay.entity} on {stay.slot} was acknowledged")
        elif not (is_running or has_ended):
            yield Violation("lost booking", f"{stay.entity} on {stay.slot} is nowhere")


def _unasked(bookings: Bookings, truth: Truth) -> Iterable[Violation]:
    loose = {one.entity: one.fitting for one in bookings.loose}
    for reservation, slot, entity in truth.running:
        if reservation not in bookings.stays and slot not in loose.get(entity, ()):
            yield Violation("unasked booking", f"{entity} on {slot}")


async def redis_differences(redis: Redis, lot_id: int, truth: Truth) -> list[str]:
    """Where Redis' records and free sets are not what SQL has; read as they lie, past the application."""
    meta: dict[bytes, bytes] = await redis.hgetall(f"lot:{{{lot_id}}}:meta")  # type: ignore[misc]
    epoch = await redis.get("lotline:epoch")
    if not epoch or not meta.get(b"epoch") == meta.get(b"built") == epoch:
        return [f"not built in the epoch {epoch!r}: {meta}"]
    records = list(RECORD.iter_unpack(await redis.get(f"lot:{{{lot_id}}}:slots") or b""))
    if len(records) != len(truth.slots):
        return [f"{len(records)} records for {len(truth.slots)} slots"]
    leased = {int(rank) for rank in await redis.zrange(f"lot:{{{lot_id}}}:leases", 0, -1)}
    differences = []
    for slot in truth.slots:
        expected = (slot.version, slot.class_number, STATE_CODES[slot.state])
        if records[slot.rank][:3] != expected:
            differences.append(f"{slot.identifier}: {records[slot.rank][:3]}, SQL has {expected}")
        is_set = await redis.getbit(f"lot:{{{lot_id}}}:free:{slot.class_number}", slot.rank)
        if slot.rank not in leased and bool(is_set) != (slot.state is State.FREE):
            differences.append(f"{slot.identifier}: in the free set {is_set}, SQL has {slot.state}")
    return differences


def screen_differences(shown: list[int] | None, truth: Truth) -> list[str]:
    """Where a viewer shows another state than SQL has."""
    if shown is None:
        return ["nothing is shown"]
    if len(shown) != len(truth.slots):
        return [f"{len(shown)} slots are shown of {len(truth.slots)}"]
    pairs: Any = zip(truth.slots, truth.shown, shown, strict=True)
    return [f"{slot.identifier}: shows {seen}, SQL has {true}" for slot, true, seen in pairs if true != seen]
