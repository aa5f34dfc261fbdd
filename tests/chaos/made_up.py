"""Histories of a true car park, made up in no time, to plant violations in."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.bookings import Booked
from tests.chaos.history import Action, Answer, Asked, Operation, Outcome

STEP_S = 0.001
LONGEST_S = 0.05
PREMIUM_SHARE = 0.1


@dataclass(frozen=True)
class MadeUp:
    """A history that is true, and every booking that SQL has at its end."""

    operations: list[Operation]
    in_sql: list[Booked]


class _CarPark:
    """``held``: who is in, and since when the client knows; never, where the answer was lost."""

    def __init__(self, source: random.Random, slots: Sequence[str]) -> None:
        self.source = source
        self.slots = slots
        self.free = set(slots)
        self.held: list[tuple[Booked, float]] = []
        self.in_sql: list[Booked] = []
        everything, premium = frozenset(slots), frozenset(slots[: max(1, int(len(slots) * PREMIUM_SHARE))])
        self._wishes = [everything] * 6 + [premium]

    def leave(self, number: int, called_s: float) -> tuple[Asked, Answer] | None:
        """Somebody leaves who knew by ``called_s`` that the slot was theirs."""
        known = [one for one in self.held if one[1] <= called_s]
        if not known:
            return None
        one = self.source.choice(known)
        self.held.remove(one)
        booked = one[0]
        self.free.add(booked.slot)
        slot = frozenset({booked.slot})
        asked = Asked(0, Action.UNRESERVE, f"end{number}", booked.entity, slot, booked.reservation)
        return asked, Answer(Outcome.OK, "", booked.slot, booked.reservation)

    def come(self, number: int, known_from_s: float) -> tuple[Asked, Answer]:
        fitting = self.source.choice([*self._wishes, frozenset({self.source.choice(self.slots)})])
        asked = Asked(0, Action.RESERVE, f"key{number}", f"E{number}", fitting)
        candidates = sorted(fitting & self.free)
        if not candidates:
            return asked, Answer(Outcome.REFUSED, "slot-taken" if len(fitting) == 1 else "all-taken")
        booked = Booked(f"r{number}", self.source.choice(candidates), asked.entity)
        self.free.discard(booked.slot)
        self.held.append((booked, known_from_s))
        self.in_sql.append(booked)
        return asked, Answer(Outcome.OK, "", booked.slot, booked.reservation)


def true_history(
    seed: int,
    operations: int,
    slots: Sequence[str],
    lost_share: float = 0.0,
    longest_s: float = LONGEST_S,
) -> MadeUp:
    """One thing happens at each step; called up to ``longest_s`` before, and answered up to as long after.

    Of ``lost_share`` the answer is lost, and nobody asks again.
    """
    source = random.Random(seed)
    park, made = _CarPark(source, slots), list[Operation]()
    for number in range(operations):
        at_s = number * STEP_S
        called_s, answered_s = at_s - source.uniform(0, longest_s), at_s + source.uniform(0, longest_s)
        is_lost = source.random() < lost_share
        done = park.leave(number, called_s) if source.random() < 0.35 else None
        asked, answer = done or park.come(number, float("inf") if is_lost else answered_s)
        if is_lost:
            answer = Answer(Outcome.UNKNOWN, "lost")
        made.append(Operation(asked, called_s, answered_s, answer))
    return MadeUp(made, park.in_sql)
