"""Ends what time ends: no-shows, holds, answers that were kept for a day, and what transactions left."""

import asyncio
from collections.abc import Sequence

from app.bookings import answers, batches, expire, waiting_records
from app.bookings.desk import Desk
from app.settings import Settings
from workers.duties import Duty, IsBusy, main, seldom

SWEEPS_EVERY_S = 30.0
FOLLOWS_EVERY_S = 2.0


def duties(desk: Desk, settings: Settings, sweeps_every_s: float = SWEEPS_EVERY_S) -> Sequence[Duty]:
    """What there is to be done, over one desk: what somebody waits for, and now and then what is only old."""

    async def end_no_shows() -> IsBusy:
        return await expire.end_no_shows(desk) >= expire.AT_ONCE

    async def end_holds() -> IsBusy:
        return await expire.end_holds(desk) >= expire.AT_ONCE

    async def offer_what_is_free() -> IsBusy:
        await expire.offer_what_is_free(desk)
        return False

    async def follow_lots() -> IsBusy:
        return await expire.follow_lots(desk) >= expire.AT_ONCE

    async def leave_lines() -> IsBusy:
        return await expire.leave_lines(desk) >= waiting_records.SWEPT_AT_ONCE

    async def forget_answers() -> IsBusy:
        return await answers.sweep(desk.database) >= answers.SWEPT_AT_ONCE

    async def forget_batches() -> IsBusy:
        return await batches.sweep(desk.database) >= batches.SWEPT_AT_ONCE

    now_and_then = [seldom(duty, sweeps_every_s) for duty in (leave_lines, forget_answers, forget_batches)]
    return (
        end_no_shows,
        end_holds,
        offer_what_is_free,
        seldom(follow_lots, FOLLOWS_EVERY_S),
        *now_and_then,
    )


if __name__ == "__main__":
    asyncio.run(main(duties, metrics_after_first=1))
