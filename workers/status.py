"""Keeps Redis true to SQL: begins an epoch, builds lots, applies what the outbox has kept."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable

import structlog

from app.bookings.desk import Desk
from app.core import log as logs
from app.core.clock import monotonic_s
from app.core.db import SqlAway
from app.core.redis import REDIS_IS_GONE
from app.lifespan import opened_desk
from app.settings import Settings, SettingsError
from app.slots.relay import rebuild_all, relay_once
from app.slots.status import NotBuilt, OtherOrder

log = structlog.get_logger()
EVERY_S = 0.25
# A process that committed applies within milliseconds; what is older was left behind.
LEFT_BEHIND_S = 1.0
WARN_EVERY_S = 30.0


class Outage:
    """Says that something is away: at once, then every 30 s while it lasts; and when all is back."""

    def __init__(self, clock: Callable[[], float] = monotonic_s) -> None:
        self._clock = clock
        self._warned_at_s: float | None = None

    def lasts(self, error: Exception) -> None:
        """Notes a try that failed."""
        now_s = self._clock()
        if self._warned_at_s is None or now_s - self._warned_at_s >= WARN_EVERY_S:
            log.warning("status.something_is_away", error=repr(error))
            self._warned_at_s = now_s

    def is_over(self) -> None:
        """Notes a try that went well."""
        if self._warned_at_s is not None:
            log.info("status.all_is_back")
        self._warned_at_s = None


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Works until ``stop``; what is away comes back by itself, also before the first look at SQL."""
    outage = Outage()
    while not stop.is_set():
        try:
            async with opened_desk(settings) as (desk, _):
                await _keep_true(desk, stop, outage)
        except SqlAway as error:
            outage.lasts(error)
            await _rest(stop)


async def _keep_true(desk: Desk, stop: asyncio.Event, outage: Outage) -> None:
    while not stop.is_set():
        try:
            built = await rebuild_all(desk.database, desk.status)
            if built:
                log.info("status.epoch_built", lots=built)
            await relay_once(desk.database, desk.status, LEFT_BEHIND_S)
            outage.is_over()
        except (NotBuilt, OtherOrder) as reason:
            log.info("status.try_again", reason=type(reason).__name__)
        except (*REDIS_IS_GONE, SqlAway) as error:
            outage.lasts(error)
        await _rest(stop)


async def _rest(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), EVERY_S)


async def main() -> None:
    logs.configure()
    try:
        settings = Settings.of_process()
    except SettingsError as error:
        sys.exit(str(error))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


if __name__ == "__main__":
    asyncio.run(main())
