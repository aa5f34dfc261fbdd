"""What became of a transaction whose commit was not answered.

Each transaction leaves a row with an identifier of its own. Who missed the answer writes the same row as
abandoned: where that meets the first one's, it was committed (a commit still under way is waited for);
where it does not, the first one can never be committed any more.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.models import BookingBatch
from app.core import db, metrics
from app.core.db import Database, SqlAway

# Longer than a transaction may stand still, so nobody asks after a row that was swept.
KEPT_FOR = timedelta(hours=1)
SWEPT_AT_ONCE = 500
ASKED_FOR_S = 6.0
_PAUSE_S = 0.2
_BATCH = BookingBatch.__table__  # type: ignore[attr-defined]


async def note(connection: AsyncConnection, batch_id: str, now: datetime, known: Sequence[str]) -> None:
    """Leaves this transaction's row; those of ``known`` ones, whose end was answered, go."""
    await connection.execute(insert(_BATCH).values(id=batch_id, abandoned=False, created_at=now))
    if known:
        await connection.execute(delete(_BATCH).where(_BATCH.c.id.in_(known)))


async def was_committed(database: Database, batch_id: str) -> bool | None:
    """Whether that transaction was; false also means that it never will be. ``None`` where SQL stays away."""
    found = None
    with suppress(TimeoutError):
        async with asyncio.timeout(ASKED_FOR_S):
            while found is None:
                try:
                    found = await _ask(database, batch_id)
                except (SqlAway, DBAPIError):
                    await asyncio.sleep(_PAUSE_S)
    word = "unknown" if found is None else "committed" if found else "abandoned"
    metrics.COMMITS_ASKED_AFTER.labels(word).inc()
    return found


async def _ask(database: Database, batch_id: str) -> bool:
    async with database.unit_of_work() as connection:
        mine = {"id": batch_id, "abandoned": True, "created_at": await database.now(connection)}
        await connection.execute(db.insert(connection, BookingBatch).values(**mine).on_conflict_do_nothing())
        row = (await connection.execute(select(_BATCH.c.abandoned).where(_BATCH.c.id == batch_id))).one()
        return not row.abandoned


async def sweep(database: Database, kept_for: timedelta = KEPT_FOR) -> int:
    """Forgets rows that are older than that, some at a time; returns how many."""
    async with database.unit_of_work() as connection:
        before = await database.now(connection) - kept_for
        old = select(_BATCH.c.id).where(_BATCH.c.created_at < before).limit(SWEPT_AT_ONCE)
        ids = list((await connection.execute(old)).scalars())
        if ids:
            await connection.execute(delete(_BATCH).where(_BATCH.c.id.in_(ids)))
    return len(ids)
