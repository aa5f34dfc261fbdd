"""Whether what happened at once can be told as one thing after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.integration.bookings.model.calls import Answer, Call
from tests.integration.bookings.model.car_park import CarPark, Circumstances
from tests.integration.bookings.model.expectations import Unexplained


@dataclass(frozen=True)
class Event:
    """A call with its answer, and how exactly that can be foretold."""

    call: Call
    answer: Answer
    seen: Circumstances


def told_in_order(
    before: CarPark, events: Sequence[Event], is_so: Callable[[CarPark], Sequence[str]]
) -> CarPark:
    """The car park after ``events`` in some order that explains every answer.

    ``is_so`` says what differs between a car park and what is really there. Raises Unexplained where no
    order explains the answers and leads to what is there.
    """
    reasons: list[str] = []
    found = _search(before, list(events), is_so, reasons)
    if found is None:
        told = "\n".join(f"  {event.call}\n    -> {event.answer!r}" for event in events)
        raise Unexplained("\n".join([told, *dict.fromkeys(reasons)]))
    return found


def _search(
    before: CarPark,
    events: list[Event],
    is_so: Callable[[CarPark], Sequence[str]],
    reasons: list[str],
) -> CarPark | None:
    if not events:
        differences = is_so(before)
        reasons += differences
        return None if differences else before
    for index, event in enumerate(events):
        after = before.copy()
        try:
            after.take_in(event.call, event.answer, event.seen)
        except Unexplained as reason:
            reasons.append(f"{event.answer!r}: {reason}")
            continue
        found = _search(after, events[:index] + events[index + 1 :], is_so, reasons)
        if found is not None:
            return found
    return None
