"""What is asked for in one cell, at whichever desk: what happened before, the request itself, and the same again."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from app.bookings import attend
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.records import slot_by
from app.bookings.reserve import reserve
from app.bookings.results import Released, Reserved
from app.bookings.unreserve import unreserve
from app.core.errors import Problem
from tests.chaos.history import Action, Answer, Asked, Outcome
from tests.chaos.steps import table
from tests.chaos.steps.table import Protocol

LOT_SLOTS = 4
FIRST, SECOND, THIRD = "FIRST 1", "SECOND 2", "THIRD 3"
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
    """One cell's own lot. FIRST is there before; in some protocols SECOND comes, in the others FIRST again."""

    protocol: Protocol
    number: int

    @property
    def lot(self) -> str:
        return f"lot{self.number}"

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(f"{self.lot}-A{number + 1}" for number in range(LOT_SLOTS))

    @property
    def entity(self) -> str:
        """Who asks."""
        return FIRST if self.protocol in (table.RESERVE_AGAIN, table.UNRESERVE, table.CHECK_IN) else SECOND

    @property
    def before(self) -> Asked:
        return Asked(0, Action.RESERVE, "first", FIRST, frozenset(self.slots))

    def asked(self, before: Told) -> Asked:
        """The request of this cell, as the history knows it."""
        if self.protocol is table.RESERVE_AGAIN:
            return self.before
        if self.protocol is table.UNRESERVE:
            held = before.answer
            return Asked(1, Action.UNRESERVE, "second", FIRST, frozenset({held.slot}), held.reservation)
        named = self.protocol is table.RESERVE_NAMED
        fitting = frozenset({self.slots[2]}) if named else frozenset(self.slots)
        return Asked(1, Action.RESERVE, "second", SECOND, fitting)


async def ask_before(desk: Desk, case: Case) -> Told:
    """FIRST reserves."""
    return await _told(lambda: reserve(desk, _reserve(case, FIRST, "first")))


async def ask_next(desk: Desk, case: Case) -> Told:
    """THIRD reserves."""
    return await _told(lambda: reserve(desk, _reserve(case, THIRD, "third")))


@dataclass(frozen=True)
class Request:
    """The request of a cell. ``seen_version``: of the slot on the attendant's screen."""

    case: Case
    before: Told
    slot_id: int
    seen_version: int

    async def send(self, desk: Desk, *, with_key: bool = True) -> Told:
        """Sends it; each time it is the same."""
        case, key = self.case, "second" if with_key else None
        if case.protocol is table.UNRESERVE:
            asked = UnreserveRequest(FIRST, self.before.answer.slot, idempotency=_key(case, key))
            return await _told(lambda: unreserve(desk, asked))
        if case.protocol is table.CHECK_IN:
            return await _told(lambda: attend.check_in(desk, self.slot_id, self.seen_version))
        if case.protocol is table.RESERVE_AGAIN:
            again = _reserve(case, FIRST, "first" if with_key else None)
            return await _told(lambda: reserve(desk, again))
        return await _told(lambda: reserve(desk, _reserve(case, SECOND, key)))


async def request_of(desk: Desk, case: Case, before: Told) -> Request:
    """The request as it is sent after ``before``."""
    async with desk.database.look() as connection:
        slot = await slot_by(connection, identifier=before.answer.slot)
    assert slot is not None
    return Request(case, before, slot.slot_id, slot.version)


def _reserve(case: Case, entity: str, key: str | None) -> ReserveRequest:
    named = case.protocol is table.RESERVE_NAMED and entity == SECOND
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
