"""Threads of SQLite connections: some are stuck in a locked file when nobody wants them any more."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.clock import monotonic_s

ENDS_WITHIN_S = 12.0


class _Connection(sqlite3.Connection):
    """Closing it ends its statements.

    Otherwise one that was given up halfway keeps the connection open, and its lock on the file, until the
    garbage collector comes to the cursor.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *arguments: Any, **named: Any) -> Any:
        cursor = super().cursor(*arguments, **named)
        self._cursors.add(cursor)
        return cursor

    def close(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        super().close()


class StuckThreads:
    """Lets go of connections at once, and waits for their threads at the end.

    The driver would wait ten seconds to close a connection whose thread waits for a lock, and whoever gave
    the reading up would wait with it.
    """

    def __init__(self) -> None:
        self._threads: WeakSet[Thread] = WeakSet()

    def connect(self, *arguments: Any, **named: Any) -> aiosqlite.Connection:
        """As the driver does it; whatever becomes of the connection, its thread is known."""
        connection = aiosqlite.connect(*arguments, factory=_Connection, **named)
        thread = connection._thread
        # A process that is told to end does not wait for a lock.
        thread.daemon = True
        self._threads.add(thread)
        return connection

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
        until_s = monotonic_s() + ENDS_WITHIN_S
        for thread in [one for one in self._threads if one.is_alive()]:
            await asyncio.to_thread(thread.join, max(0.0, until_s - monotonic_s()))

    @staticmethod
    def _let_go(connection: Any) -> None:
        driver = connection.driver_connection
        inner, driver._connection = driver._connection, None
        if inner is not None:
            driver._tx.put_nowait((None, inner.close))
        # Whoever closes it once more finds it closed; a thread that has ended would never answer.
        driver.stop()
