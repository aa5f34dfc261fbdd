"""Whether one true car park could have given the answers of a history.

Exact, and fast enough for hundreds of thousands of operations: for each set of slots that somebody asked for,
the instants at which a slot of it may have begun and ceased to be held are sorted once, so that the number of
those that were free for certain at an instant is found by two bisections.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.chaos.bookings import Bookings, Loose, Stay, by_entity
from tests.chaos.history import NEVER, Action, Operation, Outcome


@dataclass(frozen=True)
class Violation:
    """Something that no sequence of true answers explains."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def check(bookings: Bookings) -> list[Violation]:
    """Everything in these operations that cannot be true."""
    refusals = _Refusals(bookings)
    return [
        *_moved_bookings(bookings),
        *_mixed_up_ends(bookings),
        *_forgotten_keys(bookings),
        *_double_bookings(bookings),
        *(found for one in bookings.operations if (found := refusals.check(one)) is not None),
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


def _mixed_up_ends(bookings: Bookings) -> Iterable[Violation]:
    """An end is that of the booking that was to end, at one price however often it is told."""
    amounts: dict[str, int | None] = {}
    for one in bookings.operations:
        if one.asked.action is not Action.UNRESERVE or one.answer.outcome is not Outcome.OK:
            continue
        stay = bookings.stays.get(one.asked.reservation)
        told = one.answer.reservation, one.answer.slot
        if stay is not None and told != (stay.reservation, stay.slot):
            yield Violation("another's end", f"{one.asked.reservation} on {stay.slot} was told of {told}")
        if amounts.setdefault(one.asked.reservation, one.answer.amount_minor) != one.answer.amount_minor:
            yield Violation("two prices", f"{one.asked.reservation} of {one.asked.entity}")


def _forgotten_keys(bookings: Bookings) -> Iterable[Violation]:
    """What was answered once is never refused under the same key."""
    known_from_s: dict[str, float] = {}
    for one in bookings.operations:
        if one.answer.outcome is Outcome.OK:
            known_from_s[one.asked.key] = min(one.answered_s, known_from_s.get(one.asked.key, NEVER))
    for one in bookings.operations:
        was_known = one.called_s >= known_from_s.get(one.asked.key, NEVER)
        if was_known and one.answer.outcome is Outcome.REFUSED:
            yield Violation("forgotten key", f"{one.asked.key} of {one.asked.entity}: {one.answer.refusal}")


def _double_bookings(bookings: Bookings) -> Iterable[Violation]:
    """Two bookings that certainly ran at one instant: of one slot, or of one entity."""
    for kind, stays_of in (("double booking", bookings.by_slot), ("entity booked twice", bookings.by_entity)):
        for name, stays in stays_of.items():
            for one, other in _overlapping(stays):
                yield Violation(kind, f"{name}: {one.entity} on {one.slot}, {other.entity} on {other.slot}")


def _overlapping(stays: Iterable[Stay]) -> Iterable[tuple[Stay, Stay]]:
    """Each stay that certainly began while another one certainly ran, with that one."""
    last: Stay | None = None
    for stay in sorted(stays, key=lambda stay: stay.certain_from_s):
        if stay.certain_from_s >= stay.certain_until_s:
            continue
        if last is not None and stay.certain_from_s < last.certain_until_s:
            yield last, stay
        if last is None or stay.certain_until_s > last.certain_until_s:
            last = stay


class _Refusals:
    """Whether what was refused could be refused."""

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings
        self._held = {slot: _merged(stays) for slot, stays in bookings.by_slot.items()}
        self._loose = by_entity(bookings.loose)
        self._timelines: dict[frozenset[str], _Timeline] = {}

    def check(self, one: Operation) -> Violation | None:
        """What is wrong with this answer, if it is a refusal and wrong."""
        if one.answer.outcome is not Outcome.REFUSED:
            return None
        asked, refusal = one.asked, one.answer.refusal
        if asked.action is Action.UNRESERVE:
            # Also who asks again after the end is told of it, not that there was never anything.
            stay = self._bookings.stays.get(asked.reservation)
            was_there = stay is not None and stay.certain_from_s <= one.called_s
            if was_there or refusal != "no-such-reservation":
                return Violation("refused release", f"{asked.reservation} of {asked.entity}: {refusal}")
        elif refusal in ("all-taken", "slot-taken"):
            if not self._were_all_held(one):
                return Violation(
                    f"false {refusal}", f"{asked.entity}: one of {_named(asked.fitting)} was free"
                )
        elif refusal == "entity-has-reservation":
            if not self._held_something_else(one):
                return Violation("false entity-has-reservation", f"{asked.entity} held nothing else")
        else:
            return Violation("unexpected refusal", f"{refusal} for {asked}")
        return None

    def _were_all_held(self, one: Operation) -> bool:
        """Whether at some instant of the request each fitting slot was possibly held, and not by itself.

        The set of possible holders only grows where one begins: those instants, and the call, are all that
        have to be looked at.
        """
        slots = one.asked.fitting
        timeline = self._timelines.get(slots)
        if timeline is None:
            timeline = self._timelines[slots] = _Timeline(slots, self._held, self._bookings.loose)
        own = [stay for stay in self._bookings.by_key.get(one.asked.key, ()) if stay.slot in slots]
        instants = [*timeline.instants(one.called_s, one.answered_s), *self._begins_beside(own, one)]
        for instant in instants:
            if timeline.free_at_most(instant) > 0:
                continue
            if not own and timeline.free(instant) == 0:
                return True
            # Rare: what the request itself took does not count, and who may hold what is to be found out.
            free = [slot for slot in slots if not self._is_held(slot, instant, own)]
            holders = [
                loose.fitting
                for loose in timeline.loose
                if loose.called_s <= instant and loose.key != one.asked.key
            ]
            if _has_one_each(free, holders):
                return True
        return False

    def _begins_beside(self, own: list[Stay], one: Operation) -> Iterable[float]:
        """When stays began on the slots that the request itself took: its own hides them in the timeline."""
        for stay in own:
            for other in self._bookings.by_slot[stay.slot]:
                if one.called_s < other.possible_from_s <= one.answered_s:
                    yield other.possible_from_s

    def _is_held(self, slot: str, instant: float, own: list[Stay]) -> bool:
        if any(stay.slot == slot for stay in own):
            return any(
                stay.possible_from_s <= instant <= stay.possible_until_s
                for stay in self._bookings.by_slot[slot]
                if stay not in own
            )
        return _covers(self._held.get(slot, []), instant)

    def _held_something_else(self, one: Operation) -> bool:
        """Whether the entity possibly had the booking that the refusal names, by another request."""
        key, named = one.asked.key, one.answer.reservation
        if any(
            loose.key != key and loose.called_s <= one.answered_s
            for loose in self._loose.get(one.asked.entity, ())
        ):
            return True
        return any(
            stay.possible_from_s <= one.answered_s
            and stay.possible_until_s >= one.called_s
            and key not in stay.keys
            and named in ("", stay.reservation)
            for stay in self._bookings.by_entity.get(one.asked.entity, ())
        )


_Spans = list[tuple[float, float]]


class _Timeline:
    """How many of some slots were free for certain, at any instant."""

    def __init__(self, slots: frozenset[str], held: Mapping[str, _Spans], loose: Iterable[Loose]) -> None:
        spans = [span for slot in slots for span in held.get(slot, ())]
        self._slots = len(slots)
        self._begins = sorted(begin for begin, _ in spans)
        self._ends = sorted(end for _, end in spans)
        self.loose = sorted((one for one in loose if one.fitting & slots), key=lambda one: one.called_s)
        self._loose_calls = [one.called_s for one in self.loose]

    def instants(self, first_s: float, last_s: float) -> Iterable[float]:
        """The beginning of this time, and each instant of it at which a slot may have become held."""
        yield first_s
        for begins in (self._begins, self._loose_calls):
            yield from begins[bisect_right(begins, first_s) : bisect_right(begins, last_s)]

    def free(self, instant: float) -> int:
        """How many slots no acknowledged booking possibly held. A stay holds at both of its ends."""
        return self._slots - bisect_right(self._begins, instant) + bisect_left(self._ends, instant)

    def free_at_most(self, instant: float) -> int:
        """How many were free if every request of unknown end had taken one."""
        return self.free(instant) - bisect_right(self._loose_calls, instant)


def _merged(stays: Iterable[Stay]) -> _Spans:
    """The times at which one of the stays, in the order of their beginnings, possibly held the slot."""
    spans: _Spans = []
    for stay in stays:
        if spans and stay.possible_from_s <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stay.possible_until_s))
        else:
            spans.append((stay.possible_from_s, stay.possible_until_s))
    return spans


def _covers(spans: _Spans, instant: float) -> bool:
    at = bisect_right(spans, instant, key=lambda span: span[0]) - 1
    return at >= 0 and instant <= spans[at][1]


def _has_one_each(slots: Iterable[str], holders: list[frozenset[str]]) -> bool:
    """Whether each slot can have a holder of its own, of those whom it fits (a matching, by augmenting)."""
    slot_of: dict[int, str] = {}

    def finds_holder(slot: str, tried: set[int]) -> bool:
        for number, fitting in enumerate(holders):
            if slot not in fitting or number in tried:
                continue
            tried.add(number)
            if number not in slot_of or finds_holder(slot_of[number], tried):
                slot_of[number] = slot
                return True
        return False

    return all(finds_holder(slot, set()) for slot in slots)


def _named(slots: frozenset[str]) -> str:
    return ", ".join(sorted(slots)) if len(slots) < 6 else f"{len(slots)} slots"
