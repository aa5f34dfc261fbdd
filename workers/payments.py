"""Posts what was accepted while SQL was away, goes on with what was begun, seals the trail of money."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from app.audit import trail
from app.bookings import leaving
from app.bookings.desk import Desk
from app.bookings.unreserve import release
from app.core import metrics
from app.core.errors import Problem
from app.lifespan import cashier_of
from app.payments import records, unfinished
from app.payments.posting import Posting
from app.settings import Settings
from workers.duties import Duty, IsBusy, main, seldom

log = structlog.get_logger()
LOOKS_EVERY_S = 1.0
SEALS_EVERY_S = 5.0
SUMS_EVERY_S = 60.0


def duties(desk: Desk, settings: Settings) -> Sequence[Duty]:
    """What there is to be done, over one desk's SQL."""
    cashier = cashier_of(settings, desk)

    async def finish_payments() -> IsBusy:
        return await unfinished.finish(cashier) >= unfinished.AT_ONCE

    async def leave(reservation: str, left_at: datetime) -> None:
        try:
            await release(desk, reservation, left_at)
        except Problem as problem:
            if problem.status == 503:
                raise
            log.warning("journal.not_released", reservation=reservation, reason=problem.type)

    posting = Posting(cashier, leave)

    async def post_journal() -> IsBusy:
        await posting.go_on()
        return False

    async def end_who_left() -> IsBusy:
        return await leaving.end_who_left(desk, cashier) >= leaving.AT_ONCE

    async def seal_audit() -> IsBusy:
        return await trail.seal(desk.database) >= trail.SEALED_AT_ONCE

    async def sum_ledger() -> IsBusy:
        async with desk.database.look() as connection:
            off = await records.balance(connection)
        metrics.LEDGER_OFF.set(sum(map(abs, off.values())))
        return False

    return (
        seldom(post_journal, LOOKS_EVERY_S),
        seldom(finish_payments, LOOKS_EVERY_S),
        seldom(end_who_left, LOOKS_EVERY_S),
        seldom(seal_audit, SEALS_EVERY_S),
        seldom(sum_ledger, SUMS_EVERY_S),
    )


if __name__ == "__main__":
    asyncio.run(main(duties, metrics_after_first=2))
