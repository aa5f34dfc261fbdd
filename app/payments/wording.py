"""Payments and refunds in words: the same on a driver's page, at the desk and in the operator's books."""

import json
from dataclasses import dataclass
from datetime import datetime

from app.core import words
from app.core.languages import say, sentence, told, told_again
from app.core.money import Money
from app.payments.models import Payment, PaymentState, Refund, RefundState

DESK = "desk"
STATES = {
    PaymentState.PENDING: sentence("under way"),
    PaymentState.PAID: sentence("paid"),
    PaymentState.FAILED: sentence("declined"),
    PaymentState.EXPIRED: sentence("not finished"),
}
_MEANS = {"cash": sentence("Cash"), "terminal": sentence("Card terminal")}


@dataclass(frozen=True)
class Place:
    """Where a payment was for, as its bill says it, also of a lot that is called otherwise by now."""

    lot_code: str
    lot: str
    slot: str
    time_zone: str


def place_of(payment: Payment) -> Place:
    """What the payment's bill says of the place."""
    bill = json.loads(payment.bill)
    lot = bill["lot"]
    return Place(lot["code"], lot["name"], bill["slot"]["name"], lot["timeZone"])


def till_of(provider: str, means: str) -> str:
    """Where the money is: ``cash``, ``terminal``, or with the card provider of this name."""
    return means if provider == DESK else provider


def till_words(till: str) -> str:
    """``Cash``, ``Card terminal``, ``Card, by stripe``."""
    return str(told(_MEANS[till])) if till in _MEANS else say("Card, by {provider}", provider=till)


def means_words(means: str) -> str:
    """What was paid with; of a card nothing is told but that it was one."""
    return str(told(_MEANS[means])) if means in _MEANS else say("Card")


def state_words(payment: Payment) -> str:
    """``paid``, or ``declined: The card was declined``."""
    said = told(STATES[PaymentState(payment.state)])
    return f"{said}: {told_again(payment.reason)}" if payment.reason else said


def back_words(payment: Payment, pending_minor: int) -> str:
    """What was given back of it, and what is to be: ``€1.00 given back, €0.50 on its way back``."""
    done = Money(payment.refunded_minor - pending_minor, payment.currency)
    pending = Money(pending_minor, payment.currency)
    said = []
    if done.amount_minor:
        said.append(say("{amount} given back", amount=done))
    if pending.amount_minor and payment.provider == DESK:
        said.append(say("{amount} to be given back", amount=pending))
    elif pending.amount_minor:
        said.append(say("{amount} on its way back", amount=pending))
    return ", ".join(said)


def payment_words(payment: Payment, pending_minor: int) -> str:
    """How a payment stands, in one line."""
    back = back_words(payment, pending_minor)
    if not back:
        return state_words(payment)
    if payment.refunded_minor == payment.amount_minor and not pending_minor:
        return say("given back")
    return f"{state_words(payment)}, {back}"


def refund_words(state: str, provider: str) -> str:
    """How a refund stands. What the desk gives back waits for a person, what a card gets for its provider."""
    if state == RefundState.PENDING:
        return say("is to be given back") if provider == DESK else say("is on its way back")
    return say("given back") if state == RefundState.DONE else say("could not be given back")


def moment(instant: datetime, time_zone: str) -> str:
    """``Mon 23 Nov 2026 16:10``."""
    return f"{words.day(instant, time_zone)} {words.clock(instant, time_zone)}"


@dataclass(frozen=True)
class ToGive:
    """Money that somebody has to hand over: a refund at the desk that nobody has given back yet."""

    refund: str
    payment: str
    amount: str
    means: str
    lot: str
    slot: str
    since: str
    reason: str


def to_give(refund: Refund, payment: Payment) -> ToGive:
    """The refund as it stands in the list of what is to be given back."""
    place = place_of(payment)
    return ToGive(
        refund=refund.id,
        payment=payment.id,
        amount=Money(refund.amount_minor, refund.currency).text(),
        means=means_words(payment.means),
        lot=place.lot,
        slot=place.slot,
        since=moment(refund.created_at, place.time_zone),
        reason=refund.reason,
    )
