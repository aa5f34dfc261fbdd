"""What the status scripts must do, as plain dictionaries: the model of the state machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FREE = 0


@dataclass
class LotModel:
    """One lot as Redis has to hold it, and what its channel has to have said."""

    epoch: str | None = None
    built: str | None = None
    order: int = 0
    layout: int = 0
    seq: int = 0
    begun: int = 0
    being_built: bool = False
    doubted: bool = False
    records: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    leased: set[int] = field(default_factory=set)
    expired: set[int] = field(default_factory=set)
    said: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, epoch: str, order: int, layout: int) -> int:
        """Forgets all but the number, which goes on; nobody else may begin."""
        self.records.clear()
        self.leased.clear()
        self.expired.clear()
        self.epoch, self.built, self.order, self.layout = epoch, None, order, layout
        self.seq += 1
        self.begun = self.seq
        self.being_built = True
        return self.seq

    def lose_head(self) -> None:
        """Nothing tells any more what the rest belongs to."""
        self.epoch, self.built, self.order, self.layout = None, None, 0, 0
        self.seq = self.begun = 0

    def load(self, rows: Sequence[tuple[int, int, int, int]], stretch: int) -> list[int]:
        """Takes whole stretches in which nothing is known; returns the first ranks of the others."""
        left = []
        last = max(row[0] for row in rows)
        for first in range(0, last + 1, stretch):
            # A free set is written by whole bytes.
            end = min(first + stretch, (last // 8 + 1) * 8)
            if any(first <= rank < end for rank in self.records):
                left.append(first)
            else:
                self.records |= {row[0]: row[1:] for row in rows if first <= row[0] < end}
        return left

    def finish(self, epoch: str, layout: int, *, built: bool) -> None:
        self.layout = layout
        if built:
            self.built = epoch
            self.being_built = False
        self.seq += 1
        self.said.append({"epoch": epoch, "seq": self.seq, "fresh": True})

    def apply(self, epoch: str, changes: Sequence[tuple[int, int, int, int]], *, publish: bool) -> None:
        """``changes`` are rank, version, class, state; only a higher version counts, a lower one is odd."""
        told: list[int] = []
        for rank, version, number, state in changes:
            known = self.records[rank][0] if rank in self.records else 0
            self.doubted |= publish and version < known
            if version > known:
                self.records[rank] = (version, number, state)
                self.leased.discard(rank)
                self.expired.discard(rank)
                told += [rank, state]
        if told and publish:
            self.seq += 1
            self.said.append({"epoch": epoch, "seq": self.seq, "changes": told})

    def propose(self, groups: Sequence[Sequence[int]], count: int) -> list[tuple[int, int]]:
        """Rank and class of each slot that is leased: lowest first, from the first group that has one."""
        self.leased -= self.expired
        self.expired.clear()
        given: list[tuple[int, int]] = []
        for group in groups:
            fitting = sorted((rank, number) for number in set(group) for rank in self.free_set(number))
            taken = fitting[: count - len(given)]
            self.leased.update(rank for rank, _ in taken)
            given += taken
        return given

    def release(self, ranks: Sequence[int]) -> None:
        self.leased -= set(ranks)
        self.expired -= set(ranks)

    def free_set(self, number: int) -> set[int]:
        """The ranks that may be proposed for a class: free, of that class, and leased to nobody."""
        return {
            rank
            for rank, (_, kind, state) in self.records.items()
            if state == FREE and kind == number and rank not in self.leased
        }
