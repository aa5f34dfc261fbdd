"""From a quote to money: a payment is written down, then charged, then its outcome is written down.

Whatever dies in between, the attempt keeps its identifier, which is the provider's idempotency key: who
sends the quote again, and the worker that finds what was left, go on with the same one. While SQL is away
what is to be paid goes to this process's journal instead, and is posted later.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.core import metrics
from app.core.db import Database, SqlAway, again_on_conflict
from app.core.errors import Problem
from app.core.ids import new_id
from app.core.languages import sentence
from app.core.money import Money
from app.core.signing import Secrets
from app.payments import problems, quotes, receipts, records
from app.payments.bills import ReadBill
from app.payments.journal import Entry, Journal
from app.payments.models import Payment, PaymentState
from app.payments.providers.protocol import Charged, ChargeOrder, Fate, Provider, ProviderAway
from app.payments.providers.refusals import OddAmount, OtherCharge
from app.payments.quotes import Quote, Quoted

log = structlog.get_logger()
# So long the process that began a payment has for it; then a worker goes on.
WORKER_AFTER = timedelta(seconds=30)
# A payer who was sent elsewhere has so long; then the provider is told that nobody waits.
GIVEN_UP_AFTER = timedelta(minutes=15)
LONGEST_URL = 500


@dataclass(frozen=True)
class Cashier:
    """What paying needs of its process. ``providers`` by name.

    ``issuer``: who issues the receipts, the lines by semicolons; "" where each lot does.
    """

    database: Database
    secrets: Secrets
    providers: dict[str, Provider]
    read_bill: ReadBill
    journal: Journal
    issuer: str = ""

    def provider_of(self, means: str) -> Provider:
        """Whoever takes this means. A Problem (422) where nobody does."""
        for provider in self.providers.values():
            if means in provider.means:
                return provider
        raise problems.no_such_means([one for provider in self.providers.values() for one in provider.means])


@dataclass(frozen=True)
class Order:
    """How somebody pays: ``token`` is the provider's, where the means is not said by its word alone.

    ``by``: the attendant who takes the money, "" where the payer does it. ``origin``: this installation's
    address (https://host), for who is sent elsewhere and comes back. ``leaves``: the payer leaves with it.
    """

    means: str
    token: str = ""
    by: str = ""
    origin: str = ""
    leaves: bool = False

    @property
    def paid_with(self) -> str:
        """What the provider is told."""
        return self.token or self.means


async def quote_for(cashier: Cashier, reservation: str) -> tuple[Quoted, str]:
    """What is to be paid for a booking now, and the signed quote: "" where nothing is. A Problem (404)."""
    async with cashier.database.look() as connection:
        now = await cashier.database.now(connection)
        return await _quote(cashier, connection, reservation, now)


async def _quote(
    cashier: Cashier, connection: AsyncConnection, reservation: str, now: datetime
) -> tuple[Quoted, str]:
    bill = await cashier.read_bill(connection, reservation, now)
    if bill is None:
        raise problems.no_such_booking()
    found = await quotes.quoted(connection, bill, now)
    return found, "" if found.quote is None else quotes.sign(cashier.secrets, found.quote)


def refuse_quote_of_another(cashier: Cashier, signed: str, reservation: str) -> None:
    """A Problem (422) where a quote is of another booking than the one that it is sent for."""
    quote = quotes.read(cashier.secrets, signed)
    if quote is not None and quote.reservation != reservation:
        raise problems.not_a_quote()


async def pay(cashier: Cashier, signed: str, order: Order) -> Payment | Entry:
    """Pays what a quote says; sent again it answers with what became of it.

    The payment may still be pending: for the payer, or for a provider that does not answer. While SQL is away
    it is accepted (an Entry), and its receipt follows. Raises a Problem: 422 for no quote or no such means,
    403 where only an attendant may, 409 where the price is another one by now, nothing is due, or somebody
    else is paying or has paid; SqlAway where a quote is over that nobody can renew now.
    """
    quote = quotes.read(cashier.secrets, signed)
    if quote is None:
        raise problems.not_a_quote()
    provider = cashier.provider_of(order.means)
    if not provider.by_attendant:
        # Whoever helps a payer with a card has no money in hand.
        order = replace(order, by="")
    elif not order.by:
        raise problems.only_an_attendant()
    try:
        payment = await again_on_conflict(lambda: _begin(cashier, quote, provider, order))
    except SqlAway as error:
        return await _accept(cashier, quote, provider, order, error)
    await cashier.journal.sql_is_back()
    age = cashier.database.now_while_away() - payment.created_at
    if payment.state != PaymentState.PENDING or age > GIVEN_UP_AFTER:
        # One that was begun so long ago a worker ends: providers forget what they were told.
        return payment
    charged = await heard(provider, provider.charge(order_of(payment)))
    if charged is None:
        return payment
    try:
        return await again_on_conflict(lambda: settle(cashier, payment.id, charged))
    except SqlAway:
        log.warning("payment.not_written_down", payment=payment.id)
        return payment


async def _accept(cashier: Cashier, quote: Quote, provider: Provider, order: Order, away: SqlAway) -> Entry:
    """Into the journal, where the quote is valid. Whether it was written down all the same shows later."""
    if order.means in provider.needs_payer:
        # Their payer has something to do first, and may be gone when SQL is back.
        raise problems.not_while_away()
    now = cashier.database.now_while_away()
    if now.timestamp() * 1_000_000 > quote.valid_until_us:
        raise away
    entry = Entry(new_id(), quote, provider.name, order.paid_with, order.by, now, order.leaves, order.origin)
    try:
        accepted = await cashier.journal.accept(entry)
    except OSError:
        raise away from None
    if not accepted.is_alike(provider.name, order.paid_with, order.by, quote.amount_minor):
        raise problems.being_paid(quote.payment)
    return accepted


async def _begin(cashier: Cashier, quote: Quote, provider: Provider, order: Order) -> Payment:
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        await records.lock_booking(connection, quote.reservation)
        before = await records.payment(connection, quote.payment)
        if before is not None and _is_same_attempt(before, quote, provider, order):
            return before
        await _refuse_stale(cashier, connection, quote, now)
        bill = await cashier.read_bill(connection, quote.reservation, now)
        assert bill is not None
        valid_until = datetime.fromtimestamp(quote.valid_until_us / 1_000_000, UTC)
        fee = bill.fee_until(valid_until)
        payment = Payment(
            id=quote.payment,
            reservation_id=quote.reservation,
            lot_id=bill.lot_id,
            ordinal=quote.ordinal,
            amount_minor=quote.amount_minor,
            currency=quote.currency,
            provider=provider.name,
            means=order.paid_with,
            return_url=back_url(order.origin, quote.payment),
            leaves=order.leaves,
            bill=receipts.bill_text(bill, fee, valid_until, cashier.issuer),
            by=order.by,
            created_at=now,
        )
        if not await records.insert_payment(connection, payment.model_dump()):
            pending = await records.pending_of(connection, quote.reservation)
            raise problems.being_paid(pending.id if pending else quote.payment)
        await records.insert_task(connection, payment.id, now + WORKER_AFTER, now)
        who = order.by or "payer"
        await note(
            connection,
            who,
            "pay",
            payment.reservation_id,
            now,
            payment=payment.id,
            amount=Money(payment.amount_minor, payment.currency).major,
            currency=payment.currency,
            provider=provider.name,
        )
        if provider.by_attendant:
            # The money is in the attendant's hand: nothing is to be asked.
            charged = await provider.charge(order_of(payment))
            await settle_in(cashier, connection, payment, charged, now)
    if provider.by_attendant:
        async with cashier.database.look() as connection:
            found = await records.payment(connection, payment.id)
        assert found is not None
        return found
    return payment


def _is_same_attempt(before: Payment, quote: Quote, provider: Provider, order: Order) -> bool:
    """Who sends a quote again is told of its payment; who pays the same otherwise, what became of that.

    An attempt that came to nothing stands in nobody's way: what is due now has another quote.
    """
    is_same = (before.amount_minor, before.currency) == (quote.amount_minor, quote.currency)
    in_same_way = (before.provider, before.means, before.by) == (provider.name, order.paid_with, order.by)
    if is_same and in_same_way:
        return True
    if before.state == PaymentState.PENDING:
        raise problems.being_paid(before.id)
    if before.state == PaymentState.PAID:
        raise problems.already_paid(before.id, before.provider)
    return False


async def _refuse_stale(cashier: Cashier, connection: AsyncConnection, quote: Quote, now: datetime) -> None:
    pending = await records.pending_of(connection, quote.reservation)
    if pending is not None:
        raise problems.being_paid(pending.id)
    fresh, signed = await _quote(cashier, connection, quote.reservation, now)
    if fresh.quote is None:
        raise problems.nothing_due()
    is_over = now.timestamp() * 1_000_000 > quote.valid_until_us
    alike = (quote.ordinal, quote.settled_minor) == (fresh.quote.ordinal, fresh.quote.settled_minor)
    # A booking that has ended meanwhile may cost less than what was said while it ran.
    if is_over or not alike or quote.amount_minor > fresh.quote.amount_minor:
        raise problems.stale_quote(told(fresh, signed))


def told(found: Quoted, signed: str) -> dict[str, Any]:
    """A fresh quote, as an answer has it."""
    quote = found.quote
    facts: dict[str, Any] = {
        "amount": found.fee.money.major,
        "amountMinor": found.fee.amount_minor,
        "currency": found.fee.currency,
    }
    if quote is not None:
        facts |= {"quote": signed, "validUntil": quote.valid_until_us // 1_000_000}
    return facts


def back_url(origin: str, payment: str) -> str:
    """Where a payer comes back to. A booking's own address is a secret that no provider has to know."""
    url = f"{origin}/payments/back/{payment}"
    # A name of a host is never that long.
    return url if origin and len(url) <= LONGEST_URL else ""


def order_of(payment: Payment) -> ChargeOrder:
    """What a provider is told of a payment: the same, whenever it is told."""
    return ChargeOrder(
        payment=payment.id,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        means=payment.means,
        words="Parking",
        return_url=payment.return_url,
        charge=payment.charge,
    )


async def heard(provider: Provider, asked: Awaitable[Charged]) -> Charged | None:
    """What a provider says; ``None`` where it says nothing: a worker will hear.

    What it refuses whoever asks has come to nothing, and stands in no other payment's way.
    """
    try:
        return await asked
    except ProviderAway as error:
        metrics.PROVIDER_AWAY.labels(provider.name).inc()
        log.warning("payment.provider_away", provider=provider.name, error=str(error))
        return None
    except OddAmount as error:
        log.warning("payment.odd_amount", provider=provider.name, error=str(error))
        return Charged(Fate.DECLINED, reason=sentence("Such an amount can't be paid like this"))
    except OtherCharge as error:
        # The provider has charged another amount under this identifier: somebody has to look.
        metrics.PAYMENTS.labels(provider.name, "other-amount").inc()
        log.error("payment.other_charge", provider=provider.name, error=str(error))
        return Charged(Fate.DECLINED, reason=sentence("It could not be charged"))


async def settle(cashier: Cashier, payment_id: str, charged: Charged) -> Payment:
    """Writes down what became of a charge; told again, or late, it is written once.

    Raises a Problem (404) where there is no such payment.
    """
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        payment = await records.payment(connection, payment_id)
        if payment is None:
            raise problems.no_such_payment()
        await settle_in(cashier, connection, payment, charged, now)
        found = await records.payment(connection, payment_id)
    assert found is not None
    return found


async def settle_in(
    cashier: Cashier, connection: AsyncConnection, payment: Payment, charged: Charged, now: datetime
) -> None:
    """As :func:`settle`, in the caller's transaction."""
    if _is_other(payment, charged):
        # Nothing is taken for granted: somebody has to look.
        log.error("payment.other_amount", payment=payment.id, told=charged.amount_minor)
        metrics.PAYMENTS.labels(payment.provider, "other-amount").inc()
        return
    if charged.fate is Fate.PAID:
        await _paid(connection, payment, charged, now)
    elif charged.fate in (Fate.DECLINED, Fate.CANCELLED):
        is_declined = charged.fate is Fate.DECLINED
        target = PaymentState.FAILED if is_declined else PaymentState.EXPIRED
        reason = charged.reason[:200] or (sentence("The card was declined.") if is_declined else "")
        ended = {"charge": charged.charge, "reason": reason, "settled_at": now, "next_url": ""}
        if await records.move_payment(connection, payment.id, [PaymentState.PENDING], target, **ended):
            await records.delete_task(connection, payment.id)
            await note(connection, payment.provider, target, payment.reservation_id, now, payment=payment.id)
            metrics.PAYMENTS.labels(payment.provider, target).inc()
    elif charged.fate is Fate.WAITING:
        await records.note_charge(connection, payment.id, charged.charge, charged.next_url)


def _is_other(payment: Payment, charged: Charged) -> bool:
    return (charged.amount_minor is not None and charged.amount_minor != payment.amount_minor) or (
        charged.currency is not None and charged.currency.upper() != payment.currency
    )


async def _paid(connection: AsyncConnection, payment: Payment, charged: Charged, now: datetime) -> None:
    """Money has come in: also for an attempt that was given up before the provider said so."""
    expected = [PaymentState.PENDING, PaymentState.FAILED, PaymentState.EXPIRED]
    ended = {"charge": charged.charge, "reason": "", "settled_at": now, "next_url": ""}
    if not await records.move_payment(connection, payment.id, expected, PaymentState.PAID, **ended):
        if payment.charge and payment.charge != charged.charge and payment.state == PaymentState.PAID:
            # A second charge under one identifier, which no provider may make: somebody has to look.
            metrics.PAYMENTS.labels(payment.provider, "other-charge").inc()
            log.error("payment.charged_again", payment=payment.id, charge=charged.charge)
        return
    till = f"till:{payment.provider}"
    revenue = f"revenue:{payment.lot_id}"
    await records.move_money(
        connection, payment.id, payment.amount_minor, payment.currency, till, revenue, now
    )
    text = receipts.receipt_text(payment, charged.charge, now)
    await records.insert_receipt(connection, payment.id, text, now)
    await records.delete_task(connection, payment.id)
    await note(
        connection,
        payment.by or payment.provider,
        "paid",
        payment.reservation_id,
        now,
        payment=payment.id,
        amount=Money(payment.amount_minor, payment.currency).major,
        currency=payment.currency,
    )
    metrics.PAYMENTS.labels(payment.provider, "paid").inc()


def _why_not(payment: Payment) -> str:
    if payment.reason:
        # Kept as it was said in English; what a provider may say one day stays as it is.
        return sentence(payment.reason.rstrip(".").replace("{", "{{").replace("}", "}}"))
    if payment.state == PaymentState.FAILED:
        return sentence("The payment was declined")
    return sentence("The payment was not finished")


def as_problem(payment: Payment) -> Problem | None:
    """402 for an attempt that was declined or not finished."""
    if payment.state not in (PaymentState.FAILED, PaymentState.EXPIRED):
        return None
    is_declined = payment.state == PaymentState.FAILED
    return Problem(
        402,
        "declined" if is_declined else "not-finished",
        _why_not(payment),
        sentence("Nothing was charged. Pay otherwise, or try again."),
        extra={"payment": payment.id, "paymentStatus": payment.state},
    )
