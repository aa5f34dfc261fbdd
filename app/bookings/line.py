"""Requests that wait together go together: who comes while others are served forms the next batch.

With nobody waiting a request is served at once. A batch never waits for rows that another transaction
holds: a few of those who need one wait for it beside the line, the others come again a moment later. Each
one of a batch that SQL refused is served alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from app.bookings import batches
from app.bookings.batch import InDoubt, NobodyWaits, Settled, settle
from app.bookings.jobs import Again, Done, Job, Outcome, Taking
from app.bookings.ledger import Ledger
from app.bookings.proposing import Proposals
from app.bookings.records import Moved
from app.core import metrics
from app.core.db import SqlAway, is_conflict
from app.core.errors import Unavailable
from app.core.languages import sentence
from app.slots.status import Proposal

log = structlog.get_logger()
MOST_TOGETHER = 128
LONGEST_LINE = 2_000
# Of the connections of those who write, so that batches go on beside these.
MOST_ALONE = 3
MOST_WAITING = 3
# Who finds a row held and nobody's place free tries again so soon, and then half as often each time.
BUSY_AGAIN_S = 0.02
BUSY_AGAIN_AT_MOST_S = 1.0
ATTEMPTS = 5
# A client that waits for longer has given up.
PATIENCE_S = 9.0
# SQLite lets whoever else writes try for its lock by polling: between two batches there is time for it.
BREATH_S = 0.002

Publish = Callable[[Iterable[Moved]], Awaitable[None]]


@dataclass(eq=False)
class _Place:
    """Where a job stands in line, until its outcome is known."""

    job: Job
    outcome: asyncio.Future[Outcome]
    again_after_s: float = BUSY_AGAIN_S

    def leave_with(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


class Line:
    """Those who wait at one desk."""

    def __init__(self, ledger: Ledger, proposals: Proposals, publish: Publish) -> None:
        self._ledger = ledger
        self._proposals = proposals
        self._publish = publish
        self._waiting: deque[_Place] = deque()
        self._is_serving = False
        self._resting = 0
        self._few_alone = asyncio.Semaphore(MOST_ALONE)
        self._few_waiting = asyncio.Semaphore(MOST_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, job: Job) -> Outcome:
        """Waits until a transaction has served the job, and Redis has heard of it.

        Raises Unavailable where SQL can't be reached, too many wait, or it lasts longer than ``PATIENCE_S``.
        """
        if len(self._waiting) + self._resting >= LONGEST_LINE:
            raise Unavailable(sentence("The desk"), retry_after_s=1)
        self._refuse_while_silent()
        place = _Place(job, asyncio.get_running_loop().create_future())
        self._stand_in_line(place)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await place.outcome
        except TimeoutError:
            # What has not begun is not begun any more; what has is found by its key, or by its entity.
            self._refuse_while_silent()
            raise Unavailable(sentence("The slot"), retry_after_s=1) from None

    async def ended(self) -> None:
        """Returns when everybody who waits has been served."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _refuse_while_silent(self) -> None:
        """Nobody stands behind a batch whose transaction SQL does not answer."""
        try:
            self._ledger.database.refuse_while_silent()
        except SqlAway as error:
            raise Unavailable(sentence("The database")) from error

    def _stand_in_line(self, place: _Place) -> None:
        self._waiting.append(place)
        if not self._is_serving:
            self._is_serving = True
            self._begin(self._serve())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                count = min(MOST_TOGETHER, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                # Whoever has gone away meanwhile is not served.
                await self._serve_batch([place for place in batch if not place.outcome.done()])
                if self._ledger.database.is_sqlite and self._waiting:
                    await asyncio.sleep(BREATH_S)
        finally:
            self._is_serving = False

    async def _serve_batch(self, batch: Sequence[_Place]) -> None:
        if not batch:
            return
        metrics.BATCH_SIZE.observe(len(batch))
        jobs = [place.job for place in batch]
        try:
            await self._proposals.propose(jobs)
            settled = await self._settle_together(batch)
            busy = [place for place in batch if settled.outcomes[place.job] is Again.BUSY]
            self._serve_busy(busy)
            # The next batch need not wait until Redis and the viewers know of this one.
            self._begin(self._announce([place for place in batch if place not in busy], settled))
        except InDoubt as doubt:
            # Nor until it is known what became of it.
            self._begin(self._find_out(batch, doubt))
        except SqlAway as error:
            _fail(batch, error)
        except NobodyWaits:
            self._begin(self._give_back(batch))
        except Exception as error:
            # One of them may be at fault, and each is told of its own.
            reason = "conflict" if isinstance(error, DBAPIError) and is_conflict(error) else "error"
            self._serve_alone(batch, reason)
            log.warning("bookings.batch_refused", jobs=len(jobs), error=repr(error))

    async def _settle_together(self, batch: Sequence[_Place]) -> Settled:
        try:
            return await self._settle(batch, waits=False)
        except SqlAway:
            if self._ledger.database.is_sqlite:
                # It has no connection to lose: the file is locked, and was waited for.
                raise
            # Nothing was committed, so it is safe to try again: mostly with a connection that lives.
            metrics.SQL_RETRIES.inc()
            return await self._settle(batch, waits=False)

    async def _settle(self, places: Sequence[_Place], *, waits: bool) -> Settled:
        """What a transaction that hung comes to when nobody is there any more is nothing."""

        def is_waited_for() -> bool:
            return not all(place.outcome.done() for place in places)

        jobs = [place.job for place in places]
        return await settle(self._ledger, jobs, waits=waits, is_waited_for=is_waited_for)

    async def _find_out(self, places: Sequence[_Place], doubt: InDoubt) -> None:
        """Answers what took place; what did not, and now never will, is done again."""
        was_committed = await batches.was_committed(self._ledger.database, doubt.batch_id)
        if was_committed is None:
            _fail(places, doubt)
        elif was_committed:
            await self._announce(places, doubt.settled)
        else:
            self._serve_alone(places, "abandoned")

    def _serve_busy(self, places: Sequence[_Place]) -> None:
        for place in places:
            self._begin(self._wait_for_row(place))

    async def _wait_for_row(self, place: _Place) -> None:
        """However long a row is held, those who wait for it leave room for who needs another one."""
        if not self._few_waiting.locked():
            metrics.SERVED_ALONE.labels("busy").inc()
            async with self._few_waiting:
                await self._serve_one(place, waits=True)
            return
        self._resting += 1
        try:
            await asyncio.sleep(place.again_after_s)
        finally:
            self._resting -= 1
        place.again_after_s = min(2 * place.again_after_s, BUSY_AGAIN_AT_MOST_S)
        if not place.outcome.done():
            self._stand_in_line(place)

    def _serve_alone(self, places: Sequence[_Place], reason: str) -> None:
        for place in places:
            metrics.SERVED_ALONE.labels(reason).inc()
            self._begin(self._serve_in_turn(place))

    async def _serve_in_turn(self, place: _Place) -> None:
        async with self._few_alone:
            await self._serve_one(place, waits=False)

    async def _serve_one(self, place: _Place, *, waits: bool) -> None:
        if place.outcome.done():
            return
        try:
            settled = await self._settle_one(place, waits=waits)
        except InDoubt as doubt:
            self._begin(self._find_out([place], doubt))
        except SqlAway as error:
            _fail([place], error)
        except NobodyWaits:
            await self._give_back([place])
        except Exception as error:
            place.fail(error)
        else:
            if settled.outcomes[place.job] is Again.BUSY and not waits:
                self._serve_busy([place])
            else:
                await self._announce([place], settled)

    async def _settle_one(self, place: _Place, *, waits: bool) -> Settled:
        for attempt in range(ATTEMPTS):
            if place.outcome.done():
                break
            try:
                return await self._settle([place], waits=waits)
            except DBAPIError as error:
                if not is_conflict(error):
                    raise
                metrics.SQL_RETRIES.inc()
                await asyncio.sleep(0.005 * 2**attempt)
        raise Unavailable(sentence("The slot"), retry_after_s=1)

    async def _give_back(self, places: Sequence[_Place]) -> None:
        """What was proposed to those who have gone is offered to others at once."""
        log.info("bookings.nobody_waits", jobs=len(places))
        takings = [place.job for place in places if isinstance(place.job, Taking)]
        await self._proposals.release([(taking, taking.proposals) for taking in takings])

    async def _announce(self, places: Sequence[_Place], settled: Settled) -> None:
        """Redis and the viewers hear of it, then everybody is answered."""
        try:
            await self._publish([*settled.changes, *settled.corrections])
            await self._proposals.release(_not_needed(places, settled))
        except Exception:
            # It is committed, and the outbox holds what Redis has to hear: the answer is what it is.
            log.exception("bookings.announce_failed")
        for place in places:
            place.leave_with(settled.outcomes[place.job])


def _not_needed(places: Sequence[_Place], settled: Settled) -> list[tuple[Taking, list[Proposal]]]:
    """What was proposed to those who are answered, but for the slots that they got."""
    return [
        (place.job, _without_use(place.job, settled.outcomes[place.job]))
        for place in places
        if isinstance(place.job, Taking)
    ]


def _without_use(taking: Taking, outcome: Outcome) -> list[Proposal]:
    if outcome is Again.LOST:
        return []
    took = isinstance(outcome, Done) and outcome.fresh
    return taking.lost_proposals if took else taking.proposals


def _fail(places: Sequence[_Place], error: Exception) -> None:
    for place in places:
        refusal = Unavailable(sentence("The database"))
        refusal.__cause__ = error
        place.fail(refusal)
    log.warning("bookings.refused", error=repr(error), waiting=len(places))
