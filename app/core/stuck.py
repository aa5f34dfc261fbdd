"""SQLite connections that were given up while their threads are stuck in a locked file."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from sqlalchemy.ext.asyncio import AsyncEngine

ENDS_WITHIN_S = 12.0


class StuckThreads:
    """Lets go of them at once, and waits for them at the end.

    The driver would wait ten seconds to close a connection whose thread waits for a lock, and whoever gave
    the reading up would wait with it.
    """

    def __init__(self) -> None:
        self._ends: set[asyncio.Future[Any]] = set()
        self._given_up: WeakSet[Any] = WeakSet()

    def let_go_of(self, engine: AsyncEngine) -> None:
        """From now on connections of this engine that are given up close by themselves."""
        dialect: Any = engine.sync_engine.dialect
        dialect.do_terminate = self._let_go

    @contextmanager
    def unless_given_up(self, connection: Any) -> Iterator[None]:
        """Around the first words on a new connection: a pool forgets one that it never had."""
        try:
            yield
        except BaseException:
            self._let_go(connection)
            raise

    async def ended(self) -> None:
        """Returns when all have ended, or when that takes too long."""
        if self._ends:
            await asyncio.wait(self._ends, timeout=ENDS_WITHIN_S)

    def _let_go(self, connection: Any) -> None:
        driver = connection.driver_connection
        if driver in self._given_up:
            # Its thread has been told to end, and would not answer a second time.
            return
        self._given_up.add(driver)
        end: asyncio.Future[Any] | None = driver.stop()
        if end is not None:
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)
