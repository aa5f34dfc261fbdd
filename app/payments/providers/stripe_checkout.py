"""Cards by Stripe's own page (Checkout): for payers who have no token, since they type their card there.

A session is made under the payment's identifier and moves no money; the payer pays it once at most. It is
found by its name, which is kept with the payment, else by its key within a day; what was paid is also found
by search, at any age, since the session's intent bears the payment's identifier.
https://docs.stripe.com/api/checkout/sessions
"""

from collections.abc import Awaitable, Callable

import stripe
from stripe.params.checkout import SessionCreateParams

from app.core.languages import sentence
from app.payments.providers.protocol import Charged, ChargeOrder, Fate
from app.payments.providers.refusals import OtherCharge
from app.payments.providers.stripe_amounts import stripe_amount
from app.payments.providers.stripe_answers import Intent, Session, reason
from app.payments.providers.stripe_calls import StripeCalls, refused

MEANS = "card"
# Says on an intent that it is a session's: there a card that is declined ends nothing.
WAY = "checkout"
_NAME = "cs_"


class Checkout:
    """``search``: the intents of a payment."""

    def __init__(self, calls: StripeCalls, search: Callable[[str], Awaitable[list[Intent]]]) -> None:
        self._calls = calls
        self._search = search

    async def charge(self, order: ChargeOrder) -> Charged:
        """WAITING with the page's address. Raises OddAmount, OtherCharge, ProviderAway."""
        if not order.return_url:
            return Charged(Fate.DECLINED, reason=sentence("A card is paid with in a browser"))
        try:
            session, _ = await self._session(order)
        except stripe.InvalidRequestError as error:
            return Charged(Fate.DECLINED, reason=reason(refused("checkout", error)))
        return session.charged()

    async def ask(self, order: ChargeOrder) -> Charged:
        """UNKNOWN too where there is a session that nobody has been shown."""
        if not order.return_url:
            return Charged(Fate.UNKNOWN)
        try:
            session, is_new = await self._session(order)
        except stripe.InvalidRequestError as error:
            refused("ask", error)
            return Charged(Fate.UNKNOWN)
        if not is_new:
            return session.charged()
        return await self._paid(order) or Charged(Fate.UNKNOWN)

    async def cancel(self, order: ChargeOrder) -> Charged:
        """What was never begun is cancelled too: an order that is under way finds it so."""
        if not order.return_url:
            return Charged(Fate.CANCELLED)
        try:
            session, _ = await self._session(order)
        except stripe.InvalidRequestError as error:
            refused("cancel", error)
            return Charged(Fate.CANCELLED)
        if session.fate is Fate.WAITING:
            try:
                session = await self._calls.expire(session.id)
            except stripe.InvalidRequestError:
                # It was paid, or has ended, at this very moment.
                session = await self._calls.session(session.id)
        return await self._paid(order) or session.charged()

    async def _session(self, order: ChargeOrder) -> tuple[Session, bool]:
        """As it is now, and whether it has been made just now."""
        if order.charge.startswith(_NAME):
            return self._same(order, await self._calls.session(order.charge)), False
        try:
            session, is_old = await self._calls.make_session(_params(order), order.payment)
        except stripe.IdempotencyError:
            raise OtherCharge("the payment stands for another amount or currency") from None
        if is_old:
            session = await self._calls.session(session.id)
        return self._same(order, session), not is_old

    async def _paid(self, order: ChargeOrder) -> Charged | None:
        """By a session that is not known here any more."""
        if order.charge:
            return None
        paid = [one for one in await self._search(order.payment) if one.fate is Fate.PAID]
        return paid[0].charged() if paid else None

    def _same(self, order: ChargeOrder, session: Session) -> Session:
        amount = stripe_amount(order.amount_minor, order.currency)
        if (session.amount_total, session.currency) != (amount, order.currency.lower()):
            raise OtherCharge("the payment stands for another amount or currency")
        return session


def _params(order: ChargeOrder) -> SessionCreateParams:
    return {
        "mode": "payment",
        "allowed_payment_method_types": ["card"],
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": order.currency.lower(),
                    "unit_amount": stripe_amount(order.amount_minor, order.currency),
                    "product_data": {"name": order.words or "Parking"},
                },
            }
        ],
        "client_reference_id": order.payment,
        "metadata": {"payment": order.payment},
        "payment_intent_data": {"metadata": {"payment": order.payment, "way": WAY}},
        "success_url": order.return_url,
        "cancel_url": order.return_url,
    }
