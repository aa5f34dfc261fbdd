"""The bookings that a history tells of, and how surely.

A slot was *certainly* held from the answer of its reserve to the call of its unreserve, and *possibly* from
the call of its reserve to the answer of its unreserve. Where the answer is unknown, because a process died,
the operation may have happened then, later or never, until the same request under the same key says which.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tests.chaos.history import NEVER, Action, Operation, Outcome


@dataclass(frozen=True)
class Booked:
    """A booking as SQL has it."""

    reservation: str
    slot: str
    entity: str


@dataclass(frozen=True)
class Stay:
    """One acknowledged booking."""

    reservation: str
    slot: str
    entity: str
    keys: frozenset[str]
    possible_from_s: float
    certain_from_s: float
    certain_until_s: float
    possible_until_s: float
    asked_to_end: bool
    ended: bool


@dataclass(frozen=True)
class Loose:
    """A reserve that may have taken one of these slots, and never said which.

    ``refused_later``: it was sent again after every attempt of unknown end, and refused. Then it had taken
    none, or the same key would have been answered with it.
    """

    key: str
    entity: str
    fitting: frozenset[str]
    called_s: float
    refused_later: bool


class Bookings:
    """The bookings that a history tells of.

    ``in_sql``, where given, is every booking that SQL has at the end, when nothing is under way: what it does
    not have of a reserve of unknown end never came to pass.
    """

    def __init__(self, operations: Iterable[Operation], in_sql: Iterable[Booked] | None = None) -> None:
        self.operations = list(operations)
        self._in_sql = None if in_sql is None else tuple(in_sql)

    @cached_property
    def stays(self) -> dict[str, Stay]:
        """The acknowledged bookings by reservation."""
        acknowledged: dict[str, list[Operation]] = defaultdict(list)
        first_call: dict[str, float] = {}
        endings: dict[str, list[Operation]] = defaultdict(list)
        for one in self.operations:
            if one.asked.action is Action.UNRESERVE:
                endings[one.asked.reservation].append(one)
                continue
            if one.answer.outcome is not Outcome.REFUSED:
                first_call[one.asked.key] = min(one.called_s, first_call.get(one.asked.key, NEVER))
            if one.answer.outcome is Outcome.OK:
                acknowledged[one.answer.reservation].append(one)
        return {
            reservation: _stay(reservation, reserves, endings[reservation], first_call)
            for reservation, reserves in acknowledged.items()
        }

    @cached_property
    def loose(self) -> list[Loose]:
        """Requests that may have taken a slot, and never said which."""
        attempts: dict[str, list[Operation]] = defaultdict(list)
        for one in self.operations:
            if one.asked.action is Action.RESERVE:
                attempts[one.asked.key].append(one)
        found = [loose for some in attempts.values() if (loose := _loose(some)) is not None]
        return found if self._in_sql is None else list(self._as_it_turned_out(found, self._in_sql))

    def _as_it_turned_out(self, found: Iterable[Loose], in_sql: Iterable[Booked]) -> Iterable[Loose]:
        taken: dict[str, set[str]] = defaultdict(set)
        for booked in in_sql:
            if booked.reservation not in self.stays:
                taken[booked.entity].add(booked.slot)
        for one in found:
            if slots := one.fitting & taken[one.entity]:
                yield replace(one, fitting=slots)

    @cached_property
    def by_slot(self) -> dict[str, list[Stay]]:
        """The stays of each slot in the order in which they may have begun."""
        found: dict[str, list[Stay]] = defaultdict(list)
        for stay in sorted(self.stays.values(), key=lambda stay: stay.possible_from_s):
            found[stay.slot].append(stay)
        return found

    @cached_property
    def by_entity(self) -> dict[str, list[Stay]]:
        found: dict[str, list[Stay]] = defaultdict(list)
        for stay in self.stays.values():
            found[stay.entity].append(stay)
        return found

    @cached_property
    def by_key(self) -> dict[str, list[Stay]]:
        found: dict[str, list[Stay]] = defaultdict(list)
        for stay in self.stays.values():
            for key in stay.keys:
                found[key].append(stay)
        return found


def by_entity(loose: Iterable[Loose]) -> dict[str, list[Loose]]:
    """Those of each entity."""
    found: dict[str, list[Loose]] = defaultdict(list)
    for one in loose:
        found[one.entity].append(one)
    return found


def _stay(
    reservation: str, reserves: list[Operation], endings: list[Operation], first_call: dict[str, float]
) -> Stay:
    may_have_ended = [one for one in endings if one.answer.outcome is not Outcome.REFUSED]
    ended = [one for one in endings if one.answer.outcome is Outcome.OK]
    return Stay(
        reservation=reservation,
        slot=reserves[0].answer.slot,
        entity=reserves[0].asked.entity,
        keys=frozenset(one.asked.key for one in reserves),
        possible_from_s=min(first_call[one.asked.key] for one in reserves),
        certain_from_s=min(one.answered_s for one in reserves),
        certain_until_s=min((one.called_s for one in may_have_ended), default=NEVER),
        possible_until_s=min((one.answered_s for one in ended), default=NEVER),
        asked_to_end=bool(may_have_ended),
        ended=bool(ended),
    )


def _loose(attempts: Sequence[Operation]) -> Loose | None:
    """What the attempts of one reserve leave open; ``None`` where they leave nothing."""
    unknown = [one for one in attempts if one.answer.outcome is Outcome.UNKNOWN]
    if not unknown or any(one.answer.outcome is Outcome.OK for one in attempts):
        return None
    last_known_nothing_s = max(one.answered_s for one in unknown)
    refused = [one for one in attempts if one.answer.outcome is Outcome.REFUSED]
    return Loose(
        key=attempts[0].asked.key,
        entity=attempts[0].asked.entity,
        fitting=attempts[0].asked.fitting,
        called_s=min(one.called_s for one in unknown),
        refused_later=any(one.called_s >= last_known_nothing_s for one in refused),
    )
