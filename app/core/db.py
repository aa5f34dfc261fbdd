"""The way into SQL: one transaction that writes, or one look that does not.

SQLite and PostgreSQL behave alike through this door. On SQLite a transaction that writes begins with
``BEGIN IMMEDIATE`` (a deferred one loses updates silently when two of them read before they write)
and waits its turn in this process first, so that nobody spins on the file's lock; looks go through a
read-only connection of their own. On PostgreSQL both are READ COMMITTED on the primary.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    FromClause,
    Integer,
    TypeDecorator,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from app.core.clock import Clock, SystemClock, monotonic_s
from app.core.pulse import GIVE_UP_S, Pulse
from app.core.stuck import StuckThreads

BUSY_TIMEOUT_MS = 5_000
# One for those who look, another one for those who write: neither keeps the other waiting.
POOL_SIZE = 8
POOL_TIMEOUT_S = 8.0
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_MS = 8_000
# A server that hangs ends no statement: then this side gives up.
ANSWER_TIMEOUT_S = 10.0
# Who waits for a row is told in time to be tried again; a process that stands still in the middle of a
# transaction keeps its rows, and the keys of its requests, for no longer than the second of these.
LOCK_TIMEOUT_MS = 2_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
# A reading may come from memory instead, and does; who writes is not turned away for a moment's silence.
WRITES_WAIT_S = 3.0
# After SQL has not answered in time, nobody waits for it again for so long.
REST_S = 1.0
Done = TypeVar("Done")
# SQLite numbers rows by itself only where the type is INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")
# SQLSTATE classes: connection, resources, operator's intervention, and a statement that took too long.
_GONE_STATES = ("08", "53", "57")
# A standby, or a primary that still recovers.
_READ_ONLY_STATE = "25006"
_LOCKED_STATE = "55P03"


class SqlAway(Exception):
    """SQL can't be reached, or not in time. Nothing of what was asked has been committed."""


class CommitUnknown(SqlAway):
    """The commit was sent, and whether it took place was not answered."""


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
        self._rests_until_s = 0.0
        # What has to be added to this process's steady clock: the database's own time, as it was told last.
        self._offset_s: float | None = None
        self._stuck = StuckThreads()
        if self.is_sqlite:
            self._writer = _sqlite_engine(url, self._stuck, read_only=False)
            self._reader = _sqlite_engine(url, self._stuck, read_only=True)
            self._asker = _sqlite_engine(url, self._stuck, read_only=True)
        else:
            self._writer = _postgresql_engine(url)
            self._reader = _postgresql_engine(url)
            self._asker = _postgresql_engine(url)
        # SQLite ends a question by itself when a lock has lasted too long.
        self.pulse = Pulse(self._ask, 2 * BUSY_TIMEOUT_MS / 1000 if self.is_sqlite else GIVE_UP_S)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: leaving commits it, an exception rolls it back.

        Raises SqlAway where SQL is away, then nothing was committed; CommitUnknown where nobody knows.
        """
        with self._saying_that_sql_is_away():
            if not self.is_sqlite:
                async with self._transaction() as connection:
                    yield connection
                return
            async with self._my_turn(), self._transaction() as connection:
                yield connection

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """One writer of this process at a time; who stands in the line waits no longer than who is first."""
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 1000):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only reads. SqlAway where SQL does not answer; at once, where the pulse knows."""
        with self._saying_that_sql_is_away(), _locked_is_away():
            async with self.pulse.reading(), self._reader.connect() as connection:
                yield connection

    def refuse_while_silent(self) -> None:
        """SqlAway where SQL has not answered for so long that nobody is to wait for it any more."""
        if self.pulse.silent_for_s > WRITES_WAIT_S:
            raise SqlAway(f"SQL has not answered for {self.pulse.silent_for_s:.1f} s")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        self.refuse_while_silent()
        async with self._writer.connect() as connection:
            transaction = await connection.begin()
            try:
                yield connection
            except BaseException as error:
                # What cut the connection has rolled it back as well; the first error is the one to tell.
                with suppress(DBAPIError, OSError, TimeoutError):
                    if self.pulse.is_felt and not isinstance(error, OSError | TimeoutError):
                        await transaction.rollback()
                    else:
                        # Nobody waits a second time for a server that does not answer.
                        await connection.invalidate()
                raise
            try:
                await transaction.commit()
            except (DBAPIError, OSError, TimeoutError) as error:
                # SQLite is still in a transaction whose commit it refused: who comes next must not be.
                with suppress(DBAPIError, OSError, TimeoutError):
                    await connection.invalidate()
                if isinstance(error, DBAPIError) and not _is_away(error):
                    raise
                if _is_full(error):
                    raise SqlAway(str(error)) from error
                raise CommitUnknown(str(error)) from error

    @contextmanager
    def _saying_that_sql_is_away(self) -> Iterator[None]:
        if monotonic_s() < self._rests_until_s:
            raise SqlAway("SQL did not answer a moment ago")
        began_s = monotonic_s()
        try:
            yield
        except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
            if isinstance(error, DBAPIError) and not _is_away(error):
                raise
            # What hung may be told only when SQL has long come back.
            if _hangs(error) and not self.pulse.has_answered_since(began_s):
                self._rests_until_s = monotonic_s() + REST_S
            raise SqlAway(str(error)) from error

    async def now(self, connection: AsyncConnection) -> datetime:
        """The database's own time; it alone decides what is due or expired."""
        if self._clock is not None:
            return self._clock.now()
        if self.is_sqlite:
            return SystemClock().now()
        asked = select(func.clock_timestamp(), func.pg_is_in_recovery())
        instant, is_standby = (await connection.execute(asked)).one()
        if is_standby:
            # What it shows may be old: decisions are the primary's.
            raise SqlAway("PostgreSQL is a standby")
        found: datetime = instant.astimezone(UTC)
        self._offset_s = found.timestamp() - monotonic_s()
        return found

    def now_while_away(self) -> datetime:
        """The database's time as far as it is known without asking: as it was told last, and what has passed.

        For what was valid until some instant and may not wait. Where nothing was told, the machine's clock.
        """
        if self._clock is not None:
            return self._clock.now()
        if self._offset_s is None:
            return SystemClock().now()
        return datetime.fromtimestamp(self._offset_s + monotonic_s(), UTC)

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()
        await self._asker.dispose()
        await self._stuck.ended()

    async def _ask(self) -> None:
        """A question that takes no time, but that a locked file leaves unanswered."""
        async with self._asker.connect() as connection:
            await connection.execute(text("SELECT 1 FROM sqlite_master" if self.is_sqlite else "SELECT 1"))


