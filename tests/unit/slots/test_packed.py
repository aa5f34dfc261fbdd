"""A lot as bytes: what is packed comes out again, and belongs together."""

from hypothesis import given
from hypothesis import strategies as st

from app.slots.models import STATE_CODES, State
from app.slots.packed import RECORD, free_sets, pack, ranks_in, unpack, without

slots = st.dictionaries(
    st.integers(0, 70), st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 4), st.sampled_from(list(State)))
)
Slots = dict[int, tuple[int, int, State]]


def rows(lot: Slots) -> list[tuple[int, int, int, str]]:
    return [(rank, version, number, state.value) for rank, (version, number, state) in lot.items()]


def free(lot: Slots, number: int) -> set[int]:
    return {rank for rank, (_, kind, state) in lot.items() if (kind, state) == (number, State.FREE)}


@given(slots)
def test_every_slot_stands_at_its_rank_and_in_its_free_set(lot: Slots) -> None:
    packed = pack(rows(lot))
    assert packed.ranks == max(lot, default=-1) + 1
    known = {rank: one for rank, one in enumerate(unpack(packed.records)) if one[0]}
    assert known == {
        rank: (version, number, STATE_CODES[state]) for rank, (version, number, state) in lot.items()
    }
    assert packed.free.keys() == {number for _, number, _ in lot.values()}
    for number, bits in packed.free.items():
        assert ranks_in(bits) == free(lot, number)


@given(slots, st.sampled_from([8, 16, 64]))
def test_the_stretches_are_the_lot(lot: Slots, length: int) -> None:
    packed = pack(rows(lot))
    stretches = list(packed.stretches(length))
    assert b"".join(records for _, records, _ in stretches) == packed.records
    assert [first for first, _, _ in stretches] == list(range(0, packed.ranks, length))
    for number, bits in packed.free.items():
        assert b"".join(free[number] for _, _, free in stretches) == bits
    for first, records, free_here in stretches:
        ranks = len(records) // RECORD.size
        assert all(len(bits) == -(-ranks // 8) for bits in free_here.values())
        assert first % 8 == 0


@given(slots)
def test_the_free_sets_follow_from_the_records(lot: Slots) -> None:
    packed = pack(rows(lot))
    found = free_sets(packed.records)
    assert {number: ranks_in(bits) for number, bits in found.items()} == {
        number: free(lot, number) for number in packed.free if free(lot, number)
    }


@given(slots, st.sets(st.integers(0, 90)))
def test_what_is_leased_is_not_in_the_set(lot: Slots, leased: set[int]) -> None:
    for number, bits in pack(rows(lot)).free.items():
        assert ranks_in(without(bits, leased)) == free(lot, number) - leased
