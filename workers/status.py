"""Keeps Redis true to SQL: begins an epoch, builds lots, applies what the outbox has kept."""

import asyncio
import contextlib
import signal

import structlog

from app.core import log as logs
from app.core.db import SqlAway
from app.core.redis import REDIS_IS_GONE
from app.lifespan import opened_desk
from app.settings import Settings
from app.slots.relay import rebuild_all, relay_once
from app.slots.status import NotBuilt, OtherOrder

log = structlog.get_logger()
EVERY_S = 0.25
# A process that committed applies within milliseconds; what is older was left behind.
LEFT_BEHIND_S = 1.0


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Works until ``stop``; what is away comes back by itself."""
    async with opened_desk(settings) as (desk, _):
        while not stop.is_set():
            try:
                built = await rebuild_all(desk.database, desk.status)
                if built:
                    log.info("status.epoch_built", lots=built)
                await relay_once(desk.database, desk.status, LEFT_BEHIND_S)
            except (NotBuilt, OtherOrder) as reason:
                log.info("status.try_again", reason=type(reason).__name__)
            except (*REDIS_IS_GONE, SqlAway) as error:
                log.warning("status.something_is_away", error=repr(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)


async def main() -> None:
    logs.configure()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(Settings.of_process(), stop)


if __name__ == "__main__":
    asyncio.run(main())
