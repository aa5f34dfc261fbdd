"""All that SQL ever committed about each slot, and whether it is a life that slots and bookings may have.

Clients know little of what a server ends by itself. So triggers in PostgreSQL write down each change with the
transaction's own instant of commit, and what clients were told is held against that.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from app.bookings.models import Ending
from app.slots.models import State
from tests.chaos.checker import Violation
from tests.chaos.history import NEVER, Action, Operation, Outcome

# Between its instant of commit and the moment from which others see it a transaction may wait for the disk.
SEEN_AFTER_S = 0.25
# The instants are of one machine's clock, told by different processes.
SLACK_S = 0.01
BOOKED = (State.RESERVED, State.OCCUPIED)


@dataclass(frozen=True)
class Step:
    """A slot from one version to the next. ``at_s``: its commit; ``owner``: a booking or a hold."""

    slot: str
    version: int
    state: State
    owner: str | None
    at_s: float


@dataclass(frozen=True)
class Kept:
    """What a hold promised."""

    hold: str
    browser: str
    until_s: float


@dataclass(frozen=True)
class Begun:
    """A booking as it was made. ``arrive_by_s``: until then nothing but its driver may end it."""

    reservation: str
    entity: str
    arrive_by_s: float | None
    ending: Ending | None = None


@dataclass(frozen=True)
class Visit:
    """What a browser did with what was held for it: confirmed it for ``entity``, or let it go (``""``).

    ``reservation`` is that of the confirmed one, or ``""`` where it was refused.
    """

    hold: str
    browser: str
    entity: str
    called_s: float
    answered_s: float
    reservation: str = ""


@dataclass(frozen=True)
class Left:
    """Somebody asked for this booking to end."""

    reservation: str
    called_s: float


@dataclass(frozen=True)
class Told:
    """Everything that is known. ``shut_s``: from when to when the lot may have been closed."""

    steps: Sequence[Step]
    kept: Sequence[Kept]
    begun: Sequence[Begun]
    operations: Sequence[Operation]
    visits: Sequence[Visit] = ()
    left: Sequence[Left] = ()
    shut_s: Sequence[tuple[float, float]] = ()

    @cached_property
    def by_slot(self) -> Mapping[str, Sequence[Step]]:
        """The steps of each slot in the order of their versions."""
        found: dict[str, list[Step]] = defaultdict(list)
        for step in sorted(self.steps, key=lambda step: step.version):
            found[step.slot].append(step)
        return found

    @cached_property
    def bookings(self) -> Mapping[str, Begun]:
        return {one.reservation: one for one in self.begun}

    @cached_property
    def holds(self) -> Mapping[str, Kept]:
        return {one.hold: one for one in self.kept}

    @cached_property
    def spans(self) -> Mapping[str, Sequence["Span"]]:
        """Where each booking stood, and when, in order."""
        found: dict[str, list[Span]] = defaultdict(list)
        for slot, steps in self.by_slot.items():
            ends = [*(step.at_s for step in steps[1:]), NEVER]
            for step, end_s in zip(steps, ends, strict=True):
                if step.state not in BOOKED or step.owner is None:
                    continue
                spans = found[step.owner]
                if spans and spans[-1].slot == slot and spans[-1].end_s == step.at_s:
                    spans[-1] = Span(slot, spans[-1].start_s, end_s, step.state)
                else:
                    spans.append(Span(slot, step.at_s, end_s, step.state))
        return {owner: sorted(spans, key=lambda span: span.start_s) for owner, spans in found.items()}


@dataclass(frozen=True)
class Span:
    """A booking on a slot; ``last`` is the state in which it left it."""

    slot: str
    start_s: float
    end_s: float
    last: State


def check_lives(told: Told) -> list[Violation]:
    """What may not have happened; nothing, where all is well."""
    return [
        *_steps(told),
        *_spans(told),
        *_ends(told),
        *_acknowledged(told),
        *_visits(told),
        *_false_full(told),
    ]


def _steps(told: Told) -> Iterable[Violation]:
    """Each version comes once, and follows from the one before it."""
    confirmed = {(one.hold, one.entity) for one in told.visits if one.entity}
    let_go = _first_called((one.hold, one.called_s) for one in told.visits if not one.entity)
    for steps in told.by_slot.values():
        for step in steps:
            if (step.owner is None) != (step.state in (State.FREE, State.CLOSED)):
                yield Violation("SQL contradicts itself", f"{step}")
        for before, after in pairwise(steps):
            if after.version != before.version + 1:
                yield Violation("lost step", f"{before} and then {after}")
            if after.state in BOOKED and after.owner != before.owner:
                if before.state in BOOKED:
                    yield Violation("double booking", f"{before} and then {after}")
                elif before.state is State.CLOSED:
                    yield Violation("closed slot booked", f"{after}")
                elif before.state is State.HELD:
                    booking = told.bookings.get(after.owner or "")
                    if booking is None or (before.owner, booking.entity) not in confirmed:
                        yield Violation("lost hold", f"{before} and then {after}: {booking}")
            elif before.state is State.HELD and after.owner != before.owner:
                kept = told.holds.get(before.owner or "")
                if kept is None:
                    yield Violation("SQL contradicts itself", f"{before}: no such hold")
                elif after.at_s < min(kept.until_s, let_go.get(kept.hold, NEVER)) - SLACK_S:
                    yield Violation("lost hold", f"{before} ended before {kept.until_s:.3f}: {after}")


def _spans(told: Told) -> Iterable[Violation]:
    """A booking stands on one slot at a time, and no entity has two."""
    by_entity: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for reservation, spans in told.spans.items():
        for one, other in pairwise(spans):
            if other.start_s != one.end_s:
                yield Violation("SQL contradicts itself", f"{reservation}: {one} and then {other}")
        if (booking := told.bookings.get(reservation)) is None:
            yield Violation("SQL contradicts itself", f"no booking {reservation}: {spans[0]}")
        else:
            by_entity[booking.entity].append((spans[0].start_s, spans[-1].end_s, reservation))
    for entity, stays in by_entity.items():
        for first, second in pairwise(sorted(stays)):
            if second[0] < first[1]:
                yield Violation("entity booked twice", f"{entity}: {first[2]} and {second[2]}")


def _ends(told: Told) -> Iterable[Violation]:
    """A booking ends because somebody asked for it, or because nobody came in time."""
    asked = _first_called(
        [
            *((one.reservation, one.called_s) for one in told.left),
            *(
                (one.asked.reservation, one.called_s)
                for one in told.operations
                if one.asked.action is Action.UNRESERVE
            ),
        ]
    )
    for reservation, spans in told.spans.items():
        last, booking = spans[-1], told.bookings.get(reservation)
        if last.end_s == NEVER or booking is None:
            continue
        if booking.ending is Ending.NO_SHOW:
            if booking.arrive_by_s is None or last.end_s < booking.arrive_by_s - SLACK_S:
                yield Violation("ended early", f"{booking}: {last}")
            elif last.last is State.OCCUPIED:
                yield Violation("ended early", f"{booking} had arrived: {last}")
        elif booking.ending is None or asked.get(reservation, NEVER) > last.end_s + SLACK_S:
            yield Violation("lost booking", f"{booking}: {last}, and nobody asked for it")


def _acknowledged(told: Told) -> Iterable[Violation]:
    """What a client was told of had happened when it was told."""
    for one in told.operations:
        if one.answer.outcome is not Outcome.OK:
            continue
        name = one.asked.reservation if one.asked.action is Action.UNRESERVE else one.answer.reservation
        spans, booking = told.spans.get(name, ()), told.bookings.get(name)
        if not spans or booking is None or spans[0].start_s > one.answered_s + SLACK_S:
            yield Violation("lost booking", f"{one.answer} of {one.asked.entity} at {one.answered_s:.3f}")
        elif one.asked.action is Action.UNRESERVE:
            if spans[-1].end_s > one.answered_s + SLACK_S:
                yield Violation("not ended", f"{booking}: {spans[-1]}")
        elif booking.entity != one.asked.entity:
            yield Violation("another's booking", f"{one.asked.entity} was told of {booking}")
        elif one.answer.slot not in {span.slot for span in spans}:
            yield Violation("wrong slot", f"{one.answer.slot} for {booking}: {spans}")
        elif spans[0].slot not in one.asked.fitting:
            yield Violation("wrong slot", f"{spans[0].slot} was not asked for: {booking}")


def _visits(told: Told) -> Iterable[Violation]:
    """Who confirms in time what is held has it."""
    for one in told.visits:
        if not one.entity:
            continue
        if not one.reservation:
            kept = told.holds.get(one.hold)
            if kept is not None and one.answered_s < kept.until_s - SLACK_S:
                yield Violation("lost hold", f"{one} was refused, and {kept}")
        elif one.reservation not in told.spans:
            yield Violation("lost booking", f"{one}")


def _false_full(told: Told) -> Iterable[Violation]:
    """Where nothing was to be had, there was an instant at which nothing that fits was free."""
    counts: dict[frozenset[str], _Counts] = {}
    for one in told.operations:
        if one.answer.refusal not in ("all-taken", "slot-taken"):
            continue
        fitting = one.asked.fitting
        if fitting not in counts:
            counts[fitting] = _Counts.of(told, fitting)
        if counts[fitting].least(one.called_s - SLACK_S, one.answered_s + SLACK_S) == 0:
            continue
        if not any(start <= one.answered_s and one.called_s <= end for start, end in told.shut_s):
            yield Violation(f"false {one.answer.refusal}", f"{one.asked.entity}: {one.answer}")


@dataclass
class _Counts:
    """How many slots were certainly free from each instant on."""

    instants_s: list[float] = field(default_factory=lambda: [-NEVER])
    free: list[int] = field(default_factory=lambda: [0])

    @classmethod
    def of(cls, told: Told, slots: frozenset[str]) -> "_Counts":
        changes: list[tuple[float, int]] = []
        for slot in slots:
            steps = told.by_slot.get(slot, ())
            ends = [*(step.at_s for step in steps[1:]), NEVER]
            for step, end_s in zip(steps, ends, strict=True):
                start_s = step.at_s + SEEN_AFTER_S
                if step.state is State.FREE and start_s < end_s:
                    changes += [(start_s, 1), (end_s, -1)]
        found = cls()
        for at_s, change in sorted(changes):
            found.instants_s.append(at_s)
            found.free.append(found.free[-1] + change)
        return found

    def least(self, from_s: float, until_s: float) -> int:
        """Of all instants from one to the other."""
        first = bisect_right(self.instants_s, from_s) - 1
        return min(self.free[first : bisect_right(self.instants_s, until_s)])


def _first_called(calls: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, called_s in calls:
        found[name] = min(called_s, found.get(name, NEVER))
    return found
