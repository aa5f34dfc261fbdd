"""One transaction for all requests that go together, with an outcome for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from app.bookings import answers, batches, endings, movings, problems, records, takings
from app.bookings.jobs import Again, Done, Ending, Job, Moving, Outcome, Taking
from app.bookings.ledger import Ledger, drained
from app.bookings.records import Moved
from app.bookings.round import Round
from app.core.db import CommitUnknown, SqlAway
from app.core.ids import new_id

log = structlog.get_logger()
_ACTIONS = {Taking: "reserve", Ending: "unreserve"}


class OutcomeUnknown(Exception):
    """SQL took the commit and went away: whether it took place will show when it is back."""


@dataclass(frozen=True)
class Settled:
    """What a transaction came to. ``changes`` and ``corrections`` are for Redis."""

    outcomes: dict[Job, Outcome]
    changes: list[Moved]
    corrections: list[Moved]


async def settle(ledger: Ledger, jobs: Sequence[Job], *, waits: bool) -> Settled:
    """Commits what can be committed of these jobs. Each gets an outcome; what it says has happened.

    Raises SqlAway where nothing of it was committed, OutcomeUnknown, and what SQL says of a statement.
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
                applied, answered = [], []
    except CommitUnknown:
        was_committed = await batches.was_committed(ledger.database, batch_id)
        if was_committed is None:
            raise OutcomeUnknown from None
        if not was_committed:
            raise SqlAway("the connection was lost before the commit") from None
    finally:
        # What was not deleted is left for the next transaction.
        ledger.applied.extend(applied)
        ledger.answered.extend(answered)
    if round_.writes:
        ledger.answered.append(batch_id)
    return Settled(round_.outcomes, round_.changes, round_.corrections)


async def _work(round_: Round, jobs: Sequence[Job]) -> None:
    fresh = await _without_answer(round_, jobs)
    # What is given back may be taken by who waits beside it.
    await endings.end(round_, [job for job in fresh if isinstance(job, Ending)])
    await movings.move(round_, [job for job in fresh if isinstance(job, Moving)])
    await takings.take(round_, [job for job in fresh if isinstance(job, Taking)])
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
    return Done(await endings.replay(round_, row["answer"]), fresh=False)
