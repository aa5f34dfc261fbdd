"""Keeps Redis true to SQL: begins an epoch, builds lots, applies what the outbox has kept, scrubs."""

import asyncio
from collections.abc import Sequence

import structlog

from app.bookings.desk import Desk
from app.settings import Settings
from app.slots.rebuild import rebuild_all
from app.slots.relay import BATCH, relay_once
from app.slots.rounds import Rounds
from workers.duties import Duty, IsBusy, main

log = structlog.get_logger()
# A process that committed applies within milliseconds; what is older was left behind.
LEFT_BEHIND_S = 1.0


def duties(desk: Desk, settings: Settings) -> Sequence[Duty]:
    """What there is to be done, over one desk."""
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

    return build, relay, scrub


if __name__ == "__main__":
    asyncio.run(main(duties))
