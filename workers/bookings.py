"""Ends what time ends: answers that were kept for a day, and what transactions left to be asked after."""

import asyncio
from collections.abc import Sequence

from app.bookings import answers, batches
from app.bookings.desk import Desk
from app.settings import Settings
from workers.duties import Duty, IsBusy, main

EVERY_S = 30.0


def duties(desk: Desk, settings: Settings) -> Sequence[Duty]:
    """What there is to be done, over one desk."""

    async def forget_answers() -> IsBusy:
        return await answers.sweep(desk.database) >= answers.SWEPT_AT_ONCE

    async def forget_batches() -> IsBusy:
        return await batches.sweep(desk.database) >= batches.SWEPT_AT_ONCE

    return forget_answers, forget_batches


if __name__ == "__main__":
    asyncio.run(main(duties, EVERY_S, metrics_after_first=1))
