"""Who pays and leaves: the booking ends once the payment is paid, as of when it was begun."""

import structlog

from app.bookings.desk import Desk
from app.bookings.unreserve import release
from app.core.errors import Problem
from app.payments import records
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier
from app.payments.refunding import give_back_surplus

log = structlog.get_logger()
AT_ONCE = 20


async def leave(desk: Desk, cashier: Cashier, payment: Payment) -> None:
    """Ends the booking of a paid payment whose payer leaves with it; done again, it is done once. SqlAway."""
    if not payment.leaves or payment.state != PaymentState.PAID:
        return
    try:
        # As of when its payer said so: what the provider took for it is not billed.
        await release(desk, payment.reservation_id, payment.created_at)
    except Problem as problem:
        if problem.status == 503:
            raise
        log.warning("payment.not_released", reservation=payment.reservation_id, reason=problem.type)
    await give_back_surplus(cashier, payment.reservation_id)
    async with cashier.database.unit_of_work() as connection:
        await records.has_left(connection, payment.id)


async def end_who_left(desk: Desk, cashier: Cashier) -> int:
    """Goes on where nobody was there when the payment was paid; returns how many there were."""
    async with cashier.database.look() as connection:
        found = await records.leaving(connection, AT_ONCE)
    for payment in found:
        try:
            await leave(desk, cashier, payment)
        except Problem as problem:
            log.warning("payment.not_released_yet", reservation=payment.reservation_id, reason=problem.type)
    return len(found)
