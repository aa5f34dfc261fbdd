"""What a provider says of its own accord: believed only where it is signed, and taken up once."""

from collections.abc import Mapping

import structlog

from app.core import metrics
from app.core.errors import Problem
from app.payments import records
from app.payments.models import PaymentState
from app.payments.paying import Cashier, settle_in
from app.payments.providers.protocol import BadWebhook, Fate
from app.payments.refunding import give_back_surplus

log = structlog.get_logger()


async def take_up(cashier: Cashier, provider_name: str, headers: Mapping[str, str], body: bytes) -> None:
    """Writes down what a webhook says. Returning means that it is committed; else it may be sent again.

    Raises a Problem: 404 where there is no such provider, 400 where it was not sent by it.
    """
    provider = cashier.providers.get(provider_name)
    if provider is None:
        raise Problem(404, "no-such-provider", "Nobody here is called so")
    try:
        # Before anything is asked of SQL, so that nobody keeps it busy with what is not signed.
        event = provider.read_webhook(headers, body, cashier.database.now_while_away())
    except BadWebhook as error:
        metrics.WEBHOOKS.labels(provider_name, "refused").inc()
        log.warning("webhook.refused", provider=provider_name, reason=str(error))
        raise Problem(400, "bad-webhook", "This was not sent by the provider") from None
    if event is None:
        metrics.WEBHOOKS.labels(provider_name, "of-no-interest").inc()
        return
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        if not await records.is_new_event(connection, provider_name, event.event, now):
            metrics.WEBHOOKS.labels(provider_name, "again").inc()
            return
        payment = await records.payment(connection, event.payment)
        if payment is None or payment.provider != provider_name:
            # Perhaps another installation's: it is of no use to send it again.
            log.warning("webhook.unknown_payment", provider=provider_name, payment=event.payment)
            metrics.WEBHOOKS.labels(provider_name, "unknown-payment").inc()
            return
        await settle_in(cashier, connection, payment, event.charged, now)
    if payment.state != PaymentState.PENDING and event.charged.fate is Fate.PAID:
        # It had been given up, and was perhaps paid otherwise since.
        await give_back_surplus(cashier, payment.reservation_id)
    metrics.WEBHOOKS.labels(provider_name, "taken-up").inc()
