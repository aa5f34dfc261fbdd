"""Whether what came of a cell is what the protocol promises."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.slots.models import State
from tests.chaos.history import Answer, Outcome
from tests.chaos.site import Kind
from tests.chaos.steps import table
from tests.chaos.steps.requests import DIED, SEEN_VERSION
from tests.chaos.steps.trials import Trial
from tests.chaos.steps.trying import ASKED, BEFORE, NEXT
from tests.chaos.truth import Truth, violations

_UNAVAILABLE, _IN_FLIGHT = "unavailable", "request-in-flight"
_LOOKED_UP = (table.KEY_IN_FLIGHT, table.FIND_THE_LOT, table.FIND_THE_SLOT)


@dataclass(frozen=True)
class Facts:
    """What SQL has of one lot in the end. ``fees``: of ended bookings, as they were told. ``arrived``: which
    running ones have."""

    truth: Truth
    fees: dict[str, tuple[int, str]]
    arrived: frozenset[str]


def judge(trial: Trial, facts: Facts, kind: Kind) -> list[str]:
    """Everything that is wrong, in words."""
    found = [str(violation) for violation in violations(trial.operations, facts.truth)]
    found += _at_death(trial)
    found += _told_at_once(trial, kind)
    found += _JUDGES.get(trial.cell.protocol, _reserved)(trial, facts)
    return found


def _at_death(trial: Trial) -> Iterable[str]:
    """Before the commit nothing has happened; after it everything has, and Redis hears of it."""
    seen = trial.at_death
    if seen is None:
        return
    protocol, step, fault = trial.cell.protocol, trial.cell.step, trial.cell.fault
    is_committed = protocol.is_done(protocol.committed_at, step, fault)
    if _has_happened(trial, seen.truth) is not is_committed:
        yield f"at its death SQL had {seen.truth.running} and {seen.truth.ended}"
    if seen.differences and not seen.is_noted:
        yield f"at its death nothing said that Redis lacks {seen.differences}"
    if (
        seen.differences
        and not protocol.redis_is_dead
        and (not is_committed or protocol.is_done(protocol.told_at, step, fault))
    ):
        yield f"at its death Redis had something else than SQL: {seen.differences}"


def _has_happened(trial: Trial, truth: Truth) -> bool:
    entity = trial.case.entity
    if trial.cell.protocol is table.UNRESERVE:
        return entity in {one.entity for one in truth.ended}
    if trial.cell.protocol is table.CHECK_IN:
        return State.OCCUPIED in {slot.state for slot in truth.slots}
    return entity in {one.entity for one in truth.running}


def _told_at_once(trial: Trial, kind: Kind) -> Iterable[str]:
    """What the fault is survived by without anybody asking twice."""
    first = trial.told(ASKED)[0].answer
    if trial.cell.fault.kills:
        if first.refusal != DIED:
            yield f"told {first} before it was done"
    elif first.outcome is not Outcome.OK and not _may_be_unknown(trial, first, kind):
        yield f"told {first}"
    for told in trial.told(NEXT)[:1]:
        is_sql_away = told.answer.refusal == _UNAVAILABLE and not trial.cell.fault.hits_redis
        if told.answer.outcome is not Outcome.OK and not is_sql_away:
            yield f"the next one was told {told.answer}"


def _may_be_unknown(trial: Trial, told: Answer, kind: Kind) -> bool:
    """A look-up is not tried again; SQLite, which has no connection to lose, neither; and nothing twice.

    PostgreSQL notices a moment later that a connection was cut, and keeps the key of its request until then.
    """
    if trial.cell.fault.hits_redis or told.outcome is not Outcome.UNKNOWN:
        return False
    if told.refusal == _IN_FLIGHT:
        return kind is Kind.POSTGRESQL
    if trial.cell.protocol.given is not None:
        return True
    is_once = kind is Kind.SQLITE or trial.cell.step in _LOOKED_UP
    return told.refusal == _UNAVAILABLE and is_once


def _reserved(trial: Trial, facts: Facts) -> Iterable[str]:
    told = trial.told(ASKED)[-1].answer
    if told.outcome is not Outcome.OK:
        yield f"told {told} in the end"
    running = [one for one in facts.truth.running if one.entity == trial.case.entity]
    if [(one.reservation, one.slot) for one in running] != [(told.reservation, told.slot)]:
        yield f"told {told}, SQL has {running}"
    assert trial.without_key is not None
    other = trial.without_key.answer
    if (other.refusal, other.slot) != ("entity-has-reservation", told.slot):
        yield f"without its key it was told {other}"


def _unreserved(trial: Trial, facts: Facts) -> Iterable[str]:
    held = trial.told(BEFORE)[0].answer
    if trial.told(ASKED)[-1].answer.outcome is not Outcome.OK:
        yield f"told {trial.told(ASKED)[-1].answer} in the end"
    assert trial.without_key is not None
    fees = {told.fee for told in (*trial.told(ASKED), trial.without_key) if told.fee is not None}
    if fees != {facts.fees.get(held.reservation)}:
        yield f"fees {fees}, SQL has {facts.fees}"


def _checked_in(trial: Trial, facts: Facts) -> Iterable[str]:
    held, told = trial.told(BEFORE)[0].answer, [one.answer for one in trial.told(ASKED)]
    first_known = next((one for one in told if one.outcome is not Outcome.UNKNOWN), told[-1])
    if first_known.outcome is not Outcome.OK:
        yield f"told {told}"
    slot = next(slot for slot in facts.truth.slots if slot.identifier == held.slot)
    if (slot.state, slot.version) != (State.OCCUPIED, SEEN_VERSION + 1):
        yield f"SQL has {slot}"
    if held.reservation not in facts.arrived:
        yield "nobody noted the arrival"


_JUDGES = {table.UNRESERVE: _unreserved, table.CHECK_IN: _checked_in}
