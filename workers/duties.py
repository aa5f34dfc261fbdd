"""How a worker works: each of its duties again and again, whatever goes away, until it is stopped."""

import asyncio
import functools
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from app.bookings.desk import Desk
from app.core import log as logs
from app.core import metrics
from app.core.clock import monotonic_s
from app.core.db import SqlAway, is_conflict
from app.core.redis import REDIS_IS_GONE
from app.core.tasks import end_all
from app.lifespan import opened_desk
from app.settings import Settings, SettingsError
from app.slots.status import NotBuilt, OtherOrder
from workers.served_metrics import served_metrics

log = structlog.get_logger()
REST_S = 0.25
# Between two full batches: web processes get at SQLite's one lock.
BETWEEN_BATCHES_S = 0.02
WARN_EVERY_S = 30.0
AFTER_A_FAULT_S = 1.0
CLOSES_WITHIN_S = 1.0
ENDS_WITHIN_S = 2.0
# A duty does a little of its work, and says whether there is more of it at once.
IsBusy = bool
Duty = Callable[[], Awaitable[IsBusy]]
Duties = Callable[[Desk, Settings], Sequence[Duty]]


class Outage:
    """Says that something is away: at once, then every 30 s while it lasts; and when all is back."""

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._failing: dict[str, Exception] = {}
        self._warned_at_s = float("-inf")

    def lasts(self, duty: str, error: Exception) -> None:
        """Notes a try that failed."""
        now_s = self._clock()
        if not self._failing or now_s - self._warned_at_s >= WARN_EVERY_S:
            log.warning("worker.something_is_away", duty=duty, error=repr(error))
            self._warned_at_s = now_s
        self._failing[duty] = error
        self._note_sql()

    def is_over(self, duty: str) -> None:
        """Notes a try that went well."""
        if self._failing.keys() == {duty}:
            log.info("worker.all_is_back")
        self._failing.pop(duty, None)
        self._note_sql()

    def _note_sql(self) -> None:
        metrics.SQL_ANSWERS.set(not any(isinstance(error, SqlAway) for error in self._failing.values()))


async def run(settings: Settings, stop: asyncio.Event, duties: Duties, rest_s: float = REST_S) -> None:
    """Works until ``stop``; what is away comes back by itself, also before the first look at SQL."""
    working = asyncio.create_task(_work(settings, duties, rest_s, Outage()))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        # Asked once, so that it can close what it has opened, and again only where that went unheard.
        await asyncio.wait({working}, timeout=CLOSES_WITHIN_S)
        await end_all([working, stopping])


def seldom(duty: Duty, every_s: float, clock: Callable[[], float] = monotonic_s) -> Duty:
    """The same duty, done at most so often, unless there is more of it at once."""
    next_s = float("-inf")

    @functools.wraps(duty)
    async def now_and_then() -> IsBusy:
        nonlocal next_s
        if clock() < next_s:
            return False
        is_busy = await duty()
        next_s = clock() + (0.0 if is_busy else every_s)
        return is_busy

    return now_and_then


async def main(duties: Duties, rest_s: float = REST_S, metrics_after_first: int = 0) -> None:
    """The worker's process, until SIGTERM. Its metrics are at the port of the settings, or so many after."""
    logs.configure()
    try:
        settings = Settings.of_process()
    except SettingsError as error:
        sys.exit(str(error))
    stop = asyncio.Event()

    def end() -> None:
        stop.set()
        # A thread that waits for SQLite's lock can't be interrupted; nothing here needs an orderly end.
        deadline = threading.Timer(ENDS_WITHIN_S, os._exit, [0])
        deadline.daemon = True
        deadline.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    first = settings.worker_metrics_port
    with served_metrics(None if first is None else first + metrics_after_first):
        await run(settings, stop, duties, rest_s)


async def _work(settings: Settings, duties: Duties, rest_s: float, outage: Outage) -> None:
    while True:
        try:
            async with opened_desk(settings) as (desk, _):
                outage.is_over("opening")
                await _do_all(duties(desk, settings), rest_s, outage)
        except SqlAway as error:
            outage.lasts("opening", error)
            await asyncio.sleep(REST_S)


async def _do_all(duties: Sequence[Duty], rest_s: float, outage: Outage) -> None:
    """Each duty goes on by itself, so that a long one holds up no other."""
    tasks = [asyncio.create_task(_again_and_again(duty, rest_s, outage)) for duty in duties]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        await end_all(tasks)


async def _again_and_again(duty: Duty, rest_s: float, outage: Outage) -> None:
    name = getattr(duty, "__name__", repr(duty))
    # A metric that should stay 0 has to be there to be seen.
    metrics.WORKER_FAILURES.labels(name)
    while True:
        is_busy = False
        try:
            is_busy = await duty()
            outage.is_over(name)
        except (NotBuilt, OtherOrder) as reason:
            log.info("worker.try_again", duty=name, reason=type(reason).__name__)
        except (*REDIS_IS_GONE, SqlAway) as error:
            outage.lasts(name, error)
        except Exception as error:
            if isinstance(error, DBAPIError) and is_conflict(error):
                log.info("worker.try_again", duty=name, reason=repr(error.orig))
            else:
                # One that has a fault ends none of the others, and what it met may be gone the next time.
                metrics.WORKER_FAILURES.labels(name).inc()
                log.exception("worker.duty_failed", duty=name)
                await asyncio.sleep(AFTER_A_FAULT_S)
        await asyncio.sleep(BETWEEN_BATCHES_S if is_busy else rest_s)
