"""A payment that waits for its payer: what has become of it, and giving it up."""

import structlog

from app.core import metrics
from app.payments import problems, records
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier, order_of, settle
from app.payments.providers.protocol import Charged, Fate, ProviderAway

log = structlog.get_logger()


async def hear(cashier: Cashier, payment_id: str) -> Payment:
    """The payment as its provider knows it by now; as it was, where that does not answer.

    Raises a Problem (404), SqlAway.
    """
    payment = await _payment(cashier, payment_id)
    if payment.state != PaymentState.PENDING or not payment.charge:
        return payment
    try:
        charged = await cashier.providers[payment.provider].ask(order_of(payment))
    except ProviderAway as error:
        return _not_answered(payment, error)
    return await _settled(cashier, payment, charged)


async def payment_of(cashier: Cashier, payment_id: str, reservation: str) -> str:
    """The payment's identifier, where it is one of this booking. Raises a Problem (404), SqlAway."""
    payment = await _payment(cashier, payment_id)
    if payment.reservation_id != reservation:
        raise problems.no_such_payment()
    return payment.id


async def give_up(cashier: Cashier, payment_id: str) -> Payment:
    """Ends an attempt that its payer does not go on with. Where it was paid meanwhile, it is paid.

    Raises a Problem: 404, 409 where it can't be ended now; SqlAway.
    """
    payment = await _payment(cashier, payment_id)
    if payment.state != PaymentState.PENDING:
        return payment
    try:
        charged = await cashier.providers[payment.provider].cancel(order_of(payment))
    except ProviderAway as error:
        _not_answered(payment, error)
        raise problems.cannot_be_ended() from None
    if charged.fate is Fate.WAITING:
        raise problems.cannot_be_ended()
    return await _settled(cashier, payment, charged)


async def _payment(cashier: Cashier, payment_id: str) -> Payment:
    async with cashier.database.look() as connection:
        found = await records.payment(connection, payment_id)
    if found is None or found.provider not in cashier.providers:
        raise problems.no_such_payment()
    return found


async def _settled(cashier: Cashier, payment: Payment, charged: Charged) -> Payment:
    # Whoever began it may still be about to tell the provider: the worker decides about that.
    return payment if charged.fate is Fate.UNKNOWN else await settle(cashier, payment.id, charged)


def _not_answered(payment: Payment, error: ProviderAway) -> Payment:
    metrics.PROVIDER_AWAY.labels(payment.provider).inc()
    log.warning("payment.provider_away", provider=payment.provider, error=str(error))
    return payment