@contextmanager
def _locked_is_away() -> Iterator[None]:
    """A table that somebody has locked answers nobody who looks."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCKED_STATE:
            raise
        raise SqlAway(str(error)) from error


def _hangs(error: Exception) -> bool:
    """Whether time was lost with waiting; a server that refuses at once costs nothing to ask again."""
    return isinstance(error, TimeoutError) or isinstance(getattr(error, "orig", None), TimeoutError)


def _is_full(error: Exception) -> bool:
    """Whether SQLite found no room for what it was to commit: then nothing of it is there."""
    return getattr(getattr(error, "orig", None), "sqlite_errorname", "") == "SQLITE_FULL"


def _is_away(error: DBAPIError) -> bool:
    """Drivers have many words for it; a connection that was cut while it rolls back is the strangest."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or state[:2] in _GONE_STATES
        or state == _READ_ONLY_STATE
        or (not state and isinstance(error, OperationalError | InterfaceError | InternalError))
    )


def insert(connection: AsyncConnection, table: type[SQLModel]) -> Any:
    """The dialect's own INSERT, which knows ``on_conflict_do_nothing``."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table.__table__)  # type: ignore[attr-defined]


def given(connection: AsyncConnection, parameter: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Rows that come with the statement, as a table of these columns.

    They are bound under ``parameter`` as :func:`as_given` writes them: one statement, however many rows.
    """
    if connection.dialect.name == "postgresql":
        kinds = ", ".join(f"{name} {kind.compile(connection.dialect)}" for name, kind in columns.items())
        source = f"SELECT * FROM jsonb_to_recordset(CAST(:{parameter} AS jsonb)) AS given({kinds})"  # noqa: S608
    else:
        parts = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in columns)
        source = f"SELECT {parts} FROM json_each(:{parameter})"  # noqa: S608
    return text(source).columns(**columns).subquery("given")


def as_given(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of :func:`given`; their values are numbers, text or nothing."""
    return json.dumps([dict(row) for row in rows])


def is_conflict(error: DBAPIError) -> bool:
    """Whether a transaction lost to another one and may be run again as it is.

    Also where both made the same thing new (23505), when the one that runs again finds it; and where it
    waited too long for a row (55P03).
    """
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01", "23505", _LOCKED_STATE)


async def again_on_conflict(work: Callable[[], Awaitable[Done]]) -> Done:
    """A transaction, run once more where it lost to another one. SqlAway where it loses again."""
    try:
        return await work()
    except DBAPIError as error:
        if not is_conflict(error):
            raise
    try:
        return await work()
    except DBAPIError as error:
        if not is_conflict(error):
            raise
        raise SqlAway("somebody else keeps these rows") from error


def _sqlite_engine(url: str, stuck: StuckThreads, *, read_only: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        connect_args={
            "isolation_level": None,
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "async_creator_fn": stuck.connect,
        },
        **({} if read_only else {"poolclass": StaticPool}),
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, record: ConnectionPoolEntry) -> None:
        with stuck.unless_given_up(connection):
            cursor = connection.cursor()
            if not read_only:
                # The file says so itself, unless it was put back from one that does not.
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

    if read_only:
        stuck.let_go_of(engine)
    return engine


def _postgresql_engine(url: str) -> AsyncEngine:
    settings = {
        "application_name": "lotline",
        "statement_timeout": str(STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
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
        connect_args={
            "server_settings": settings,
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": ANSWER_TIMEOUT_S,
        },
    )
