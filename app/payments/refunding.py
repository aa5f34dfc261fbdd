"""Giving back what was paid, whole or in part: written down first, then asked of the provider, once."""

import uuid
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.core import metrics
from app.core.languages import sentence
from app.core.money import Money
from app.payments import problems, records
from app.payments.models import Payment, PaymentState, Refund, RefundState
from app.payments.paying import WORKER_AFTER, Cashier
from app.payments.providers.protocol import Fate, ProviderAway, Refunded, RefundOrder
from app.payments.providers.refusals import OddAmount

log = structlog.get_logger()
_NAMESPACE = uuid.UUID("b6a1f7c2-0f6d-5b8e-8d0a-3c1e5a7d9b42")
LONGEST_REASON = 200
SURPLUS = "It cost less in the end than was paid."
UNDONE = "Taken by mistake."
# So long whoever took money may say that they have not; later an operator gives it back.
UNDO_WITHIN = timedelta(minutes=5)


async def hand_back(cashier: Cashier, refund_id_: str, by: str) -> Refund:
    """A person has handed over what a desk owed; said again, it is said once.

    Raises a Problem: 404 where there is no such refund, 409 where it is not handed over by a person.
    """
    async with cashier.database.look() as connection:
        refund = await records.refund(connection, refund_id_)
        payment = None if refund is None else await records.payment(connection, refund.payment_id)
    if refund is None or payment is None:
        raise problems.no_such_refund()
    provider = cashier.providers.get(payment.provider)
    if provider is None or not provider.by_attendant:
        raise problems.not_by_hand()
    if refund.state != RefundState.PENDING:
        return refund
    return await _settle(cashier, payment, refund, Refunded(Fate.PAID), by) or refund


async def give_back(
    cashier: Cashier, payment_id: str, amount_minor: int, reason: str, by: str, *, number: int
) -> Refund:
    """Gives back so much of a payment. ``number`` is the refund's own, from 1: sent again it is done once.

    Where the number is another refund's that one is returned, and nothing is given back.

    Raises a Problem: 404 where there is no such payment, 409 where so much is not left of it, its booking is
    being paid for just now, or its provider takes no money here any more.
    """
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        payment = await records.payment(connection, payment_id)
        if payment is None:
            raise problems.no_such_payment()
        if payment.provider not in cashier.providers:
            raise problems.not_taken_here(payment.provider)
        await records.lock_booking(connection, payment.reservation_id)
        before = await records.refund(connection, refund_id(payment_id, number))
        if before is not None:
            if (before.amount_minor, before.by) != (amount_minor, by):
                # Somebody else's, who may still have to hand it over: it is not asked for from here.
                return before
            refund = before
        else:
            if (pending := await records.pending_of(connection, payment.reservation_id)) is not None:
                # What it pays was reckoned without this refund.
                raise problems.being_paid(pending.id)
            refund = await begin(connection, payment, amount_minor, reason, by, number, now)
    if refund.state == RefundState.PENDING:
        return await ask(cashier, refund.id) or refund
    return refund


async def undo(cashier: Cashier, payment_id: str, by: str) -> Refund:
    """Whoever took money at the desk a moment ago has not, after all. Said again, it is said once.

    Raises a Problem: 404 where there is no such payment, 409 where somebody else took it, it was too long
    ago, nothing is left of it, or its booking is being paid for just now.
    """
    async with cashier.database.look() as connection:
        now = await cashier.database.now(connection)
        payment = await records.payment(connection, payment_id)
        refunds = await records.refunds_of(connection, payment_id)
    if payment is None:
        raise problems.no_such_payment()
    for before in refunds:
        if (before.reason, before.by) == (UNDONE, by):
            return before
    if not may_undo(payment, by, now):
        raise problems.too_late_to_undo()
    left_minor = payment.amount_minor - payment.refunded_minor
    return await give_back(cashier, payment_id, left_minor, UNDONE, by, number=len(refunds) + 1)


def may_undo(payment: Payment, by: str, now: datetime) -> bool:
    """Whether this is the attendant who took it, and it was just now."""
    is_whole = payment.state == PaymentState.PAID and not payment.refunded_minor
    return is_whole and payment.by == by != "" and now <= payment.created_at + UNDO_WITHIN


