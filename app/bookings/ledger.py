"""SQL as bookings write into it: each transaction also clears away what earlier ones have left behind."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records
from app.core.db import Database

Left = TypeVar("Left")


@dataclass
class Ledger:
    """``applied``: outbox rows that Redis has seen. ``answered``: batches whose commit was answered."""

    database: Database
    signing_key: bytes
    applied: deque[int] = field(default_factory=deque)
    answered: deque[str] = field(default_factory=deque)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One unit of work, which first deletes the outbox rows that Redis has seen."""
        done = drained(self.applied)
        try:
            async with self.database.unit_of_work() as connection:
                await records.delete_outbox(connection, done)
                yield connection
        except BaseException:
            self.applied.extend(done)
            raise


def drained(store: deque[Left]) -> list[Left]:
    """All that is in it; it is empty afterwards."""
    return [store.popleft() for _ in range(len(store))]
