"""Cards typed on Stripe's own page: one session for one payment, whoever asks, and however it ends."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

import pytest

from app.payments.providers import signatures
from app.payments.providers.protocol import Fate, ProviderAway
from app.payments.providers.refusals import OtherCharge
from app.payments.providers.stripe import SIGNATURE_HEADER, Stripe
from tests.integration.payments.stripe_stub import KEY, Fault, StripeStub, served
from tests.unit.payments.providers.orders import NOON, SECRET, given_back, ordered

Opened = Callable[[], Stripe]
ORDER = ordered(means="card")


@pytest.fixture
async def stub() -> AsyncIterator[StripeStub]:
    async with served() as stub:
        yield stub


@pytest.fixture
async def opened(stub: StripeStub) -> AsyncIterator[Opened]:
    """Makes a provider as another process would have it, that remembers nothing."""
    async with contextlib.AsyncExitStack() as stack:

        def open_one() -> Stripe:
            one = Stripe(KEY, [SECRET], api_base=stub.url)
            stack.push_async_callback(one.aclose)
            return one

        yield open_one


async def test_a_payer_is_sent_to_the_page_and_comes_back_paid(stub: StripeStub, opened: Opened) -> None:
    waiting = await opened().charge(ORDER)
    assert waiting.fate is Fate.WAITING
    assert waiting.next_url.startswith("https://checkout.stripe.example/cs_")
    (session,) = stub.sessions.values()
    assert session["success_url"] == ORDER.return_url
    noted = replace(ORDER, charge=waiting.charge)
    assert (await opened().ask(noted)).fate is Fate.WAITING
    stub.pays_on_page("p-1", ok=False)
    assert (await opened().ask(noted)).fate is Fate.WAITING
    stub.pays_on_page("p-1", ok=True)
    paid = await opened().ask(noted)
    assert (paid.fate, paid.amount_minor, paid.currency) == (Fate.PAID, 450, "EUR")
    assert paid.charge in stub.intents
    assert await opened().charge(ORDER) == paid
    assert await opened().cancel(noted) == paid
    assert stub.paid["p-1"] == 1
    back = await opened().refund(given_back(charge=paid.charge))
    assert back.fate is Fate.PAID


async def test_ordered_again_it_is_the_same_page(stub: StripeStub, opened: Opened) -> None:
    first = await opened().charge(ORDER)
    assert await opened().charge(ORDER) == first
    assert len(stub.sessions) == 1


@pytest.mark.parametrize("after", [False, True])
async def test_when_the_answer_is_lost_the_page_is_found_again(
    stub: StripeStub, opened: Opened, after: bool
) -> None:
    stub.faults.append(Fault("checkout/sessions", after=after))
    with pytest.raises(ProviderAway):
        await opened().charge(ORDER)
    assert (await opened().charge(ORDER)).fate is Fate.WAITING
    assert len(stub.sessions) == 1


async def test_given_up_it_can_not_be_paid_any_more(stub: StripeStub, opened: Opened) -> None:
    waiting = await opened().charge(ORDER)
    assert (await opened().cancel(replace(ORDER, charge=waiting.charge))).fate is Fate.CANCELLED
    stub.pays_on_page("p-1", ok=True)
    assert stub.paid["p-1"] == 0
    assert (await opened().charge(ORDER)).fate is Fate.CANCELLED


async def test_given_up_before_it_was_begun_it_is_found_so(stub: StripeStub, opened: Opened) -> None:
    assert (await opened().cancel(ORDER)).fate is Fate.CANCELLED
    assert (await opened().charge(ORDER)).fate is Fate.CANCELLED


async def test_what_was_paid_a_day_ago_is_found_by_search(stub: StripeStub, opened: Opened) -> None:
    await opened().charge(ORDER)
    stub.pays_on_page("p-1", ok=True)
    stub.a_day_passes()
    assert (await opened().ask(ORDER)).fate is Fate.PAID
    assert (await opened().cancel(ORDER)).fate is Fate.PAID
    assert stub.paid["p-1"] == 1


async def test_another_amount_is_another_charge(opened: Opened) -> None:
    await opened().charge(ORDER)
    with pytest.raises(OtherCharge):
        await opened().charge(replace(ORDER, amount_minor=900))


async def test_what_stripe_does_not_take_is_declined_in_words(opened: Opened) -> None:
    declined = await opened().charge(replace(ORDER, amount_minor=10))
    assert (declined.fate, declined.reason) == (Fate.DECLINED, "The amount is too small to be paid by card")


async def test_who_has_no_page_to_come_back_to_needs_a_token(opened: Opened) -> None:
    order = replace(ORDER, return_url="")
    assert (await opened().charge(order)).fate is Fate.DECLINED
    assert (await opened().ask(order)).fate is Fate.UNKNOWN
    assert (await opened().cancel(order)).fate is Fate.CANCELLED


def told(kind: str, about: dict[str, object], now: datetime) -> tuple[dict[str, str], bytes]:
    body = json.dumps({"id": "evt_1", "type": kind, "data": {"object": about}}).encode()
    return {SIGNATURE_HEADER: signatures.signature(SECRET, body, now)}, body


async def test_webhooks_tell_how_a_session_ends_and_not_of_cards_on_the_way(
    stub: StripeStub, opened: Opened
) -> None:
    provider = opened()
    await provider.charge(ORDER)
    stub.pays_on_page("p-1", ok=False)
    (intent,) = stub.intents.values()
    assert provider.read_webhook(*told("payment_intent.payment_failed", intent, NOON), NOON) is None
    stub.pays_on_page("p-1", ok=True)
    (session,) = stub.sessions.values()
    event = provider.read_webhook(*told("checkout.session.completed", session, NOON), NOON)
    assert event is not None
    assert (event.payment, event.charged.fate, event.charged.charge) == ("p-1", Fate.PAID, intent["id"])
    by_intent = provider.read_webhook(*told("payment_intent.succeeded", intent, NOON), NOON)
    assert by_intent is not None
    assert by_intent.charged == event.charged
    expired = session | {"status": "expired", "payment_status": "unpaid", "payment_intent": None}
    ended = provider.read_webhook(*told("checkout.session.expired", expired, NOON), NOON)
    assert ended is not None
    assert ended.charged.fate is Fate.CANCELLED
