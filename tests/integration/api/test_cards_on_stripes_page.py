"""A driver pays on Stripe's own page: is sent there, comes back, gives up; no secret goes with them."""

import re
from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient
from redis.asyncio import Redis

from tests.integration.api.calls import RESERVE, put_slots
from tests.integration.api.conftest import served
from tests.integration.payments import stripe_stub
from tests.integration.payments.stripe_stub import KEY, StripeStub
from tests.unit.payments.providers.orders import SECRET

PAGE = {"Accept": "text/html"}


@pytest.fixture
async def stub() -> AsyncIterator[StripeStub]:
    async with stripe_stub.served() as stub:
        yield stub


@pytest.fixture
async def client(
    database_url: str, redis_url: str, redis: Redis, stub: StripeStub
) -> AsyncIterator[AsyncClient]:
    async with served(
        database_url,
        redis_url,
        payments=("desk", "stripe"),
        stripe_api_key=KEY,
        stripe_webhook_secrets=(SECRET,),
        stripe_api_base=stub.url,
    ) as found:
        yield found


async def booked(client: AsyncClient) -> str:
    """The address of a booking that costs something."""
    await put_slots(client, 1)
    told = (await client.post(RESERVE, json={"entityIdentifier": "HKR 4821", "slot": "s0"})).json()
    address: str = told["_links"]["booking"]
    return address


async def goes_to_pay(client: AsyncClient, address: str) -> str:
    """Presses Pay; the page that sends the payer on."""
    page = (await client.get(address, headers=PAGE)).text
    quote = re.search(r'name="quote" value="([^"]+)"', page)
    assert quote is not None
    answer = await client.post(f"{address}/pay", data={"quote": quote[1], "means": "card"}, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_payer_goes_to_the_page_and_comes_back_paid(client: AsyncClient, stub: StripeStub) -> None:
    address = await booked(client)
    onward = await goes_to_pay(client, address)
    (session,) = stub.sessions.values()
    assert f'content="0; url={session["url"]}"' in onward
    assert address not in session["success_url"]
    assert "HKR" not in str(stub.seen)
    stub.pays_on_page(session["metadata"]["payment"], ok=True)
    # This browser knows of no booking: it was made by a program.
    back = await client.get(session["success_url"], headers=PAGE)
    assert back.status_code == 200
    assert "Paid" in back.text
    assert address not in back.text
    shown = (await client.get(address, headers=PAGE)).text
    assert "/receipts/" in shown
    assert "Pay €" not in shown


async def test_a_browser_that_knows_the_booking_comes_back_to_it(
    client: AsyncClient, stub: StripeStub
) -> None:
    address = await booked(client)
    client.cookies.set("lotline_bookings", address.rsplit("/", 1)[-1])
    await goes_to_pay(client, address)
    (session,) = stub.sessions.values()
    back = await client.get(session["success_url"], headers=PAGE)
    assert (back.status_code, back.headers["location"]) == (303, f"{address}?paying=done")


async def test_one_that_is_not_gone_on_with_is_gone_on_with_or_given_up(
    client: AsyncClient, stub: StripeStub
) -> None:
    address = await booked(client)
    onward = await goes_to_pay(client, address)
    (session,) = stub.sessions.values()
    shown = (await client.get(address, headers=PAGE)).text
    assert f'href="{session["url"]}"' in shown
    assert session["url"] in onward
    # One attempt at a time: there is nothing else to press.
    assert 'id="pay-form"' not in shown
    waits = await client.get(f"{address}/pay/waits")
    assert (waits.status_code, "hx-redirect" in waits.headers) == (204, False)
    url, payment = session["url"], session["metadata"]["payment"]
    for _ in range(2):
        given_up = await client.post(f"{address}/pay/give-up", data={"payment": payment}, headers=PAGE)
        assert given_up.status_code == 303
    assert session["status"] == "expired"
    shown = (await client.get(address, headers=PAGE)).text
    assert "not finished" in shown
    assert url not in shown
    ended = await client.get(f"{address}/pay/waits")
    assert ended.headers["hx-redirect"] == f"{address}?paying=done"
    await goes_to_pay(client, address)
    assert len(stub.sessions) == 2


async def test_nobody_gives_up_the_payment_of_another_booking(client: AsyncClient, stub: StripeStub) -> None:
    address = await booked(client)
    await goes_to_pay(client, address)
    (session,) = stub.sessions.values()
    told = (await client.post(RESERVE, json={"entityIdentifier": "A 2", "slot": "s0"})).json()
    assert told["type"].endswith("slot-taken")
    await client.put("/parking", json={"identifier": "s1", "location": "x", "size": "car", "premium": False})
    other = (await client.post(RESERVE, json={"entityIdentifier": "A 2", "slot": "s1"})).json()
    payment = session["metadata"]["payment"]
    refused = await client.post(
        f"{other['_links']['booking']}/pay/give-up", data={"payment": payment}, headers=PAGE
    )
    assert refused.status_code == 404
    assert session["status"] == "open"


async def test_nobody_pays_for_a_booking_with_the_quote_of_another(
    client: AsyncClient, stub: StripeStub
) -> None:
    address = await booked(client)
    page = (await client.get(address, headers=PAGE)).text
    quote = re.search(r'name="quote" value="([^"]+)"', page)
    assert quote is not None
    await client.put("/parking", json={"identifier": "s1", "location": "x", "size": "car", "premium": False})
    other = (await client.post(RESERVE, json={"entityIdentifier": "A 2", "slot": "s1"})).json()
    form = {"quote": quote[1], "means": "card", "leave": "1"}
    refused = await client.post(f"{other['_links']['booking']}/pay", data=form, headers=PAGE)
    assert refused.status_code == 422
    assert stub.sessions == {}
