"""A payment that waits for its payer: what has become of it, and giving it up."""

from app.payments import problems, records
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier, heard, order_of, settle
from app.payments.providers.protocol import Charged, Fate


async def hear(cashier: Cashier, payment_id: str) -> Payment:
    """The payment as its provider knows it by now; as it was, where that does not answer.

    Raises a Problem (404), SqlAway.
    """
    payment = await _payment(cashier, payment_id)
    if payment.state != PaymentState.PENDING or not payment.charge:
        return payment
    provider = cashier.providers[payment.provider]
    charged = await heard(provider, provider.ask(order_of(payment)))
    return payment if charged is None else await _settled(cashier, payment, charged)


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
    provider = cashier.providers[payment.provider]
    charged = await heard(provider, provider.cancel(order_of(payment)))
    if charged is None or charged.fate is Fate.WAITING:
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
