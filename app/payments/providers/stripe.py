"""Cards by Stripe: a PaymentIntent for each payment, made first and confirmed then.

Why in two steps. Stripe answers a repeated request by its idempotency key, for a day, with what it answered
first. Were a charge a single request, to repeat it in order to ask would begin a charge that had never
arrived; and after that day it would be a second one. So a first request, under the payment's identifier,
makes an intent that has nothing to pay with: repeated it names the same intent and moves no money. A second
one confirms it with the card, and an intent is paid once at most, however often it is confirmed. Whoever asks
gets the intent's name and reads its present state; and to cancel it shuts out a confirmation that is still
under way.

An intent is found by what this process remembers; else by search, which is a minute late (an hour on a bad
day) but goes back for ever; else by its key, which is never late but good for a day. So a payment can be
asked about at any age. But after a day it must only be asked about: to charge is not to search, and would
begin anew. Where an account has no search (India), it can't be asked about after a day either.
https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/search#data-freshness
"""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import stripe
from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

from app.core.languages import sentence
from app.payments.providers import signatures
from app.payments.providers.protocol import (
    BadWebhook,
    Charged,
    ChargeOrder,
    Event,
    Fate,
    ProviderAway,
    Refunded,
    RefundOrder,
)
from app.payments.providers.refusals import OtherCharge
from app.payments.providers.stripe_amounts import stripe_amount
from app.payments.providers.stripe_answers import Intent, event_of, reason
from app.payments.providers.stripe_calls import StripeCalls, decline_codes, refused
from app.payments.providers.stripe_checkout import MEANS, Checkout

API_BASE = "https://api.stripe.com"
CONNECT_TIMEOUT_S = 2.0
TOTAL_TIMEOUT_S = 8.0
SIGNATURE_HEADER = "Stripe-Signature"
REMEMBERED = 10_000
# A statement has 22 characters, of which an account's own prefix may take 10, and "* " two more.
# https://docs.stripe.com/get-started/account/statement-descriptors
LONGEST_SUFFIX = 10
_LONGEST_DESCRIPTION = 1_000
_METHOD = re.compile(r"pm_[A-Za-z0-9_]{1,200}")
# Should there be several of one payment, the one that has come furthest is meant.
_FURTHEST = (Fate.PAID, Fate.WAITING, Fate.DECLINED, Fate.CANCELLED, Fate.UNKNOWN)


