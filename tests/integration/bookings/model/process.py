"""A web process of which anything may go wrong: its desk over connections that outlive it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.records import Moved
from app.core.clock import Clock
from app.core.db import CommitUnknown, Database
from app.core.redis import connect
from app.slots.layout import Layouts
from app.slots.status import Status

NOWHERE = "unix:///nonexistent/redis.sock"


class HaltingDesk(Desk):
    """A desk of a process that may stand still after its commit, before Redis hears of it."""

    is_held_back = False
    held: tuple[Moved, ...] = ()

    async def publish(self, moved: Iterable[Moved]) -> None:
        if self.is_held_back:
            self.held += tuple(moved)
        else:
            await super().publish(moved)

    async def go_on(self) -> None:
        """Redis hears of all that was held back."""
        held, self.held, self.is_held_back = self.held, (), False
        await super().publish(held)


class ForgetfulDatabase(Database):
    """A database whose answer to a commit may be lost: ``loses`` says whether the next one takes place."""

    loses: bool | None = None

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[AsyncConnection]:
        loses, self.loses = self.loses, None
        async with super().unit_of_work() as connection:
            yield connection
            if loses is False:
                raise CommitUnknown("lost before it was committed")
        if loses:
            raise CommitUnknown("lost after it was committed")


class Process:
    """``desk`` is new whenever the process was opened anew."""

    def __init__(self, database_url: str, clock: Clock) -> None:
        self.database = ForgetfulDatabase(database_url, clock)
        self.desk: HaltingDesk

    async def start(self, redis_url: str) -> None:
        self._redis: Redis = connect(redis_url)
        self._within_reach = self._redis.connection_pool
        self._out_of_reach = connect(NOWHERE).connection_pool
        self.signing_key = bytes.fromhex((await installation(self.database)).signing_key)
        self._incarnation = await read_incarnation(self.database)
        self.open_anew()

    async def end(self) -> None:
        await self.desk.ended()
        self.find_redis()
        await self._redis.aclose()
        await self.database.close()

    def open_anew(self) -> None:
        """What the process knew, and had yet to do, is gone."""
        self.find_redis()
        self.database.loses = None
        status = Status(self._redis, self._incarnation, lambda: read_incarnation(self.database))
        self.desk = HaltingDesk(self.database, Layouts(self.database), status, self.signing_key)

    def lose_redis(self) -> None:
        """From here on whatever it asks of Redis is refused."""
        self._redis.connection_pool = self._out_of_reach

    def find_redis(self) -> None:
        self._redis.connection_pool = self._within_reach
