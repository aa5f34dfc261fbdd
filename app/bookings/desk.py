"""What a booking needs of its process, and the last step of every change: telling Redis."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records
from app.core import metrics
from app.core.db import Database, SqlAway, is_conflict
from app.core.errors import Unavailable
from app.core.redis import REDIS_IS_GONE
from app.slots.layout import Layouts
from app.slots.status import LotKey, NotBuilt, OtherOrder, SlotChange, Status

log = structlog.get_logger()
ATTEMPTS = 5


@dataclass
class Desk:
    """The counter at which slots are given out and taken back."""

    database: Database
    layouts: Layouts
    status: Status
    signing_key: bytes
    applied: deque[int] = field(default_factory=deque)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One unit of work, which first sweeps the outbox rows that Redis has seen."""
        done = [self.applied.popleft() for _ in range(len(self.applied))]
        try:
            async with self.database.unit_of_work() as connection:
                await records.delete_outbox(connection, done)
                yield connection
        except BaseException:
            self.applied.extend(done)
            raise

    async def publish(self, moved: Iterable[records.Moved]) -> None:
        """After the commit: Redis takes the new states and tells the viewers.

        Whatever stands in the way is only noted: the outbox row stays, and the relay does it.
        """
        by_lot: dict[LotKey, list[records.Moved]] = {}
        for one in moved:
            by_lot.setdefault(LotKey(one.lot_id, one.order_version), []).append(one)
        for lot, changes in by_lot.items():
            try:
                await self._apply(lot, changes)
            except (NotBuilt, OtherOrder) as reason:
                log.info("status.apply_left_to_relay", lot=lot.lot_id, reason=type(reason).__name__)
            except REDIS_IS_GONE as error:
                metrics.REDIS_FAULTS.labels("apply").inc()
                log.warning("status.redis_gone", step="apply", lot=lot.lot_id, error=repr(error))

    async def _apply(self, lot: LotKey, changes: list[records.Moved]) -> None:
        slots = [SlotChange(one.rank, one.version, one.class_number, one.state) for one in changes]
        try:
            await self.status.apply(lot, slots)
        except NotBuilt:
            # The epoch may have changed a moment ago: once more, with the new one.
            await self.status.apply(lot, slots)
        self.applied.extend(one.outbox_id for one in changes if one.outbox_id)


async def run_again_on_conflict(work: Any) -> Any:
    """Runs a transaction, and again where SQL says that it lost to another one and wrote nothing.

    Raises Unavailable where SQL can't be reached.
    """
    for attempt in range(ATTEMPTS):
        try:
            return await work()
        except DBAPIError as error:
            if is_conflict(error) and attempt < ATTEMPTS - 1:
                metrics.SQL_RETRIES.inc()
                await asyncio.sleep(0.005 * 2**attempt)
                continue
            raise
        except SqlAway as error:
            log.error("sql.away", error=str(error))
            raise Unavailable("The database") from error
    raise AssertionError("unreachable")
