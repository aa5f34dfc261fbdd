"""The way into SQL: one transaction that writes, or one look that does not.

SQLite and PostgreSQL behave alike through this door. On SQLite a transaction that writes begins with
``BEGIN IMMEDIATE`` (a deferred one loses updates silently when two of them read before they write)
and waits its turn in this process first, so that nobody spins on the file's lock; looks go through a
read-only connection of their own. On PostgreSQL both are READ COMMITTED on the primary.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, TypeDecorator, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
from sqlmodel import SQLModel

from app.core.clock import Clock, SystemClock

BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 10
POOL_TIMEOUT_S = 15.0
STATEMENT_TIMEOUT_MS = 15_000
# SQLite numbers rows by itself only where the type is INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")
# SQLSTATE classes: connection, resources, operator's intervention, and a statement that took too long.
_GONE_STATES = ("08", "53", "57")


class SqlAway(Exception):
    """SQL can't be reached, or not in time. Nothing of what was asked has been committed for certain."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC. SQLite drops a zone, so a naive value is refused rather than guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class Database:
    """One SQL database, as every part of a process sees it."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self._clock = clock
        self._turn = asyncio.Lock()
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, read_only=False)
            self._reader = _sqlite_engine(url, read_only=True)
        else:
            self._writer = self._reader = _postgresql_engine(url)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: leaving commits it, an exception rolls it back. SqlAway where SQL is away."""
        with _saying_that_sql_is_away():
            if not self.is_sqlite:
                async with self._writer.begin() as connection:
                    yield connection
                return
            async with self._turn, self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only reads. SqlAway where SQL does not answer."""
        with _saying_that_sql_is_away():
            async with self._reader.connect() as connection:
                yield connection

    async def now(self, connection: AsyncConnection) -> datetime:
        """The database's own time; it alone decides what is due or expired."""
        if self._clock is not None:
            return self._clock.now()
        if self.is_sqlite:
            return SystemClock().now()
        instant: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return instant.astimezone(UTC)

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


@contextmanager
def _saying_that_sql_is_away() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
        if isinstance(error, DBAPIError) and not _is_away(error):
            raise
        raise SqlAway(str(error)) from error


def _is_away(error: DBAPIError) -> bool:
    """Drivers have many words for it; a connection that was cut while it rolls back is the strangest."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or state[:2] in _GONE_STATES
        or (not state and isinstance(error, OperationalError | InterfaceError | InternalError))
    )


def insert(connection: AsyncConnection, table: type[SQLModel]) -> Any:
    """The dialect's own INSERT, which knows ``on_conflict_do_nothing``."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table.__table__)  # type: ignore[attr-defined]


def is_conflict(error: DBAPIError) -> bool:
    """Whether a transaction lost to another one and may be run again as it is.

    Also where both made the same thing new (23505): the one that runs again finds it.
    """
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01", "23505")


def _sqlite_engine(url: str, *, read_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
        **({} if read_only else {"poolclass": StaticPool}),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: str) -> AsyncEngine:
    settings = {
        "application_name": "lotline",
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(STATEMENT_TIMEOUT_MS),
        "timezone": "UTC",
        "synchronous_commit": "on",
    }
    return create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=POOL_TIMEOUT_S,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={"server_settings": settings, "timeout": 5},
    )
