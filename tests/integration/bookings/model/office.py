"""Three web processes and a worker over one SQL and one Redis, kept for many examples."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from unittest.mock import patch

import asyncpg
import structlog
import uvloop
from redis import Redis
from sqlalchemy import text

from app.bookings import answers, batches
from app.bookings.desk import Desk
from app.core import redis
from app.core.clock import FixedClock
from app.payments.service import set_tariff
from app.payments.tariffs.lines import PerIncrement
from app.slots import layout, status
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from app.slots.scrub import Kind, Suspect, look
from tests.integration.bookings.model.facts import Tariff
from tests.integration.bookings.model.first_lots import Rows, import_first_lots, put_back
from tests.integration.bookings.model.process import Process
from tests.integration.bookings.model.truth import Reader, postgresql_reader, sqlite_reader

DESKS = 3
BEGIN = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
# What the worker takes for left behind.
LEFT_BEHIND_S = 1.0
# Longer than that, and no odd time, so that there go on to be stays of whole hours.
REST = timedelta(minutes=30)
LEASE_MS = 3_600_000
PATIENT_S = 60.0
T = TypeVar("T")


class Office:
    """What lasts for a whole run: the servers' connections, and an event loop for them."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.clock = FixedClock(BEGIN)
        self.processes = [Process(database_url, self.clock) for _ in range(DESKS)]
        self._worker = Process(database_url, self.clock)
        for process in self._all:
            self.do(process.start(redis_url))
        self.redis = Redis.from_url(redis_url)
        self._url = database_url
        self._postgresql: asyncpg.Connection | None = None
        self.read: Reader = self._reader()
        self._first_rows: Rows = []
        self.begin()
        self._first_rows = self.do(import_first_lots(self._worker.desk))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def desk(self, number: int) -> Desk:
        return self.processes[number].desk

    def close(self) -> None:
        for process in self._all:
            self.do(process.end())
        if self._postgresql is not None:
            self.do(self._postgresql.close())
        self.redis.close()
        self._runner.close()

    def begin(self) -> None:
        """An example begins: the first lots, nothing in Redis but them, and processes that know nothing."""
        self.clock.instant = BEGIN
        self.do(put_back(self._worker.database, self._first_rows))
        self.redis.flushall()
        for process in self._all:
            process.open_anew()
        self.work()

    # What the worker does.

    def work(self) -> None:
        """A step of the worker: builds what is not built, applies what was left behind."""
        self.do(rebuild_all(self._worker.database, self._worker.desk.status))
        self.do(relay_once(self._worker.database, self._worker.desk.status, LEFT_BEHIND_S))

    def settle(self) -> None:
        """What was left behind is old enough for the worker; leases that nobody gave back are over."""
        for process in self.processes:
            process.find_redis()
        self.clock.advance(REST)
        self.work()
        until_s = monotonic() + PATIENT_S
        # Who was at it when the example took its desk away keeps others from a lot for a moment.
        while not self.do(self._worker.desk.status.is_built()):
            assert monotonic() < until_s, "what is not built stays so"
            self.work()
        self.end_leases()

    def scrub(self) -> list[Suspect]:
        """Where the application's own look finds Redis and SQL apart.

        That viewers were not told of a slot put meanwhile is what it is there for.
        """
        return self.do(self._scrub(self._lot_ids()))

    def sweep(self) -> None:
        """What was kept for long enough is forgotten."""
        self.do(answers.sweep(self._worker.database))
        self.do(batches.sweep(self._worker.database))

    # What time does.

    def end_leases(self) -> None:
        """Their end is set to the past: the next who asks takes the slots back."""
        for key in self.redis.scan_iter("lot:{*}:leases", count=1000):
            self.redis.zadd(key, dict.fromkeys(self.redis.zrange(key, 0, -1), 1), xx=True)

    def look_again(self, number: int) -> None:
        """The process reads every lot anew, and shows its map."""
        self.do(self._look_again(self.desk(number), self._lot_ids()))

    # What an operator can do only in SQL and in Python as yet.

    def close_lot(self, lot: str, *, closed: bool) -> None:
        self.write("UPDATE lot SET closed = :closed WHERE code = :lot", lot=lot, closed=closed)

    def set_price(self, lot: str, area: str | None, currency: str, tariff: Tariff) -> int:
        """Returns the number that the new version has got."""
        return self.do(self._set_price(lot, area, currency, tariff))

    def drop(self, constraint: str, *, of: str) -> None:
        """SQLite can't drop a constraint: the table, which must be empty, is made anew without it."""
        made = [
            row[0] for row in self.read(f"SELECT sql FROM sqlite_master WHERE tbl_name = '{of}'") if row[0]
        ]
        self.write(f"DROP TABLE {of}")
        for statement in made:
            self.write(statement.replace(f", \n\t{constraint}", ""))

    @property
    def _all(self) -> list[Process]:
        return [*self.processes, self._worker]

    def write(self, statement: str, **values: Any) -> None:
        async def write() -> None:
            async with self._worker.database.unit_of_work() as connection:
                await connection.execute(text(statement), values)

        self.do(write())

    async def _set_price(self, lot: str, area: str | None, currency: str, tariff: Tariff) -> int:
        length = {"increment_s": tariff.increment_s, "per_s": tariff.increment_s}
        lines = [
            PerIncrement(premium=False, price_minor=tariff.price_minor, **length),
            PerIncrement(premium=True, price_minor=tariff.premium_price_minor, **length),
        ]
        now = self.clock.now()
        async with self._worker.database.unit_of_work() as connection:
            which = text(
                "SELECT lot.id, area.id, lot.time_zone FROM lot"
                " LEFT JOIN area ON area.lot_id = lot.id AND area.code = :area WHERE lot.code = :lot"
            )
            lot_id, area_id, zone = (await connection.execute(which, {"lot": lot, "area": area})).one()
            return await set_tariff(connection, lot_id, area_id, currency, zone, lines, now, now)

    def _lot_ids(self) -> list[int]:
        return [row[0] for row in self.read("SELECT id FROM lot")]

    async def _scrub(self, lot_ids: list[int]) -> list[Suspect]:
        worker = self._worker
        looks = [await look(worker.database, worker.desk.status, lot_id) for lot_id in lot_ids]
        found = [suspect for one in looks for suspect in one.suspects.values()]
        return [suspect for suspect in found if suspect.kind is not Kind.LAYOUT]

    async def _look_again(self, desk: Desk, lot_ids: list[int]) -> None:
        for lot_id in lot_ids:
            desk.layouts.forget(lot_id)
            await desk.layouts.of(lot_id)

    def _reader(self) -> Reader:
        if self._url.startswith("sqlite"):
            return sqlite_reader(self._url.split(":///", 1)[1])
        self._postgresql = self.do(_opened(self._url.replace("postgresql+asyncpg", "postgresql")))
        return postgresql_reader(self._postgresql, self.do)


@contextmanager
def opened_office(database_url: str, redis_url: str) -> Iterator[Office]:
    """An office in which no time passes but what the machine lets pass.

    Leases end, and what a process knows of lots is looked at again, when the machine says so; a computer that
    has more to do than this does not make Redis late. What is logged of faults that are meant would bury the
    rest.
    """
    logged = structlog.get_config()
    with ExitStack() as stack:
        stack.enter_context(patch.object(status, "LEASE_MS", LEASE_MS))
        stack.enter_context(patch.object(layout, "BELIEVE_S", float("inf")))
        stack.enter_context(patch.object(redis, "SOCKET_TIMEOUT_S", PATIENT_S))
        stack.enter_context(patch.object(redis, "CONNECT_TIMEOUT_S", PATIENT_S))
        stack.callback(structlog.configure, **logged)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        office = Office(database_url, redis_url)
        stack.callback(office.close)
        yield office


async def _opened(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url)
