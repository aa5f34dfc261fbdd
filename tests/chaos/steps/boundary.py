"""Where a process ends and SQL and Redis begin: here a fault strikes, once, after its step has armed it.

What SQL refuses it refuses itself; what is cut or lost is cut or lost on the wire, and, since there is none
to SQLite, at the door of its driver.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiosqlite
from sqlalchemy import Connection, Engine, event
from sqlalchemy.util import await_only

from tests.chaos.steps.faults import Fault
from tests.chaos.steps.wires import Mishap, Wire

# A row of it that names another one that is not there is refused, and not before the commit.
REFUSING_TABLE = (
    "CREATE TABLE refusing (id INTEGER PRIMARY KEY,"
    " other INTEGER REFERENCES refusing (id) DEFERRABLE INITIALLY DEFERRED)"
)
_REFUSED_AT_COMMIT = "INSERT INTO refusing (id, other) VALUES (1, 2)"
_REFUSED_AT_ONCE = "INSERT INTO status_outbox (lot_id) VALUES (NULL)"
_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
_MISHAPS = {
    Fault.SQL_CUT: Mishap.CUT,
    Fault.SQL_REPLY_LOST: Mishap.REPLY_LOST,
    Fault.REDIS_SILENT: Mishap.SILENT,
    Fault.REDIS_REPLY_LOST: Mishap.REPLY_LOST,
}


@dataclass(frozen=True)
class Ways:
    """The wires of one process. ``sql``: ``None`` to SQLite."""

    redis: Wire
    sql: Wire | None


@dataclass
class Disturbance:
    """One fault, and whether it has struck."""

    fault: Fault
    ways: Ways
    is_armed: bool = False
    _struck: bool = False

    @property
    def struck(self) -> bool:
        if self.fault.hits_redis:
            return self.is_armed and self.ways.redis.struck
        return self._struck

    def arm(self) -> None:
        """From now on it strikes as soon as it can."""
        self.is_armed = True
        if self.fault.hits_redis:
            self.ways.redis.next(_MISHAPS[self.fault])

    def take(self) -> bool:
        """Whether it is the turn of this one to disturb SQL; asked once it is."""
        if self.fault.hits_redis or not self.is_armed or self._struck:
            return False
        self._struck = True
        return True


_present: ContextVar[Sequence[Disturbance]] = ContextVar("present", default=())
# What the driver of SQLite is to do to its next call.
_at_the_door: ContextVar[list[Mishap] | None] = ContextVar("at_the_door", default=None)


@contextmanager
def disturbed_by(disturbances: Sequence[Disturbance]) -> Iterator[None]:
    """The block, and every task that is begun in it, meets these faults."""
    tokens = _present.set(disturbances), _at_the_door.set([])
    try:
        yield
    finally:
        _present.reset(tokens[0])
        _at_the_door.reset(tokens[1])


@contextmanager
def listening(heard: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Faults can strike while the block lasts. ``heard`` is called for each statement and commit."""

    def statement(connection: Connection, cursor: Any, text: str, *more: Any) -> None:
        heard()
        for one in _present.get():
            if one.take():
                _disturb(one, connection, lambda: _refuse(connection, text))

    def commit(connection: Connection) -> None:
        heard()
        for one in _present.get():
            if one.take():
                _disturb(one, connection, lambda: connection.exec_driver_sql(_REFUSED_AT_COMMIT))

    door = aiosqlite.Connection._execute
    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    aiosqlite.Connection._execute = _through_the_door(door)
    try:
        yield
    finally:
        aiosqlite.Connection._execute = door
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


def _disturb(one: Disturbance, connection: Connection, refuse: Callable[[], Any]) -> None:
    if one.fault is Fault.SQL_REFUSES:
        refuse()
    elif one.ways.sql is not None:
        one.ways.sql.next(_MISHAPS[one.fault])
    else:
        door = _at_the_door.get()
        assert door is not None
        door.append(_MISHAPS[one.fault])


def _refuse(connection: Connection, text: str) -> None:
    """What writes breaks a constraint; what reads takes too long."""
    if text.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
        connection.exec_driver_sql(_REFUSED_AT_ONCE)
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 1")
        connection.exec_driver_sql("SELECT pg_sleep(10)")
    else:
        driver = connection.connection.driver_connection
        assert driver is not None
        await_only(driver.set_progress_handler(lambda: 1, 1))
        try:
            connection.exec_driver_sql(_ENDLESS)
        finally:
            await_only(driver.set_progress_handler(None, 0))


def _through_the_door(original: Callable[..., Any]) -> Callable[..., Any]:
    async def execute(
        driver: aiosqlite.Connection, function: Callable[..., Any], *given: Any, **named: Any
    ) -> Any:
        door = _at_the_door.get()
        if not door or function.__name__ not in ("execute", "executemany", "commit"):
            return await original(driver, function, *given, **named)
        mishap = door.pop()
        if mishap is Mishap.REPLY_LOST:
            await original(driver, function, *given, **named)
        raise sqlite3.OperationalError("disk I/O error")

    return execute
