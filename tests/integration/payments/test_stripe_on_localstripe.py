"""Stripe's library and ours against localstripe, a server of others that speaks Stripe's API."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest

from app.payments.providers.protocol import BadWebhook, Event, Fate, ProviderAway
from app.payments.providers.stripe import Stripe
from tests.integration.payments import plain_http
from tests.unit.payments.providers.orders import OLDER_SECRET, SECRET, given_back, ordered

KEY = "sk_test_of_localstripe"
GOOD = "pm_card_visa"
DECLINED = "pm_card_chargeCustomerFail"
# It waits a second itself.
TOLD_WITHIN_S = 15.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.integration.payments.run_localstripe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@pytest.fixture
async def provider(url: str) -> AsyncIterator[Stripe]:
    opened = Stripe(KEY, [SECRET, OLDER_SECRET], api_base=url)
    yield opened
    await opened.aclose()


async def test_a_charge_succeeds_and_is_retrieved(provider: Stripe) -> None:
    order = ordered("l-1", GOOD)
    paid = await provider.charge(order)
    assert (paid.fate, paid.amount_minor, paid.currency) == (Fate.PAID, 450, "EUR")
    assert paid.charge.startswith("pi_")
    assert await provider.ask(order) == paid == await provider.charge(order)
    assert await provider.cancel(order) == paid


async def test_a_currency_without_a_minor_unit_is_charged_as_it_is(provider: Stripe) -> None:
    paid = await provider.charge(ordered("l-2", GOOD, 700, "JPY"))
    assert (paid.fate, paid.amount_minor, paid.currency) == (Fate.PAID, 700, "JPY")


async def test_a_declined_card_stays_declined(provider: Stripe) -> None:
    order = ordered("l-3", DECLINED)
    declined = await provider.charge(order)
    assert (declined.fate, declined.reason) == (Fate.DECLINED, "The card was declined")
    assert await provider.ask(order) == declined
    assert await provider.charge(replace(order, means=GOOD)) == declined


async def test_a_card_that_is_not_known_is_declined(provider: Stripe) -> None:
    assert (await provider.charge(ordered("l-4", "pm_of_nobody"))).fate is Fate.DECLINED


async def test_what_was_not_begun_is_cancelled_and_stays_so(provider: Stripe) -> None:
    order = ordered("l-5", GOOD)
    cancelled = await provider.cancel(order)
    assert cancelled.fate is Fate.CANCELLED
    assert await provider.charge(order) == cancelled == await provider.ask(order)


async def test_a_whole_charge_is_given_back_once(provider: Stripe, url: str) -> None:
    paid = await provider.charge(ordered("l-6", GOOD))
    whole = given_back("lr-1", "l-6", paid.charge)
    back = await provider.refund(whole)
    assert back.fate is Fate.PAID
    other = Stripe(KEY, [SECRET], api_base=url)
    assert await other.refund(whole) == back
    await other.aclose()
    assert await refunded_minor(url, paid.charge) == [450]


async def test_parts_of_a_charge_are_given_back(provider: Stripe, url: str) -> None:
    paid = await provider.charge(ordered("l-7", GOOD))
    for refund, amount_minor in (("lr-2", 100), ("lr-3", 50), ("lr-2", 100)):
        part = given_back(refund, "l-7", paid.charge, amount_minor)
        assert (await provider.refund(part)).fate is Fate.PAID
    assert sorted(await refunded_minor(url, paid.charge)) == [50, 100]


async def test_what_failed_can_not_be_given_back(provider: Stripe) -> None:
    declined = await provider.charge(ordered("l-8", DECLINED))
    assert (await provider.refund(given_back("lr-4", "l-8", declined.charge))).fate is Fate.DECLINED
    assert (await provider.refund(given_back("lr-5", "l-8", "pi_of_nobody"))).fate is Fate.DECLINED


async def test_a_key_that_it_does_not_take_is_a_provider_that_is_away(url: str) -> None:
    other = Stripe("of_nobody", [SECRET], api_base=url)
    with pytest.raises(ProviderAway):
        await other.charge(ordered("l-9", GOOD))
    await other.aclose()


@pytest.mark.parametrize("secret", [SECRET, OLDER_SECRET])
async def test_its_webhooks_are_signed_and_tell_what_became_of_charges(
    provider: Stripe, url: str, secret: str
) -> None:
    told: asyncio.Queue[plain_http.Request] = asyncio.Queue()

    async def take(request: plain_http.Request, writer: asyncio.StreamWriter) -> bool:
        told.put_nowait(request)
        await plain_http.answer(writer, 200)
        return True

    async with plain_http.served(take) as here, httpx2.AsyncClient(base_url=url) as client:
        kinds = ["payment_intent.succeeded", "payment_intent.payment_failed"]
        asked = {"url": f"{here}/webhooks", "secret": secret, "events": kinds}
        assert (await client.post("/_config/webhooks/tests", json=asked)).status_code == 200
        charges = {
            f"l-{secret}-paid": await provider.charge(ordered(f"l-{secret}-paid", GOOD)),
            f"l-{secret}-declined": await provider.charge(ordered(f"l-{secret}-declined", DECLINED, 990)),
        }
        events: dict[str, Event] = {}
        async with asyncio.timeout(TOLD_WITHIN_S):
            # It also tells of the charges of earlier tests.
            while not charges.keys() <= events.keys():
                request = await told.get()
                now = datetime.now(UTC)
                event = provider.read_webhook(request.headers, request.body, now)
                assert event is not None
                events[event.payment] = event
                with pytest.raises(BadWebhook):
                    provider.read_webhook(request.headers, request.body + b" ", now)
    assert {payment: events[payment].charged for payment in charges} == charges
    assert len({event.event for event in events.values()}) == len(events)


async def refunded_minor(url: str, charge: str) -> list[int]:
    """What localstripe itself says."""
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        answer = await client.get("/v1/refunds", params={"payment_intent": charge})
    return [one["amount"] for one in answer.json()["data"]]
