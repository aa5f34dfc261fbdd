"""What SQL has at the end, and what must agree with it: the history, Redis and the viewers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ClusterDownError
from sqlalchemy import func, select

from app.bookings.records import HISTORY, RESERVATION
from app.core.cluster import Cluster
from app.core.db import Database
from app.slots.models import STATE_CODES, Slot, SlotState, State, StatusOutbox, public_code
from app.slots.packed import RECORD
from tests.chaos.bookings import Booked, Bookings, by_entity
from tests.chaos.checker import Violation, check
from tests.chaos.history import Operation

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
    """A lot as SQL has it, with every booking that it ever had."""

    slots: tuple[TrueSlot, ...]
    running: tuple[Booked, ...]
    ended: tuple[Booked, ...]


async def read_slots(database: Database, lot_id: int) -> tuple[TrueSlot, ...]:
    """The slots of a lot by position."""
    columns = [_SLOT.c[name] for name in ("identifier", "position")]
    columns += [_STATE.c[name] for name in ("rank", "class_number", "state", "version", "reservation_id")]
    of_lot = (
        select(*columns)
        .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
        .where(_SLOT.c.lot_id == lot_id)
        .order_by(_SLOT.c.position)
    )
    async with database.look() as connection:
        rows = (await connection.execute(of_lot)).mappings().all()
    return tuple(TrueSlot(**{**row, "state": State(row["state"])}) for row in rows)


async def read_truth(database: Database, lot_id: int) -> Truth:
    """All of a lot. Ask when nothing is under way: it takes more than one statement."""
    slots = await read_slots(database, lot_id)
    return Truth(slots, *await read_bookings(database, lot_id))


async def read_bookings(
    database: Database, lot_id: int | None = None
) -> tuple[tuple[Booked, ...], tuple[Booked, ...]]:
    """The bookings of one lot, or of all: those that run, and those that have ended."""
    found = []
    async with database.look() as connection:
        for table in (RESERVATION, HISTORY):
            booked = select(table.c.id, _SLOT.c.identifier, table.c.entity).join_from(
                table, _SLOT, _SLOT.c.id == table.c.slot_id
            )
            if lot_id is not None:
                booked = booked.where(table.c.lot_id == lot_id)
            found.append(tuple(Booked(*row) for row in await connection.execute(booked)))
    running, ended = found
    return running, ended


async def outbox_rows(database: Database) -> int:
    """Changes that Redis may not have seen."""
    async with database.look() as connection:
        rows: int = (await connection.execute(select(func.count()).select_from(_OUTBOX))).scalar_one()
        return rows


def violations(operations: Iterable[Operation], truth: Truth) -> list[Violation]:
    """What neither the history nor SQL bears out. Read the truth when nothing is under way."""
    bookings = Bookings(operations, (*truth.running, *truth.ended))
    return [*check(bookings), *compare(bookings, truth)]


def compare(bookings: Bookings, truth: Truth) -> list[Violation]:
    """Where SQL does not bear out what clients were told, or contradicts itself."""
    return [*_against_itself(truth), *_lost(bookings, truth), *_unasked(bookings, truth)]


def _against_itself(truth: Truth) -> Iterable[Violation]:
    holders: dict[str, list[str]] = defaultdict(list)
    for one in truth.running:
        holders[one.slot].append(one.reservation)
    for slot in truth.slots:
        expected = [] if slot.reservation_id is None else [slot.reservation_id]
        if holders[slot.identifier] != expected:
            yield Violation("SQL contradicts itself", f"{slot}, but bookings {holders[slot.identifier]}")
        if (slot.state in (State.RESERVED, State.OCCUPIED)) != (slot.reservation_id is not None):
            yield Violation("SQL contradicts itself", f"{slot}")
    for reservation in {one.reservation for one in truth.running} & {one.reservation for one in truth.ended}:
        yield Violation("SQL contradicts itself", f"{reservation} runs and has ended")


def _lost(bookings: Bookings, truth: Truth) -> Iterable[Violation]:
    running = {one.reservation: one for one in truth.running}
    ended = {one.reservation: one for one in truth.ended}
    for stay in bookings.stays.values():
        booked = Booked(stay.reservation, stay.slot, stay.entity)
        is_running = running.get(stay.reservation) == booked
        has_ended = ended.get(stay.reservation) == booked
        if not stay.asked_to_end and not is_running:
            yield Violation("lost booking", f"{stay.entity} on {stay.slot} was acknowledged")
        elif stay.ended and (is_running or not has_ended):
            yield Violation("lost release", f"{stay.entity} on {stay.slot} was acknowledged")
        elif not (is_running or has_ended):
            yield Violation("lost booking", f"{stay.entity} on {stay.slot} is nowhere")


def _unasked(bookings: Bookings, truth: Truth) -> Iterable[Violation]:
    """What is in SQL, and nobody was told of: only a reserve of unknown end may have left it there."""
    loose = by_entity(bookings.loose)
    for booked in (*truth.running, *truth.ended):
        if booked.reservation in bookings.stays:
            continue
        asked = [one for one in loose.get(booked.entity, ()) if booked.slot in one.fitting]
        if not asked:
            yield Violation("unasked booking", f"{booked.entity} on {booked.slot}")
        elif all(one.refused_later for one in asked):
            yield Violation("booked and refused", f"{booked.entity} on {booked.slot}, as the same request")
    for booked in truth.ended:
        if booked.reservation not in bookings.stays:
            yield Violation("unasked end", f"{booked.entity} on {booked.slot} was never acknowledged")


async def epoch_of(redis: Redis) -> str:
    """The epoch that Redis has, valid or not."""
    stored: Any = await redis.get("lotline:epoch")
    return (stored or b"").decode()


async def redis_differences(redis: Redis, lot_id: int, slots: Sequence[TrueSlot]) -> list[str]:
    """Where Redis' records and free sets are not what SQL has; read as they lie, past the application.

    A slot with a lease may be in its free set or not.
    """
    epoch = (await epoch_of(redis)).encode()
    pipeline = (await _keeper(redis, lot_id)).pipeline(transaction=True)
    pipeline.hgetall(f"lot:{{{lot_id}}}:meta")
    pipeline.get(f"lot:{{{lot_id}}}:slots")
    pipeline.zrange(f"lot:{{{lot_id}}}:leases", 0, -1)
    classes = sorted({slot.class_number for slot in slots})
    for number in classes:
        pipeline.get(f"lot:{{{lot_id}}}:free:{number}")
    meta, stored, leases, *bitmaps = await pipeline.execute()
    if not epoch or not meta.get(b"epoch") == meta.get(b"built") == epoch:
        return [f"not built in the epoch {epoch!r}: {meta}"]
    records = list(RECORD.iter_unpack(stored or b""))
    if len(records) != len(slots):
        return [f"{len(records)} records for {len(slots)} slots"]
    leased = {int(rank) for rank in leases}
    free = {number: _ranks(bitmap or b"") for number, bitmap in zip(classes, bitmaps, strict=True)}
    differences = []
    for slot in slots:
        expected = (slot.version, slot.class_number, STATE_CODES[slot.state])
        if records[slot.rank][:3] != expected:
            differences.append(f"{slot.identifier}: {records[slot.rank][:3]}, SQL has {expected}")
        for number, ranks in free.items():
            is_free = slot.state is State.FREE and number == slot.class_number
            if slot.rank not in leased and (slot.rank in ranks) != is_free:
                differences.append(f"{slot.identifier}: in free set {number}, SQL has {slot.state}")
    return differences


async def _keeper(redis: Redis, lot_id: int) -> Redis:
    """A client of the very server that has what is known of the lot."""
    if not isinstance(redis, Cluster):
        return redis
    await redis.topology.read()
    owner = redis.topology.owner(f"lot:{{{lot_id}}}:meta")
    if owner is None:
        raise ClusterDownError(f"nobody keeps lot {lot_id}")
    return redis.topology.client(owner)


def _ranks(bitmap: bytes) -> set[int]:
    """The ranks whose bits are set; the first bit of a byte is its highest."""
    return {
        byte * 8 + bit for byte, bits in enumerate(bitmap) for bit in range(8) if bits and bits & 0x80 >> bit
    }


def screen_differences(shown: list[int] | None, slots: Sequence[TrueSlot]) -> list[str]:
    """Where a viewer shows another state than SQL has."""
    if shown is None:
        return ["nothing is shown"]
    if len(shown) != len(slots):
        return [f"{len(shown)} slots are shown of {len(slots)}"]
    expected = [public_code(STATE_CODES[slot.state]) for slot in slots]
    return [
        f"{slot.identifier}: shows {seen}, SQL has {true}"
        for slot, true, seen in zip(slots, expected, shown, strict=True)
        if true != seen
    ]
