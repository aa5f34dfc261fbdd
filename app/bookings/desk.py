"""The counter at which slots are given out and taken back, as one process has it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import problems, publishing
from app.bookings.in_flight import InFlight
from app.bookings.jobs import Again, Answer, Done, Job
from app.bookings.ledger import Ledger
from app.bookings.line import ATTEMPTS, Line
from app.bookings.proposing import Proposals
from app.bookings.records import Moved
from app.core import metrics
from app.core.clock import monotonic_s
from app.core.db import Database, SqlAway, is_conflict
from app.core.errors import Problem, Unavailable
from app.core.languages import sentence
from app.slots.lagging import Lagging
from app.slots.layout import Layouts
from app.slots.status import Status

ROUNDS_BEFORE_503 = 20
# For so long a key may be under way elsewhere, then whoever held it has lost it.
KEY_LEASE_S = 10.0
_LOOKS_AGAIN_S = 0.05


@dataclass
class Desk:
    """What a booking needs of its process."""

    database: Database
    layouts: Layouts
    status: Status
    signing_key: bytes
    ledger: Ledger = field(init=False)
    line: Line = field(init=False)
    in_flight: InFlight = field(init=False, default_factory=InFlight)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, self.signing_key)
        proposals = Proposals(self.status, self.layouts, Lagging(self.database))
        self.line = Line(self.ledger, proposals, self.publish)

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One unit of work beside the line, for what is no booking."""
        return self.ledger.transaction()

    async def publish(self, moved: Iterable[Moved]) -> None:
        """After the commit: Redis takes the new states and tells the viewers."""
        await publishing.publish(self.status, self.ledger, moved)

    async def served(self, job: Job, when_lost: Callable[[], Awaitable[None]] | None = None) -> Answer | None:
        """What a job comes to, after as many rounds as it takes; ``when_lost`` is told of each that was lost.

        Raises Problems, 503 among them.
        """
        began_s = monotonic_s()
        rounds = 0
        while rounds < ROUNDS_BEFORE_503:
            outcome = await self.line.join(job)
            if isinstance(outcome, Problem):
                raise outcome
            if isinstance(outcome, Done):
                return outcome.answer
            if outcome is Again.IN_FLIGHT:
                await self._wait_for_key(job, began_s)
            else:
                rounds += 1
                if when_lost is not None:
                    await when_lost()
        raise Unavailable(sentence("A free slot"), retry_after_s=1)

    async def ended(self) -> None:
        """Returns when everybody who waits has been served."""
        await self.line.ended()

    @staticmethod
    async def _wait_for_key(job: Job, began_s: float) -> None:
        """Another process works on the key of this job: only the key of a form is waited for."""
        assert job.key is not None
        if not job.key.waits or monotonic_s() - began_s > KEY_LEASE_S:
            raise problems.request_in_flight()
        await asyncio.sleep(_LOOKS_AGAIN_S)


async def run_again_on_conflict(work: Any) -> Any:
    """Runs a transaction, and again where SQL says that it lost to another one and wrote nothing.

    Raises Unavailable where SQL can't be reached.
    """
    for attempt in range(ATTEMPTS):
        try:
            return await work()
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            metrics.SQL_RETRIES.inc()
            await asyncio.sleep(0.005 * 2**attempt)
        except SqlAway as error:
            raise Unavailable(sentence("The database")) from error
    raise Unavailable(sentence("The database"), retry_after_s=1)