class Stripe:
    """``order.means`` is "card", for who pays on Stripe's own page, or the PaymentMethod that Stripe's
    elements have made in the browser.

    ``webhook_secrets``: those of the endpoint, the newest first; with none, every webhook is refused.
    ``total_s``: the longest that a call takes, whatever Stripe does.
    """

    name = "stripe"
    means: Mapping[str, str] = {MEANS: sentence("Card")}
    by_attendant = False
    needs_payer = frozenset({MEANS})

    def __init__(
        self,
        api_key: str,
        webhook_secrets: Sequence[str],
        *,
        api_base: str = API_BASE,
        connect_s: float = CONNECT_TIMEOUT_S,
        total_s: float = TOTAL_TIMEOUT_S,
    ) -> None:
        self._secrets = signatures.secrets_of(webhook_secrets)
        self._calls = StripeCalls(api_key, api_base, connect_s, total_s)
        self._checkout = Checkout(self._calls, self._calls.intents_of)
        self._remembered: OrderedDict[str, str] = OrderedDict()

    async def charge(self, order: ChargeOrder) -> Charged:
        """Raises OddAmount, and OtherCharge where the identifier stands for another amount or currency."""
        stripe_amount(order.amount_minor, order.currency)
        if order.means == MEANS:
            async with self._calls.in_time():
                return await self._checkout.charge(order)
        if not _METHOD.fullmatch(order.means):
            # It comes from a browser and may be anything: a card's number is not even sent on.
            return Charged(Fate.DECLINED, reason=reason("resource_missing"))
        async with self._calls.in_time():
            try:
                intent = await self._known(order) or await self._made(order)
            except stripe.InvalidRequestError as error:
                return Charged(Fate.DECLINED, reason=reason(refused("charge", error)))
            if intent.fate is not Fate.UNKNOWN:
                return intent.charged()
            return await self._confirmed(order, intent)

    async def ask(self, order: ChargeOrder) -> Charged:
        """UNKNOWN too where there is an intent and no charge. Raises as :meth:`charge` does."""
        async with self._calls.in_time():
            if order.means == MEANS:
                return await self._checkout.ask(order)
            intent = await self._found(order)
            return Charged(Fate.UNKNOWN) if intent is None else intent.charged()

    async def cancel(self, order: ChargeOrder) -> Charged:
        """What was never begun is cancelled too: the order may still be under way, and finds it so.

        What Stripe itself works on can't be cancelled: it is WAITING as before.
        """
        async with self._calls.in_time():
            if order.means == MEANS:
                return await self._checkout.cancel(order)
            intent = await self._found(order)
            if intent is None:
                return Charged(Fate.CANCELLED)
            if intent.fate not in (Fate.UNKNOWN, Fate.WAITING):
                return intent.charged()
            try:
                return (await self._calls.cancel(intent.id)).charged()
            except stripe.InvalidRequestError:
                # It was paid, or ended, at this very moment.
                return (await self._calls.intent(intent.id)).charged()

    async def refund(self, order: RefundOrder) -> Refunded:
        """Looks among the charge's refunds first: the key of one is good for a day, the list for ever.

        Raises OddAmount, and OtherCharge where the identifier stands for another amount.
        """
        amount = stripe_amount(order.amount_minor, order.currency)
        async with self._calls.in_time():
            charge = order.charge or await self._name_of(order.payment)
            try:
                for known in await self._calls.refunds_of(charge):
                    if known.metadata.get("refund") == order.refund:
                        if known.amount != amount:
                            raise OtherCharge("the refund's identifier stands for another amount")
                        return known.refunded()
                made = await self._calls.give_back(charge, amount, order.refund, order.payment)
            except stripe.IdempotencyError:
                raise OtherCharge("the refund's identifier stands for another one") from None
            except stripe.InvalidRequestError as error:
                refused("refund", error)
                return Refunded(Fate.DECLINED, reason=sentence("It can't be given back to the card"))
            return made.refunded()

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event | None:
        signatures.check(headers, SIGNATURE_HEADER, body, self._secrets, now)
        try:
            return event_of(body)
        except ValueError:
            raise BadWebhook("it is signed, but can't be read") from None

    async def aclose(self) -> None:
        self._calls.close()

    async def _confirmed(self, order: ChargeOrder, intent: Intent) -> Charged:
        params: PaymentIntentConfirmParams = {"payment_method": order.means}
        if order.return_url:
            params["return_url"] = order.return_url
        try:
            return (await self._calls.confirm(intent.id, params)).charged()
        except stripe.CardError as error:
            return replace(intent.charged(Fate.DECLINED), reason=reason(*decline_codes(error)))
        except stripe.InvalidRequestError as error:
            # Someone else may have confirmed it first; else the card can't be used, and nothing was charged.
            now = await self._calls.intent(intent.id)
            if now.fate is not Fate.UNKNOWN:
                return now.charged()
            return replace(now.charged(Fate.DECLINED), reason=reason(refused("charge", error)))

    async def _found(self, order: ChargeOrder) -> Intent | None:
        """A payment's intent; ``None``: Stripe takes no such charge."""
        try:
            return await self._known(order) or await self._searched(order) or await self._made(order)
        except stripe.InvalidRequestError as error:
            refused("ask", error)
            return None

    async def _known(self, order: ChargeOrder) -> Intent | None:
        name = order.charge if order.charge.startswith("pi_") else self._remembered.get(order.payment)
        return None if name is None else self._same(order, await self._calls.intent(name))

    async def _searched(self, order: ChargeOrder) -> Intent | None:
        found = await self._calls.intents_of(order.payment)
        if not found:
            return None
        return self._same(order, min(found, key=lambda one: _FURTHEST.index(one.fate)))

    async def _made(self, order: ChargeOrder) -> Intent:
        params: PaymentIntentCreateParams = {
            "amount": stripe_amount(order.amount_minor, order.currency),
            "currency": order.currency.lower(),
            "allowed_payment_method_types": ["card"],
            "metadata": {"payment": order.payment},
        }
        if order.words:
            params["description"] = order.words[:_LONGEST_DESCRIPTION]
        if suffix := on_statement(order.words):
            params["statement_descriptor_suffix"] = suffix
        try:
            intent, is_old = await self._calls.make(params, order.payment)
        except stripe.IdempotencyError:
            # The words may be others by now, which is no matter, or the amount, which is.
            found = await self._searched(order)
            if found is None:
                raise ProviderAway("Stripe knows the payment, but does not find it yet") from None
            return found
        return self._same(order, await self._calls.intent(intent.id) if is_old else intent)

    def _same(self, order: ChargeOrder, intent: Intent) -> Intent:
        """Remembers it; raises OtherCharge."""
        amount = stripe_amount(order.amount_minor, order.currency)
        if (intent.amount, intent.currency) != (amount, order.currency.lower()):
            raise OtherCharge("the payment stands for another amount or currency")
        self._remembered[order.payment] = intent.id
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return intent

    async def _name_of(self, payment: str) -> str:
        """Of a paid charge, whose name was not given."""
        names = [one.id for one in await self._calls.intents_of(payment) if one.fate is Fate.PAID]
        if not names:
            raise ProviderAway("Stripe does not find the charge, or not yet")
        return names[0]


def on_statement(words: str) -> str:
    """What of ``words`` fits on a card's statement; "" where that has no letter, which would be refused."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    kept = " ".join(re.sub(r"[^A-Za-z0-9 .,&+#/:-]", " ", plain).split())[:LONGEST_SUFFIX].strip()
    return kept if re.search("[A-Za-z]", kept) else ""
