"""Paying as a driver and an attendant do it: by forms, with and without a script."""

import re
from datetime import timedelta

from httpx2 import AsyncClient, Response

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from tests.integration.api.calls import CALCULATE, RESERVE, put_slots

PAY = "/parking/payment?action=pay"
SLOT = "/attendant/lots/here/slots/s0"
BY_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


async def booked(client: AsyncClient, clock: FixedClock) -> dict[str, str]:
    await put_slots(client, 1)
    told = (await client.post(RESERVE, json={"entityIdentifier": "HKR 4821", "slot": "s0"})).json()
    clock.advance(timedelta(minutes=20))
    return {"reservation": told["reservation"], "page": told["_links"]["booking"]}


async def signed_in(client: AsyncClient) -> None:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    account = await create_account(desk.database, "Ann", Role.ATTENDANT)
    await client.get(f"/sign-in/{await create_link(desk.database, account)}")


def hidden(page: Response) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))


async def test_an_attendant_takes_cash_and_the_driver_has_a_receipt(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    before = (await client.get(booking["page"])).text
    assert "Pay €1.00 and leave" in before
    await signed_in(client)
    panel = await client.get(SLOT, headers=BY_HTMX)
    assert "Take €1.00" in panel.text
    form = hidden(panel) | {"means": "cash"}
    for _ in range(2):
        taken = await client.post(f"{SLOT}/pay", data=form, headers=BY_HTMX)
        assert taken.status_code == 200
        assert "€1.00 taken." in taken.text
        assert "Take €" not in taken.text
    page = (await client.get(booking["page"])).text
    assert "Pay €" not in page
    assert "paid" in page
    link = re.search(r'href="(/receipts/[^"]+)"', page)
    assert link is not None
    receipt = await client.get(link[1])
    assert receipt.status_code == 200
    assert "€1.00" in receipt.text
    assert "HKR" not in receipt.text
    assert receipt.headers["referrer-policy"] == "strict-origin"
    assert (await client.get("/receipts/" + "A" * 36)).status_code == 404


async def test_over_rest_a_quote_is_paid_and_what_is_left_is_nothing(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    asked = {"reservation": booking["reservation"]}
    told = (await client.post(CALCULATE, json=asked)).json()
    assert (told["amount"], told["amountMinor"], told["currency"]) == ("1.00", 100, "EUR")
    assert told["validUntil"] == int((clock.now() + timedelta(minutes=10)).timestamp())
    refused = await client.post(PAY, json={"quote": told["quote"], "method": "cash"})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/only-an-attendant")
    await signed_in(client)
    paid = await client.post(PAY, json={"quote": told["quote"], "method": "terminal"})
    assert paid.status_code == 200, paid.text
    assert paid.json()["status"] == "paid"
    assert (await client.get(paid.json()["receipt"])).status_code == 200
    again = (await client.post(CALCULATE, json=asked)).json()
    assert (again["amountMinor"], again["quote"]) == (0, None)
    unreserve = {"slot": "s0", "entityIdentifier": "HKR 4821"}
    ended = (await client.post("/parking?action=unreserve", json=unreserve)).json()
    assert (ended["amountMinor"], ended["paymentStatus"]) == (100, "paid")


async def test_what_is_no_payment_is_refused_by_its_fields(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    for body, names in (
        ({}, {"quote", "method"}),
        ({"quote": 7, "method": ""}, {"quote", "method"}),
        ({"quote": "a" * 5_000, "method": "cash", "card": "4242"}, {"quote", "card"}),
    ):
        refused = await client.post(PAY, json=body)
        assert refused.status_code == 422
        assert {error["field"] for error in refused.json()["errors"]} == names
    preview = {"slotIdentifier": "s0", "startTime": 1_780_000_000, "endTime": 1_780_003_600}
    previewed = (await client.post(CALCULATE, json=preview)).json()
    assert "quote" not in previewed
    no_quote = await client.post(PAY, json={"quote": previewed["amount"], "method": "cash"})
    assert (no_quote.status_code, no_quote.json()["type"]) == (422, "/problems/not-a-quote")
    pressed = await client.post(f"{booking['page']}/pay", data={"quote": "x", "means": "cash"})
    assert pressed.status_code == 422
    assert "This is no quote of ours." in pressed.text
