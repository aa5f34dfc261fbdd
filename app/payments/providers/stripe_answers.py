"""What Stripe says of a PaymentIntent or a Checkout Session, in the words of this system.

The statuses are those of https://docs.stripe.com/payments/paymentintents/lifecycle, the codes those of
https://docs.stripe.com/error-codes and https://docs.stripe.com/declines/codes.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from app.core.languages import sentence
from app.payments.providers.protocol import Charged, Event, Fate, Refunded
from app.payments.providers.stripe_amounts import minor_amount

_DECLINED = sentence("The card was declined")
# What is not named here is nobody's business but the payer's and the bank's: a lost card, a suspicion.
_REASONS = {
    "amount_too_large": sentence("The amount is too large to be paid by card"),
    "amount_too_small": sentence("The amount is too small to be paid by card"),
    "authentication_required": sentence("The payer's bank did not confirm the payment"),
    "card_not_supported": sentence("The card can't be used for this"),
    "card_velocity_exceeded": sentence("The card's limit is reached"),
    "currency_not_supported": sentence("The card can't be used in this currency"),
    "expired_card": sentence("The card has expired"),
    "incorrect_cvc": sentence("The card's security code is wrong"),
    "insufficient_funds": sentence("There is not enough money on the card"),
    "invalid_cvc": sentence("The card's security code is wrong"),
    "issuer_not_available": sentence("The payer's bank could not be asked: try again later"),
    "payment_intent_authentication_failure": sentence("The payer's bank did not confirm the payment"),
    "processing_error": sentence("The payer's bank could not be asked: try again later"),
    "resource_missing": sentence("The card's details are not valid any more: enter them again"),
    "try_again_later": sentence("The payer's bank could not be asked: try again later"),
    "withdrawal_count_limit_exceeded": sentence("The card's limit is reached"),
}
_FATES = {
    "succeeded": Fate.PAID,
    "canceled": Fate.CANCELLED,
    # Nobody has begun to charge.
    "requires_payment_method": Fate.UNKNOWN,
    "requires_confirmation": Fate.UNKNOWN,
}
_EVENTS = {
    "payment_intent.succeeded": Fate.PAID,
    "payment_intent.payment_failed": Fate.DECLINED,
    "payment_intent.canceled": Fate.CANCELLED,
    "payment_intent.processing": Fate.WAITING,
}
_SESSION_EVENTS = ("checkout.session.completed", "checkout.session.expired")
_REFUNDS = {
    "succeeded": Fate.PAID,
    "failed": Fate.DECLINED,
    "canceled": Fate.DECLINED,
}


class _Failure(BaseModel):
    code: str | None = None
    decline_code: str | None = None


class _Redirect(BaseModel):
    url: str | None = None


class _NextAction(BaseModel):
    redirect_to_url: _Redirect | None = None


class Intent(BaseModel, frozen=True):
    """What matters of a PaymentIntent; amounts are in Stripe's units, and so is the currency's name."""

    id: str
    status: str
    amount: int
    currency: str
    amount_received: int | None = None
    metadata: Mapping[str, str] = {}
    last_payment_error: _Failure | None = None
    next_action: _NextAction | None = None

    @property
    def fate(self) -> Fate:
        """WAITING too where Stripe says a word that is new: it is never final."""
        if self.status == "requires_payment_method" and self.last_payment_error is not None:
            return Fate.DECLINED
        return _FATES.get(self.status, Fate.WAITING)

    def charged(self, fate: Fate | None = None) -> Charged:
        """``fate``: as an event has it. OddAmount: Stripe speaks of an amount that no order has."""
        fate = fate or self.fate
        currency = self.currency.upper()
        # What arrived is what was paid.
        amount = self.amount if fate is not Fate.PAID else self.amount_received or self.amount
        failure = self.last_payment_error or _Failure()
        redirect = self.next_action and self.next_action.redirect_to_url
        return Charged(
            fate,
            charge=self.id,
            reason=reason(failure.decline_code, failure.code) if fate is Fate.DECLINED else "",
            next_url=(redirect.url if fate is Fate.WAITING and redirect else None) or "",
            amount_minor=minor_amount(amount, currency),
            currency=currency,
        )


class Session(BaseModel, frozen=True):
    """What matters of a Checkout Session; amounts are in Stripe's units, and so is the currency's name."""

    id: str
    status: str
    payment_status: str
    amount_total: int
    currency: str
    url: str | None = None
    payment_intent: str | None = None
    metadata: Mapping[str, str] = {}

    @property
    def fate(self) -> Fate:
        """WAITING too where Stripe says a word that is new: it is never final."""
        if self.status == "complete" and self.payment_status == "paid":
            return Fate.PAID
        return Fate.CANCELLED if self.status == "expired" else Fate.WAITING

    def charged(self) -> Charged:
        """Once it is paid it is called as its intent, of which refunds are made."""
        currency = self.currency.upper()
        return Charged(
            self.fate,
            charge=(self.payment_intent if self.fate is Fate.PAID else None) or self.id,
            next_url=(self.url if self.fate is Fate.WAITING else None) or "",
            amount_minor=minor_amount(self.amount_total, currency),
            currency=currency,
        )


class GivenBack(BaseModel, frozen=True):
    """What matters of a Refund."""

    id: str
    status: str
    amount: int
    metadata: Mapping[str, str] = {}

    def refunded(self) -> Refunded:
        """WAITING where Stripe has yet to send the money, as when the account's balance is too low."""
        fate = _REFUNDS.get(self.status, Fate.WAITING)
        reason = sentence("The card's bank did not take it") if fate is Fate.DECLINED else ""
        return Refunded(fate, refund=self.id, reason=reason)


class _Told(BaseModel):
    """An event, of whatever kind."""

    id: str
    type: str
    data: Mapping[str, Any]


def reason(*codes: str | None) -> str:
    """Words for the payer, by the first code that has any."""
    return next((_REASONS[code] for code in codes if code in _REASONS), _DECLINED)


def event_of(body: bytes) -> Event | None:
    """What a webhook says whose signature was checked; ``None``: nothing of a payment of this system.

    ValueError: it can't be read.
    """
    told = _Told.model_validate_json(body)
    if told.type in _SESSION_EVENTS:
        session = Session.model_validate(told.data.get("object"))
        payment = session.metadata.get("payment")
        return Event(told.id, payment, session.charged()) if payment else None
    fate = _EVENTS.get(told.type)
    if fate is None:
        return None
    intent = Intent.model_validate(told.data.get("object"))
    payment = intent.metadata.get("payment")
    # An account may have other shops.
    if not payment:
        return None
    if fate is not Fate.PAID and intent.metadata.get("way"):
        # On Stripe's page a payer whose card is declined takes another one: the session says how it ends.
        return None
    return Event(told.id, payment, intent.charged(fate))
