"""What clients asked and were answered, and whether one true car park could have answered so.

An operation has two instants of one monotonic clock: the call, before anything was sent, and the answer.
What it did happened somewhere between them. From that follows when a slot was *certainly* held (from the
answer of its reserve to the call of its unreserve) and when *possibly* (from the call of its reserve to the
answer of its unreserve). Where the answer is unknown, because a process died, the operation may have
happened then, later or never, until the same request under the same key says which.
"""

import asyncio
import itertools
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

NEVER = math.inf


class Action(StrEnum):
    RESERVE = "reserve"
    UNRESERVE = "unreserve"


class Outcome(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What a client was told. ``refusal`` is the problem's type, or why nothing is known."""

    outcome: Outcome
    refusal: str = ""
    slot: str = ""
    reservation: str = ""


@dataclass(frozen=True)
class Asked:
    """What a client asks. ``fitting``: the slots that would do. ``reservation``: the one that is to end."""

    client: int
    action: Action
    key: str
    entity: str
    fitting: frozenset[str]
    reservation: str = ""


@dataclass(frozen=True)
class Operation:
    """One attempt; attempts with one key are one request."""

    asked: Asked
    called_s: float
    answered_s: float
    answer: Answer


@dataclass(frozen=True)
class Violation:
    """Something that no sequence of true answers explains."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


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
    """A reserve of which nobody ever learnt whether it took one of these slots."""

    key: str
    entity: str
    fitting: frozenset[str]
    called_s: float


class History:
    """All operations of a run, in the order of their answers."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._awaited = NEVER
        self._reached = asyncio.Event()

    async def reaches(self, operations: int) -> None:
        """Returns when so many operations have ended."""
        self._awaited = operations
        self._reached.clear()
        self._note()
        await self._reached.wait()

    def _note(self) -> None:
        if len(self.operations) >= self._awaited:
            self._reached.set()

    async def record(self, asked: Asked, call: Awaitable[Answer]) -> Answer:
        """Awaits ``call`` and keeps what it answered; one that is cut off has an unknown outcome."""
        called_s = time.monotonic()
        answer = Answer(Outcome.UNKNOWN, "cut off")
        try:
            answer = await call
        finally:
            self.operations.append(Operation(asked, called_s, time.monotonic(), answer))
            self._note()
        return answer

    def count(self, action: Action, outcome: Outcome, refusal: str = "") -> int:
        """How many attempts ended so."""
        return sum(
            one.asked.action is action
            and one.answer.outcome is outcome
            and refusal in ("", one.answer.refusal)
            for one in self.operations
        )

    def tally(self) -> str:
        """The numbers of a run in one line."""
        kinds: dict[str, int] = defaultdict(int)
        for one in self.operations:
            kinds[f"{one.asked.action} {one.answer.refusal or one.answer.outcome}"] += 1
        counted = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
        return f"{len(self.operations)} operations ({counted})"


class Bookings:
    """The bookings that a history tells of."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = list(operations)
        self.violations: list[Violation] = []

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
        told = {one.asked.key for one in self.operations if one.answer.outcome is Outcome.OK}
        return [
            Loose(one.asked.key, one.asked.entity, one.asked.fitting, one.called_s)
            for one in self.operations
            if one.asked.action is Action.RESERVE
            and one.answer.outcome is Outcome.UNKNOWN
            and one.asked.key not in told
        ]

    @cached_property
    def by_slot(self) -> dict[str, list[Stay]]:
        found: dict[str, list[Stay]] = defaultdict(list)
        for stay in sorted(self.stays.values(), key=lambda stay: stay.possible_from_s):
            found[stay.slot].append(stay)
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


def check(operations: Iterable[Operation]) -> list[Violation]:
    """Everything in these operations that cannot be true."""
    bookings = Bookings(operations)
    return [
        *_moved_bookings(bookings),
        *_double_bookings(bookings),
        *itertools.chain.from_iterable(_false_refusals(bookings, one) for one in bookings.operations),
    ]


def _moved_bookings(bookings: Bookings) -> Iterable[Violation]:
    """One booking has one slot, and fits what was asked; one key has one booking."""
    by_key: dict[str, str] = {}
    for one in bookings.operations:
        if one.asked.action is not Action.RESERVE or one.answer.outcome is not Outcome.OK:
            continue
        if one.answer.slot != bookings.stays[one.answer.reservation].slot:
            yield Violation("moved booking", f"{one.answer.reservation} is on two slots")
        if one.answer.slot not in one.asked.fitting:
            yield Violation("wrong slot", f"{one.answer.slot} was not asked for: {one.asked}")
        if by_key.setdefault(one.asked.key, one.answer.reservation) != one.answer.reservation:
            yield Violation("booked twice", f"the key {one.asked.key} has two bookings")


def _double_bookings(bookings: Bookings) -> Iterable[Violation]:
    """Two bookings that certainly held one slot at one instant."""
    for slot, stays in bookings.by_slot.items():
        last: Stay | None = None
        for stay in sorted(stays, key=lambda stay: stay.certain_from_s):
            if stay.certain_from_s >= stay.certain_until_s:
                continue
            if last is not None and stay.certain_from_s < last.certain_until_s:
                yield Violation("double booking", f"{slot} belongs to {last.entity} and to {stay.entity}")
            if last is None or stay.certain_until_s > last.certain_until_s:
                last = stay


def _false_refusals(bookings: Bookings, one: Operation) -> Iterable[Violation]:
    if one.answer.outcome is not Outcome.REFUSED:
        return
    asked, refusal = one.asked, one.answer.refusal
    if asked.action is Action.UNRESERVE:
        stay = bookings.stays.get(asked.reservation)
        was_there = stay is not None and stay.certain_from_s <= one.called_s < stay.certain_until_s
        if was_there or refusal != "no-such-reservation":
            yield Violation("refused release", f"{asked.reservation} of {asked.entity}: {refusal}")
    elif refusal in ("all-taken", "slot-taken"):
        if not _were_all_held(bookings, one):
            yield Violation(f"false {refusal}", f"{asked.entity}: one of {_named(asked.fitting)} was free")
    elif refusal == "entity-has-reservation":
        if not _held_something(bookings, one):
            yield Violation("false entity-has-reservation", f"{asked.entity} held nothing")
    else:
        yield Violation("unexpected refusal", f"{refusal} for {asked}")


def _were_all_held(bookings: Bookings, one: Operation) -> bool:
    """Whether at some instant of the request each fitting slot was possibly held.

    Each request of unknown end may have held any one slot that fitted it. The set of possible holders only
    grows where one begins, so those instants, and the call, are all that have to be looked at.
    """
    slots = one.asked.fitting
    stays = {slot: _during(bookings.by_slot.get(slot, []), one) for slot in slots}
    loose = [
        other
        for other in bookings.loose
        if other.called_s <= one.answered_s and other.fitting & slots and other.key != one.asked.key
    ]
    begins = [stay.possible_from_s for some in stays.values() for stay in some]
    instants = [max(one.called_s, begin) for begin in begins + [other.called_s for other in loose]]
    for instant in {one.called_s, *instants}:
        free = sum(
            not any(stay.possible_from_s <= instant <= stay.possible_until_s for stay in some)
            for some in stays.values()
        )
        if free <= sum(other.called_s <= instant for other in loose):
            return True
    return False


def _during(stays: Iterable[Stay], one: Operation) -> list[Stay]:
    """The stays that possibly ran while the request did; its own booking does not count."""
    return [
        stay
        for stay in stays
        if stay.possible_from_s <= one.answered_s
        and stay.possible_until_s >= one.called_s
        and one.asked.key not in stay.keys
    ]


def _held_something(bookings: Bookings, one: Operation) -> bool:
    mine = [stay for stay in bookings.stays.values() if stay.entity == one.asked.entity]
    return any(
        stay.possible_from_s <= one.answered_s and stay.possible_until_s >= one.called_s for stay in mine
    ) or any(other.entity == one.asked.entity for other in bookings.loose)


def _named(slots: frozenset[str]) -> str:
    return ", ".join(sorted(slots)) if len(slots) < 6 else f"{len(slots)} slots"
