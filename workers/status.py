"""Keeps Redis true to SQL: begins an epoch, builds lots, applies what the outbox has kept, scrubs."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import DBAPIError

from app.bookings.desk import Desk
from app.core import log as logs
from app.core.clock import monotonic_s
from app.core.db import SqlAway, is_conflict
from app.core.redis import REDIS_IS_GONE
from app.core.tasks import end_all
from app.lifespan import opened_desk
from app.settings import Settings, SettingsError
from app.slots.rebuild import rebuild_all
from app.slots.relay import BATCH, relay_once
from app.slots.rounds import Rounds
from app.slots.status import NotBuilt, OtherOrder
from workers.served_metrics import served_metrics

log = structlog.get_logger()
EVERY_S = 0.25
# Between two full batches: web processes get at SQLite's one lock.
BETWEEN_BATCHES_S = 0.02
# A process that committed applies within milliseconds; what is older was left behind.
LEFT_BEHIND_S = 1.0
WARN_EVERY_S = 30.0
CLOSES_WITHIN_S = 2.0
IsBusy = bool


class Outage:
    """Says that something is away: at once, then every 30 s while it lasts; and when all is back."""

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._failing: set[str] = set()
        self._warned_at_s = float("-inf")

    def lasts(self, duty: str, error: Exception) -> None:
        """Notes a try that failed."""
        now_s = self._clock()
        if not self._failing or now_s - self._warned_at_s >= WARN_EVERY_S:
            log.warning("status.something_is_away", duty=duty, error=repr(error))
            self._warned_at_s = now_s
        self._failing.add(duty)

    def is_over(self, duty: str) -> None:
        """Notes a try that went well."""
        if self._failing == {duty}:
            log.info("status.all_is_back")
        self._failing.discard(duty)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Works until ``stop``; what is away comes back by itself, also before the first look at SQL."""
    working = asyncio.create_task(_work(settings, Outage()))
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


async def _work(settings: Settings, outage: Outage) -> None:
    while True:
        try:
            async with opened_desk(settings) as (desk, _):
                outage.is_over("opening")
                await _keep_true(desk, settings, outage)
        except SqlAway as error:
            outage.lasts("opening", error)
            await asyncio.sleep(EVERY_S)


async def _keep_true(desk: Desk, settings: Settings, outage: Outage) -> None:
    """Each duty goes on by itself, so that a long rebuild holds up no change."""
    rounds = Rounds(desk.database, desk.status, settings.scrub_s)

    async def build() -> IsBusy:
        if built := await rebuild_all(desk.database, desk.status):
            log.info("status.built", lots=built)
        return bool(built)

    async def relay() -> IsBusy:
        return await relay_once(desk.database, desk.status, LEFT_BEHIND_S) >= BATCH

    async def scrub() -> IsBusy:
        await rounds.step()
        return False

    duties = [asyncio.create_task(_again_and_again(duty, outage)) for duty in (build, relay, scrub)]
    try:
        done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        await end_all(duties)


async def _again_and_again(duty: Callable[[], Awaitable[IsBusy]], outage: Outage) -> None:
    while True:
        is_busy = False
        try:
            is_busy = await duty()
            outage.is_over(duty.__name__)
        except (NotBuilt, OtherOrder) as reason:
            log.info("status.try_again", duty=duty.__name__, reason=type(reason).__name__)
        except (*REDIS_IS_GONE, SqlAway) as error:
            outage.lasts(duty.__name__, error)
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            log.info("status.try_again", duty=duty.__name__, reason=repr(error.orig))
        await asyncio.sleep(BETWEEN_BATCHES_S if is_busy else EVERY_S)


async def main() -> None:
    logs.configure()
    try:
        settings = Settings.of_process()
    except SettingsError as error:
        sys.exit(str(error))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with served_metrics(settings.worker_metrics_port):
        await run(settings, stop)


if __name__ == "__main__":
    asyncio.run(main())
