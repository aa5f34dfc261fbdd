"""What SQL and Redis hold, read as it lies, past the application."""

import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
from redis import Redis

from app.slots.models import STATE_CODES, State
from tests.integration.bookings.model.car_park import CarPark

# As `docs/redis-keys.md` has them.
EPOCH_KEY = "lotline:epoch"
RECORD = struct.Struct(">IHBB")
_SLOTS = """
    SELECT slot.identifier, slot.id, lot.code, slot.name, area.code, slot.size, slot.premium, slot.accessible,
        slot.charging, slot_state.rank, slot.revision, slot_state.state, slot_state.version,
        slot_state.reservation_id, lot.id, slot_state.class_number,
        slot_class.area_id = slot.area_id AND slot_class.size = slot.size AND slot.rank = slot_state.rank
        AND slot_class.premium = slot.premium AND slot_class.accessible = slot.accessible
        AND slot_class.charging = slot.charging
    FROM slot
    JOIN slot_state ON slot_state.slot_id = slot.id AND slot_state.lot_id = slot.lot_id
    JOIN lot ON lot.id = slot.lot_id
    JOIN area ON area.id = slot.area_id AND area.lot_id = lot.id
    JOIN slot_class ON slot_class.lot_id = lot.id AND slot_class.number = slot_state.class_number
"""
_STAYS = """
    SELECT reservation.id, slot.identifier, entity, entity_given, exclusive, reservation.premium, start_at,
        until, arrived_at, reservation.size
    FROM reservation JOIN slot ON slot.id = slot_id
"""
_HISTORY = """
    SELECT reservation_history.id, slot.identifier, entity, start_at, ended_at, ended_time_given,
        amount_minor, currency, reservation_history.size, reservation_history.premium
    FROM reservation_history JOIN slot ON slot.id = slot_id
"""
_COUNTS = "SELECT (SELECT count(*) FROM slot), (SELECT count(*) FROM status_outbox)"


class Reader(Protocol):
    """Rows of a SELECT."""

    def __call__(self, statement: str) -> Sequence[Sequence[Any]]: ...


def sqlite_reader(path: str) -> Reader:
    connection = sqlite3.connect(path)
    return lambda statement: connection.execute(statement).fetchall()


def postgresql_reader(connection: asyncpg.Connection, do: Callable[[Any], Any]) -> Reader:
    return lambda statement: do(connection.fetch(statement))


@dataclass(frozen=True)
class TrueSlot:
    """What Redis must know of a slot."""

    lot: str
    lot_id: int
    rank: int
    version: int
    class_number: int
    state: int


@dataclass(frozen=True)
class Truth:
    """All that SQL holds of bookings at one instant, as rows by their identifier."""

    places: dict[str, tuple[Any, ...]]
    stays: dict[str, tuple[Any, ...]]
    history: dict[str, tuple[Any, ...]]
    slots: tuple[TrueSlot, ...]
    outbox: int
    contradictions: tuple[str, ...]

    def differences(self, park: CarPark) -> list[str]:
        """Where SQL is not what the car park ought to be."""
        differences = list(self.contradictions)
        for name, known in _rows(park).items():
            found: dict[str, tuple[Any, ...]] = getattr(self, name)
            differences += [
                f"{name} {key}: SQL has {found.get(key)}, the model {known.get(key)}"
                for key in sorted(found.keys() | known.keys())
                if found.get(key) != known.get(key)
            ]
        return differences


def read_truth(read: Reader) -> Truth:
    """All of SQL; nothing may be under way."""
    slots = [tuple(row) for row in read(_SLOTS)]
    (count, outbox) = read(_COUNTS)[0]
    contradictions = [f"{row[0]}: not of its class" for row in slots if not row[16]]
    if count != len(slots):
        contradictions.append(f"{count - len(slots)} slots without lot, area, class or state")
    return Truth(
        places={row[0]: (*row[1:6], *map(bool, row[6:9]), *row[9:14]) for row in slots},
        stays={
            row[0]: (*row[1:4], *map(bool, row[4:6]), *map(_instant, row[6:9]), row[9])
            for row in read(_STAYS)
        },
        history={
            row[0]: (*row[1:3], *map(_instant, row[3:6]), *row[6:9], bool(row[9])) for row in read(_HISTORY)
        },
        slots=tuple(
            TrueSlot(row[2], row[14], row[9], row[12], row[15], STATE_CODES[State(row[11])]) for row in slots
        ),
        outbox=outbox,
        contradictions=tuple(contradictions),
    )


