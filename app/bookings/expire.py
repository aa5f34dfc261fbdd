"""What time ends, by the database's clock: no-shows, and holds that nobody answered.

Any number of workers may do this at once. Each end is a conditional update in a transaction of its own
batch, which checks again that it is due: of several who try one takes place, and the others find it done.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records, waiting_records
from app.bookings.desk import Desk
from app.bookings.jobs import Ending, Following, Job, LettingGo, Offering
from app.bookings.results import Released
from app.core import metrics
from app.core.errors import Problem, Unavailable

log = structlog.get_logger()
AT_ONCE = 64
# A page that waits asks four times as often.
GONE_AFTER = timedelta(minutes=2)
LINES_KEPT_FOR = timedelta(days=1)


async def end_no_shows(desk: Desk) -> int:
    """Ends bookings of who has not arrived in time; returns how many were due."""
    async with desk.database.look() as connection:
        due = await records.no_shows(connection, await desk.database.now(connection), AT_ONCE)
    ended = await _all(desk, (Ending(reservation=one, as_no_show=True) for one in due))
    metrics.ENDED_BY_TIME.labels("no-show").inc(sum(isinstance(one, Released) for one in ended))
    return len(due)


async def end_holds(desk: Desk) -> int:
    """Ends holds whose minute is over; their slots go to the next in line. Returns how many were due."""
    async with desk.database.look() as connection:
        due = await waiting_records.lapsed(connection, await desk.database.now(connection), AT_ONCE)
    await _all(desk, (LettingGo(one) for one in due))
    metrics.ENDED_BY_TIME.labels("hold").inc(len(due))
    return len(due)


async def offer_what_is_free(desk: Desk) -> int:
    """Holds free slots for those who wait for one: who came while it was given back was not seen then."""
    async with desk.database.look() as connection:
        lots = await waiting_records.lots_with_line(connection)
        lots = {lot for lot in lots if await _is_wanted(connection, lot)}
    await _all(desk, (Offering(lot) for lot in sorted(lots)))
    return len(lots)


async def _is_wanted(connection: AsyncConnection, lot_id: int) -> bool:
    """Whether a slot is free that somebody waits for."""
    for wish in await waiting_records.wishes_in_line(connection, lot_id):
        if await records.any_free(connection, lot_id, wish):
            return True
    return False


async def follow_lots(desk: Desk) -> int:
    """Slots that are not as their lot is, closed or open, do as it does; returns how many were found.

    Who had read that a lot was closed may close a slot of it a moment after it was opened, and the other
    way round.
    """
    async with desk.database.look() as connection:
        astray = await records.not_as_any_lot(connection, AT_ONCE)
    if astray:
        await _all(desk, [Following(tuple(astray))])
    return len(astray)


async def leave_lines(desk: Desk) -> int:
    """Takes those out of their lines whose page has gone; forgets places that ended a day ago."""
    async with desk.database.unit_of_work() as connection:
        now = await desk.database.now(connection)
        gone = await waiting_records.leave_unseen(connection, now - GONE_AFTER)
        forgotten = await waiting_records.forget_ended(connection, now, LINES_KEPT_FOR)
    metrics.ENDED_BY_TIME.labels("waiting").inc(gone)
    return forgotten


async def _all(desk: Desk, jobs: Iterable[Job]) -> list[object]:
    """What each job came to; a Problem where another one had ended it before."""
    answers = await asyncio.gather(*(desk.served(job) for job in jobs), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Problem):
            raise answer
        if isinstance(answer, Unavailable):
            log.info("expire.put_off", reason=answer.title)
    return list(answers)
