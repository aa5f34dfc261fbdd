"""What is asked for in one cell, at whichever desk: what was before, the request itself, the same again."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from app.bookings import attend
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.results import Released, Reserved
from app.bookings.unreserve import unreserve
from app.core.errors import Problem
from tests.chaos.history import Action, Answer, Asked, Outcome
from tests.chaos.steps import table
from tests.chaos.steps.table import Protocol

LOT_SLOTS = 4
# Of a slot that was new, and is taken.
SEEN_VERSION = 2
# What whoever is served by a process that dies is told.
DIED = "died"
_IN_FLIGHT = ("request-in-flight", "unavailable")


@dataclass(frozen=True)
class Told:
    """What a client was told. ``fee``: amount in minor units and the instant that was billed to."""

    answer: Answer
    fee: tuple[int, str] | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> "Told":
        answer = Answer(**{**told["answer"], "outcome": Outcome(told["answer"]["outcome"])})
        return cls(answer, None if told["fee"] is None else tuple(told["fee"]))


@dataclass(frozen=True)
class Case:
    """One cell's own lot. ``first`` is there before; in some protocols ``second`` comes, in the others
    ``first`` again; ``third`` is whom the process serves next.
    """

    protocol: Protocol
    number: int

    @property
    def lot(self) -> str:
        return f"lot{self.number}"

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(f"{self.lot}-A{number + 1}" for number in range(LOT_SLOTS))

    @property
    def slot_ids(self) -> dict[str, int]:
        """By identifier."""
        return {slot: LOT_SLOTS * self.number + index + 1 for index, slot in enumerate(self.slots)}

    @property
    def first(self) -> str:
        return f"FIRST {self.number}"

    @property
    def second(self) -> str:
        return f"SECOND {self.number}"

    @property
    def third(self) -> str:
        return f"THIRD {self.number}"

    @property
    def entity(self) -> str:
        """Who asks."""
        is_first = self.protocol in (table.RESERVE_AGAIN, table.UNRESERVE, table.CHECK_IN)
        return self.first if is_first else self.second

    @property
    def before(self) -> Asked:
        return Asked(0, Action.RESERVE, "first", self.first, frozenset(self.slots))

    @property
    def next(self) -> Asked:
        return Asked(2, Action.RESERVE, "third", self.third, frozenset(self.slots))

    def asked(self, before: Told) -> Asked:
        """The request of this cell, as the history knows it."""
        if self.protocol is table.RESERVE_AGAIN:
            return self.before
        if self.protocol is table.UNRESERVE:
            held = before.answer
            return Asked(1, Action.UNRESERVE, "second", self.first, frozenset({held.slot}), held.reservation)
        named = self.protocol is table.RESERVE_NAMED
        fitting = frozenset({self.slots[2]}) if named else frozenset(self.slots)
        return Asked(1, Action.RESERVE, "second", self.second, fitting)


async def ask_before(desk: Desk, case: Case) -> Told:
    """``first`` reserves."""
    return await _told(lambda: reserve(desk, _reserve(case, case.first, "first")))


async def ask_next(desk: Desk, case: Case) -> Told:
    """``third`` reserves."""
    return await _told(lambda: reserve(desk, _reserve(case, case.third, "third")))


async def ask(desk: Desk, case: Case, before: Told, *, with_key: bool = True) -> Told:
    """The request of a cell, after ``before``; each time it is the same."""
    key = "second" if with_key else None
    if case.protocol is table.UNRESERVE:
        asked = UnreserveRequest(case.first, before.answer.slot, idempotency=_key(case, key))
        return await _told(lambda: unreserve(desk, asked))
    if case.protocol is table.CHECK_IN:
        slot_id = case.slot_ids[before.answer.slot]
        return await _told(lambda: attend.check_in(desk, slot_id, SEEN_VERSION, _key(case, key)))
    if case.protocol is table.RESERVE_AGAIN:
        again = _reserve(case, case.first, "first" if with_key else None)
        return await _told(lambda: reserve(desk, again))
    return await _told(lambda: reserve(desk, _reserve(case, case.second, key)))


def _reserve(case: Case, entity: str, key: str | None) -> ReserveRequest:
    named = case.protocol is table.RESERVE_NAMED and entity == case.second
    place = {"slot": case.slots[2]} if named else {"lot": case.lot}
    return ReserveRequest(entity, **place, idempotency=_key(case, key))


def _key(case: Case, key: str | None) -> IdempotencyKey | None:
    return None if key is None else IdempotencyKey(case.lot, key, key)


async def _told(ask: Callable[[], Awaitable[Reserved | Released | None]]) -> Told:
    try:
        done = await ask()
    except Problem as problem:
        known = problem.status < 500 and problem.type not in _IN_FLIGHT
        outcome = Outcome.REFUSED if known else Outcome.UNKNOWN
        return Told(Answer(outcome, problem.type, problem.extra.get("slot", "")))
    except Exception as error:
        return Told(Answer(Outcome.UNKNOWN, repr(error)))
    if done is None:
        return Told(Answer(Outcome.OK))
    answer = Answer(Outcome.OK, "", done.slot, done.reservation)
    if isinstance(done, Reserved):
        return Told(answer)
    return Told(answer, (done.fee.amount_minor, done.ended_at.isoformat()))
