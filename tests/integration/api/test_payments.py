"""Paying as a driver and an attendant do it: by forms, with and without a script."""

import re
from datetime import timedelta

from httpx2 import AsyncClient, Response

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, put_slots

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


async def test_who_left_without_paying_pays_at_the_desk(timed_client: AsyncClient, clock: FixedClock) -> None:
    client = timed_client
    booking = await booked(client, clock)
    await client.post(UNRESERVE, json={"entityIdentifier": "HKR 4821", "slot": "s0"})
    assert "What it cost" in (await client.get(booking["page"])).text
    await signed_in(client)
    money = "/attendant/money?lot=here"
    for typed, found in (("", True), ("hkr48", True), ("zz", False), ("%", False)):
        shown = (await client.get(f"{money}&q={typed.replace('%', '%25')}")).text
        assert ("HKR 4821" in shown) is found, typed
    form = hidden(await client.get(money)) | {"means": "cash"}
    for _ in range(2):
        taken = await client.post("/attendant/money/take", data=form)
        assert taken.headers["location"].endswith("done=taken")
    shown = (await client.get(taken.headers["location"])).text
    assert "It is taken." in shown
    assert "Nobody left without paying" in shown
    assert shown.count("/receipts/") == 1
    other = await client.post("/attendant/money/take", data=form | {"means": "terminal"})
    assert "Nothing was taken" in (await client.get(other.headers["location"])).text


async def test_who_pays_for_more_than_it_costs_and_leaves_gets_the_rest_back(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    # In 30 s the next half hour begins: the quote is of its price.
    clock.advance(timedelta(minutes=9, seconds=30))
    form = hidden(await client.get(booking["page"])) | {"means": "sandbox-success", "leave": "1"}
    paid = await client.post(f"{booking['page']}/pay", data=form)
    assert paid.headers["location"] == f"{booking['page']}?paying=done"
    page = (await client.get(paid.headers["location"])).text
    assert "€2.00 is paid." in page
    assert "€1.00 given back" in page
    released = await client.post(UNRESERVE, json={"entityIdentifier": "HKR 4821", "slot": "s0"})
    assert released.json()["amountMinor"] == 100
    page = (await client.get(booking["page"])).text
    assert page.count("given back") == 1
    assert "is paid." not in page


async def test_a_second_receipt_says_what_was_paid_before_and_sums_up(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    for _ in range(2):
        form = hidden(await client.get(booking["page"])) | {"means": "sandbox-success"}
        await client.post(f"{booking['page']}/pay", data=form)
        clock.advance(timedelta(minutes=30))
    newest = re.findall(r'href="(/receipts/[^"]+)"', (await client.get(booking["page"])).text)[0]
    receipt = (await client.get(newest)).text
    assert "Paid before" in receipt
    assert "Good for leaving until" in receipt


async def test_while_a_driver_pays_the_desk_takes_nothing(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    booking = await booked(client, clock)
    form = hidden(await client.get(booking["page"])) | {"means": "sandbox-slow"}
    await client.post(f"{booking['page']}/pay", data=form)
    assert "€1.00 is being paid." in (await client.get(booking["page"])).text
    await signed_in(client)
    panel = (await client.get(SLOT, headers=BY_HTMX)).text
    assert "The driver is paying €1.00 by card." in panel
    assert 'value="cash"' not in panel


async def test_a_form_that_is_loaded_anew_leads_to_the_booking(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    for act in ("pay", "code"):
        again = await timed_client.get(f"{booking['page']}/{act}")
        assert (again.status_code, again.headers["location"]) == (303, booking["page"])
