"""Where cells are tried: SQL and Redis, and desks over them, some by wires that may be disturbed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.ledger import Ledger
from app.core.db import Database
from app.core.redis import connect
from app.settings import Settings
from app.slots.layout import Layouts
from app.slots.status import Status
from tests.chaos.site import Kind
from tests.chaos.steps.boundary import Ways
from tests.chaos.steps.wires import Wire, of_postgresql, of_redis

# Long for a server on the same machine, even a busy one; short for whoever waits.
_REDIS_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class Ground:
    """``sql_socket``: ``None`` for SQLite. ``redis_db``: which of the server's databases."""

    database_url: str
    sql_socket: str | None
    redis_socket: str
    redis_db: int = 0

    @property
    def kind(self) -> Kind:
        return Kind.SQLITE if self.sql_socket is None else Kind.POSTGRESQL

    @property
    def settings(self) -> Settings:
        """Of a process that uses no wire."""
        redis_url = f"unix://{self.redis_socket}?db={self.redis_db}"
        return Settings.from_environment({"DATABASE_URL": self.database_url, "REDIS_URL": redis_url})


@dataclass(frozen=True)
class Office:
    """A process's ways to SQL and Redis. ``redis_url`` leads over its wire."""

    ways: Ways
    database: Database
    redis_url: str
    incarnation: str
    ledger: Ledger

    @asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """One that looks everything up anew, and has heard what became of all that was done here before."""
        redis = connect(self.redis_url)
        status = Status(redis, self.incarnation, lambda: read_incarnation(self.database))
        desk = Desk(self.database, Layouts(self.database), status, self.ledger.signing_key)
        desk.ledger.applied, desk.ledger.answered = self.ledger.applied, self.ledger.answered
        try:
            yield desk
        finally:
            await desk.ended()
            await redis.aclose()


@asynccontextmanager
async def opened_office(ground: Ground, database: Database | None = None) -> AsyncIterator[Office]:
    """``database``: one to share, since SQLite lets but one connection write at a time."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Wire(Path(ground.redis_socket), of_redis).open())
        sql = None
        if ground.sql_socket is not None:
            sql = await stack.enter_async_context(Wire(Path(ground.sql_socket), of_postgresql).open())
            name = urlsplit(ground.database_url).path
            database = Database(f"postgresql+asyncpg://postgres@127.0.0.1:{sql.port}{name}")
            stack.push_async_callback(database.close)
        elif database is None:
            database = Database(ground.database_url)
            stack.push_async_callback(database.close)
        here = await installation(database)
        yield Office(
            Ways(redis, sql),
            database,
            f"redis://127.0.0.1:{redis.port}/{ground.redis_db}?socket_timeout={_REDIS_TIMEOUT_S}",
            await read_incarnation(database),
            Ledger(database, bytes.fromhex(here.signing_key)),
        )
