"""What was begun and not finished: a worker goes on with it until the provider has said what became of it.

Several workers may do this at once: each takes a task by moving its time, and one of them changes the row.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from app.core.db import SqlAway
from app.payments import records, refunding
from app.payments.models import Payment, PaymentState, PaymentTask
from app.payments.paying import GIVEN_UP_AFTER, Cashier, heard, order_of, settle
from app.payments.providers.protocol import Charged, Fate

log = structlog.get_logger()
AT_ONCE = 20
# Taken for so long: longer than any call of a provider lasts.
TAKEN_FOR = timedelta(seconds=30)
FIRST_AGAIN = timedelta(seconds=2)
LAST_AGAIN = timedelta(minutes=5)


async def finish(cashier: Cashier) -> int:
    """Goes on with what is due, some at a time; returns how many were."""
    async with cashier.database.look() as connection:
        due = await records.due_tasks(connection, await cashier.database.now(connection), AT_ONCE)
    for task in due:
        try:
            await _go_on(cashier, task)
        except (SqlAway, asyncio.CancelledError):
            raise
        except Exception:
            # It is looked at again later; the others are not kept from it.
            log.exception("payment.task_failed", task=task.id)
    return len(due)


async def _go_on(cashier: Cashier, task: PaymentTask) -> None:
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        if not await records.take_task(connection, task, now + TAKEN_FOR):
            return
        payment = await records.payment(connection, task.payment_id)
    if payment is None or payment.provider not in cashier.providers:
        log.error("payment.unknown_task", task=task.id)
        return
    if task.refund_id is not None:
        await refunding.ask(cashier, task.refund_id)
    elif payment.state == PaymentState.PENDING:
        charged = await _ask(cashier, payment, now)
        if charged is not None:
            await settle(cashier, payment.id, charged)
    await _again_later(cashier, task, now)


async def _ask(cashier: Cashier, payment: Payment, now: datetime) -> Charged | None:
    """What became of it. A charge that may not have reached the provider is sent again under its own key.

    A provider forgets that key after a day: long before, the payment is given up.
    """
    provider = cashier.providers[payment.provider]
    order = order_of(payment)
    age = now - payment.created_at
    if age > GIVEN_UP_AFTER:
        charged = await heard(provider, provider.cancel(order))
        # It says that it is cancelled, or it is asked again.
        return None if charged is None or charged.fate is Fate.UNKNOWN else charged
    if payment.charge:
        charged = await heard(provider, provider.ask(order))
    else:
        charged = await heard(provider, provider.charge(order))
    if charged is not None and charged.fate is Fate.UNKNOWN:
        # It never heard of it, and never will: nobody has paid.
        return Charged(Fate.CANCELLED)
    return charged


async def _again_later(cashier: Cashier, task: PaymentTask, now: datetime) -> None:
    """What is still there is looked at again, ever more seldom."""
    wait = min(LAST_AGAIN, FIRST_AGAIN * 2 ** min(task.attempts, 8))
    async with cashier.database.unit_of_work() as connection:
        await records.put_off(connection, task.id, now + wait)