async def give_back_surplus(cashier: Cashier, reservation: str) -> None:
    """What was paid by card and the booking did not cost in the end goes back; asked again, it goes once.

    A quote is of the end of its validity, and its payer may leave before. What was paid at a desk is left to
    people. A fault is logged: an operator sees on the payment's page what is too much.
    """
    try:
        async with cashier.database.look() as connection:
            now = await cashier.database.now(connection)
            bill = await cashier.read_bill(connection, reservation, now)
            if bill is None or bill.fixed is None:
                return
            paid = await records.payments_of(connection, reservation)
            # Before it is looked how much is too much: what is given back from now on has taken its number.
            numbers = {one.id: len(await records.refunds_of(connection, one.id)) + 1 for one in paid}
            standing = await records.standing(connection, reservation)
        surplus_minor = standing.settled_minor - bill.fixed.amount_minor
        for payment in reversed(paid):
            provider = cashier.providers.get(payment.provider)
            is_by_card = provider is not None and not provider.by_attendant
            left_minor = payment.amount_minor - payment.refunded_minor
            if surplus_minor <= 0 or payment.state != PaymentState.PAID or not is_by_card or not left_minor:
                continue
            part_minor = min(surplus_minor, left_minor)
            number = numbers[payment.id]
            await give_back(cashier, payment.id, part_minor, SURPLUS, "lotline", number=number)
            surplus_minor -= part_minor
    except Exception as error:
        # What it comes after is done, whatever becomes of this.
        log.warning("refund.surplus_stays", reservation=reservation, reason=repr(error))


def refund_id(payment_id: str, number: int) -> str:
    """The same refund has the same identifier, however often it is sent."""
    return str(uuid.uuid5(_NAMESPACE, f"{payment_id}:{number}"))


async def begin(
    connection: AsyncConnection,
    payment: Payment,
    amount_minor: int,
    reason: str,
    by: str,
    number: int,
    now: datetime,
    *,
    by_hand: bool = False,
) -> Refund:
    """Notes a refund in this transaction; a worker asks for it if nobody else does. A Problem (409).

    ``by_hand``: a person is to hand it over, and nobody is asked.
    """
    if amount_minor <= 0 or not await records.take_back(connection, payment.id, amount_minor):
        left = Money(payment.amount_minor - payment.refunded_minor, payment.currency)
        raise problems.not_so_much_left(left)
    refund = Refund(
        id=refund_id(payment.id, number),
        payment_id=payment.id,
        number=number,
        amount_minor=amount_minor,
        currency=payment.currency,
        reason=reason[:LONGEST_REASON],
        by=by,
        created_at=now,
    )
    await records.insert_refund(connection, refund.model_dump())
    if not by_hand:
        await records.insert_task(connection, payment.id, now + WORKER_AFTER, now, refund=refund.id)
    await note(
        connection,
        by,
        "refund",
        payment.reservation_id,
        now,
        payment=payment.id,
        refund=refund.id,
        amount=Money(amount_minor, payment.currency).major,
        currency=payment.currency,
        reason=refund.reason,
    )
    return refund


async def ask(cashier: Cashier, refund_id_: str) -> Refund | None:
    """Asks the provider, and writes down what it says; ``None`` where it does not answer."""
    async with cashier.database.look() as connection:
        refund = await records.refund(connection, refund_id_)
        payment = None if refund is None else await records.payment(connection, refund.payment_id)
    if refund is None or payment is None:
        return None
    provider = cashier.providers[payment.provider]
    order = RefundOrder(refund.id, payment.id, payment.charge, refund.amount_minor, refund.currency)
    try:
        refunded = await provider.refund(order)
    except OddAmount as error:
        # It never will be done: what was begun must not stay under way for ever.
        log.error("refund.odd_amount", provider=provider.name, refund=refund.id, error=str(error))
        refunded = Refunded(Fate.DECLINED, reason=sentence("The provider moves no such amount"))
    except ProviderAway as error:
        metrics.PROVIDER_AWAY.labels(provider.name).inc()
        log.warning("refund.provider_away", provider=provider.name, error=str(error))
        return None
    return await _settle(cashier, payment, refund, refunded, payment.provider)


async def _settle(
    cashier: Cashier, payment: Payment, refund: Refund, refunded: Refunded, by: str
) -> Refund | None:
    if refunded.fate not in (Fate.PAID, Fate.DECLINED):
        return None
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        done = refunded.fate is Fate.PAID
        target = RefundState.DONE if done else RefundState.FAILED
        if await records.move_refund(connection, refund.id, target, now):
            if done:
                till, revenue = f"till:{payment.provider}", f"revenue:{payment.lot_id}"
                await records.move_money(
                    connection, refund.id, refund.amount_minor, refund.currency, revenue, till, now
                )
            else:
                await records.keep_after_all(connection, payment.id, refund.amount_minor)
            await records.delete_task(connection, refund.id)
            await note(
                connection,
                by,
                "refunded" if done else "refund-failed",
                payment.reservation_id,
                now,
                refund=refund.id,
                reason=refunded.reason,
            )
            metrics.REFUNDS.labels(payment.provider, target).inc()
        return await records.refund(connection, refund.id)
