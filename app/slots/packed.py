"""A lot's status as bytes: eight for each rank, and for each class a bit for each rank that is free."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.slots.models import STATE_CODES, State

RECORD = struct.Struct(">IHBB")
_FREE = STATE_CODES[State.FREE]
_CODES = {state.value: code for state, code in STATE_CODES.items()}


@dataclass(frozen=True)
class Packed:
    """Records by rank (version, class, state, spare; all zero where no slot is), and free sets by class."""

    records: bytes
    free: Mapping[int, bytes]

    @property
    def ranks(self) -> int:
        return len(self.records) // RECORD.size

    def stretches(self, ranks: int) -> Iterator[tuple[int, bytes, dict[int, bytes]]]:
        """First rank, records and free sets of ``ranks`` ranks (a multiple of 8) after the other."""
        for first in range(0, self.ranks, ranks):
            last = first + ranks
            free = {number: bits[first // 8 : last // 8] for number, bits in self.free.items()}
            yield first, self.records[first * RECORD.size : last * RECORD.size], free


def pack(rows: Iterable[tuple[int, int, int, str]]) -> Packed:
    """Packs rows of rank, version, class number and state, in any order."""
    rows = list(rows)
    ranks = max((row[0] for row in rows), default=-1) + 1
    records = bytearray(ranks * RECORD.size)
    free = {number: bytearray(-(-ranks // 8)) for number in {row[2] for row in rows}}
    for rank, version, number, state in rows:
        code = _CODES[state]
        RECORD.pack_into(records, rank * RECORD.size, version, number, code, 0)
        if code == _FREE:
            free[number][rank >> 3] |= 0x80 >> (rank & 7)
    return Packed(bytes(records), {number: bytes(bits) for number, bits in free.items()})


def unpack(records: bytes) -> list[tuple[int, int, int]]:
    """Version, class number and state code by rank; version 0 where nothing is known."""
    return [(version, number, code) for version, number, code, _ in RECORD.iter_unpack(records)]


def free_sets(records: bytes) -> dict[int, bytes]:
    """The free sets that belong to these records, by class."""
    free: dict[int, bytearray] = {}
    for rank, (version, number, code) in enumerate(unpack(records)):
        if version and code == _FREE:
            bits = free.setdefault(number, bytearray(-(-len(records) // RECORD.size // 8)))
            bits[rank >> 3] |= 0x80 >> (rank & 7)
    return {number: bytes(bits) for number, bits in free.items()}


def without(bits: bytes, ranks: Iterable[int]) -> bytes:
    """A free set that lacks these ranks."""
    left = bytearray(bits)
    for rank in ranks:
        if rank >> 3 < len(left):
            left[rank >> 3] &= ~(0x80 >> (rank & 7))
    return bytes(left)


def ranks_in(bits: bytes) -> set[int]:
    """The ranks of a free set."""
    return {
        8 * index + bit for index, byte in enumerate(bits) if byte for bit in range(8) if byte & (0x80 >> bit)
    }