def _rows(park: CarPark) -> dict[str, dict[str, tuple[Any, ...]]]:
    return {
        "places": {
            one.identifier: (
                *(one.number, one.lot, one.name, one.kind.area, *one.kind.but_for_the_area),
                *(one.rank, one.revision, one.state, one.version, one.holder),
            )
            for one in park.places.values()
        },
        "stays": {
            one.reservation: (
                *(one.slot, one.entity, one.given, one.lot.exclusive, one.premium),
                *(one.start_at, one.until, one.arrived_at, one.size),
            )
            for one in park.stays.values()
        },
        "history": {
            one.stay.reservation: (
                *(one.stay.slot, one.stay.entity, one.stay.start_at, one.ended_at),
                *(one.time_given, one.amount_minor, one.stay.lot.currency),
                *(one.stay.size, one.stay.premium),
            )
            for one in park.history.values()
        },
    }


def _instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@dataclass(frozen=True)
class Projection:
    """What Redis holds of one lot."""

    built: bool
    records: list[tuple[int, int, int]]
    free: dict[int, set[int]]
    leased: frozenset[int]
    outlived: frozenset[int]

    def differences(self, slots: Sequence[TrueSlot], *, may_be_leased: bool) -> list[str]:
        """Where Redis is not true to SQL. A free slot may be away only on lease."""
        if not self.built:
            return ["it is not built"]
        ordered = sorted(slots, key=lambda slot: slot.rank)
        differences = []
        records = [(slot.version, slot.class_number, slot.state) for slot in ordered]
        if self.records != records:
            differences.append(f"the records are {self.records}, SQL has {records}")
        free = {slot.rank: slot.class_number for slot in ordered if slot.state == STATE_CODES[State.FREE]}
        away = (self.leased | self.outlived) & free.keys()
        shown = {rank: number for number, ranks in self.free.items() for rank in ranks}
        expected = {rank: number for rank, number in free.items() if rank not in away}
        if shown != expected or sum(map(len, self.free.values())) != len(shown):
            differences.append(f"the free sets are {self.free}, it should be {expected}")
        if not may_be_leased and self.leased & free.keys():
            differences.append(f"{set(self.leased & free.keys())} are leased to nobody")
        return differences


def read_projections(redis: Redis, lot_ids: Sequence[int], classes: int) -> dict[int, Projection]:
    """What Redis holds of these lots; class numbers up to ``classes`` are looked at."""
    pipe = redis.pipeline(transaction=False)
    pipe.get(EPOCH_KEY).time()
    for lot_id in lot_ids:
        key = f"lot:{{{lot_id}}}:"
        pipe.hmget(key + "meta", "epoch", "built").get(key + "slots")
        pipe.zrange(key + "leases", 0, -1, withscores=True)
        pipe.mget([f"{key}free:{number}" for number in range(1, classes + 1)])
    epoch, (seconds, micros), *answers = pipe.execute()
    now_ms = seconds * 1000 + micros / 1000
    each = zip(*[iter(answers)] * 4, strict=True)
    return {lot_id: _projection(epoch, now_ms, *told) for lot_id, told in zip(lot_ids, each, strict=True)}


def _projection(
    epoch: bytes | None,
    now_ms: float,
    meta: list[bytes | None],
    records: bytes | None,
    leases: list[tuple[bytes, float]],
    bitmaps: list[bytes | None],
) -> Projection:
    return Projection(
        built=epoch is not None and meta == [epoch, epoch],
        records=[one[:3] for one in RECORD.iter_unpack(records or b"")],
        free={number: ranks for number, bits in enumerate(bitmaps, 1) if (ranks := _ranks(bits or b""))},
        leased=frozenset(int(rank) for rank, ends_ms in leases if ends_ms > now_ms),
        outlived=frozenset(int(rank) for rank, ends_ms in leases if ends_ms <= now_ms),
    )


def _ranks(bits: bytes) -> set[int]:
    return {8 * index + bit for index, byte in enumerate(bits) for bit in range(8) if byte & (128 >> bit)}
