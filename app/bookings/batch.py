"""One transaction for all requests that go together, with an outcome for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.bookings import (
    answers,
    batches,
    endings,
    holdings,
    movings,
    problems,
    records,
    relocations,
    stays,
    takings,
    works,
)
from app.bookings.jobs import (
    Again,
    Arriving,
    Done,
    Ending,
    Extending,
    Following,
    Holding,
    Job,
    Joining,
    LettingGo,
    LotWorking,
    Moving,
    Offering,
    Outcome,
    Relocating,
    Taking,
    Working,
)
from app.bookings.ledger import Ledger, drained
from app.bookings.records import Moved
from app.bookings.results import Relocated, Worked
from app.bookings.round import Round
from app.core.db import CommitUnknown
from app.core.ids import new_id

_ACTIONS: dict[type[Job], str] = {
    Taking: "reserve",
    Ending: "unreserve",
    Moving: "attend",
    Extending: "extend",
    Arriving: "check-in",
    Working: "attend",
    LotWorking: "attend",
    Relocating: "attend",
}


@dataclass(frozen=True)
class Settled:
    """What a transaction came to. ``changes`` and ``corrections`` are for Redis."""

    outcomes: dict[Job, Outcome]
    changes: list[Moved]
    corrections: list[Moved]


class NobodyWaits(Exception):
    """Whoever asked has been told that it could not be done, or has gone: nothing was committed."""


class InDoubt(Exception):
    """The commit of a batch was not answered: either all of ``settled`` took place or nothing."""

    def __init__(self, batch_id: str, settled: Settled) -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id
        self.settled = settled


async def settle(
    ledger: Ledger, jobs: Sequence[Job], *, waits: bool, is_waited_for: Callable[[], bool] = lambda: True
) -> Settled:
    """Commits what can be committed of these jobs. Each gets an outcome; what it says has happened.

    ``is_waited_for`` is asked last. Raises SqlAway where nothing of it was committed, NobodyWaits, InDoubt,
    and what SQL says of a statement.
    """
    batch_id = new_id()
    applied, answered = drained(ledger.applied), drained(ledger.answered)
    try:
        async with ledger.database.unit_of_work() as connection:
            now = await ledger.database.now(connection)
            round_ = Round(connection, now, ledger.signing_key, waits)
            await _work(round_, jobs)
            if round_.writes:
                await records.delete_outbox(connection, applied)
                await batches.note(connection, batch_id, now, answered)
            if not is_waited_for():
                raise NobodyWaits
        if round_.writes:
            applied, answered = [], [batch_id]
    except CommitUnknown as error:
        raise InDoubt(batch_id, _settled(round_)) from error
    finally:
        # What was not deleted is left for the next transaction.
        ledger.applied.extend(applied)
        ledger.answered.extend(answered)
    return _settled(round_)


def _settled(round_: Round) -> Settled:
    return Settled(round_.outcomes, round_.changes, round_.corrections)


async def _work(round_: Round, jobs: Sequence[Job]) -> None:
    fresh = await _without_answer(round_, jobs)
    # What follows sees whether its lot is open.
    await works.work_on_lots(round_, [job for job in fresh if isinstance(job, LotWorking)])
    # What is given back may be taken by who waits beside it.
    await endings.end(round_, [job for job in fresh if isinstance(job, Ending)])
    await movings.move(round_, [job for job in fresh if isinstance(job, Moving)])
    await stays.extend(round_, [job for job in fresh if isinstance(job, Extending)])
    await stays.arrive(round_, [job for job in fresh if isinstance(job, Arriving)])
    await works.work(round_, [job for job in fresh if isinstance(job, Working)])
    await works.follow(round_, [job for job in fresh if isinstance(job, Following)])
    await relocations.relocate(round_, [job for job in fresh if isinstance(job, Relocating)])
    await holdings.let_go(round_, [job for job in fresh if isinstance(job, LettingGo)])
    await holdings.offer(round_, [job for job in fresh if isinstance(job, Offering)])
    await holdings.join(round_, [job for job in fresh if isinstance(job, Joining)])
    await takings.take(round_, [job for job in fresh if isinstance(job, Taking)])
    await holdings.hold(round_, [job for job in fresh if isinstance(job, Holding)])
    kept = [(_ACTIONS[type(job)], key, answer) for job, key, answer in round_.answers]
    await answers.keep(round_.connection, kept, round_.now)


async def _without_answer(round_: Round, jobs: Sequence[Job]) -> list[Job]:
    """The jobs that have to be done; the others have an outcome: their answer is kept, or under way."""
    by_name: dict[answers.Name, Job] = {}
    for job in jobs:
        if job.key is None:
            continue
        name = answers.name_of(_ACTIONS[type(job)], job.key)
        if name in by_name:
            round_.outcomes[job] = Again.IN_FLIGHT
        by_name.setdefault(name, job)
    if by_name:
        names = list(by_name)
        mine = await answers.take(round_.connection, names)
        stored = await answers.stored(round_.connection, names)
        for name, job in by_name.items():
            if name in stored:
                round_.outcomes[job] = await _kept(round_, job, stored[name])
            elif name not in mine:
                round_.outcomes[job] = Again.IN_FLIGHT
    return [job for job in jobs if job not in round_.outcomes]


async def _kept(round_: Round, job: Job, row: Any) -> Outcome:
    assert job.key is not None
    if row["request_digest"] != job.key.request_digest:
        return problems.key_used_for_another_request()
    if isinstance(job, Taking):
        return Done(await takings.replay(round_, row["answer"]), fresh=False)
    if isinstance(job, Moving | LotWorking):
        return Done(None, fresh=False)
    if isinstance(job, Extending):
        return Done(await stays.replay_extension(round_, row["answer"]), fresh=False)
    if isinstance(job, Arriving):
        return Done(await stays.replay_arrival(round_, row["answer"]), fresh=False)
    if isinstance(job, Working):
        return Done(Worked(**row["answer"]), fresh=False)
    if isinstance(job, Relocating):
        return Done(Relocated(**row["answer"]), fresh=False)
    return Done(await endings.replay(round_, row["answer"]), fresh=False)
