"""Paying while SQL is away, as a driver, an attendant and a program do it."""

import re
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from httpx2 import AsyncClient
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.bookings.unreserve import release
from app.core.db import SqlAway
from app.payments.paying import Cashier
from app.payments.posting import Posting
from app.payments.unfinished import finish
from tests.chaos.waiting import until_none
from tests.integration.api.calls import CALCULATE, RESERVE, problem
from tests.integration.api.conftest import served
from tests.integration.api.test_sql_away import PAGE, away, look_around, signed_in
from tests.integration.lots import lot_plan, open_lot
from tests.integration.outages import Outage

PAY = "/parking/payment?action=pay"
DESK_SLOT = "/attendant/lots/here/slots/A1"
BY_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
POSTED_WITHIN_S = 30.0


@pytest.fixture
async def client(outage: Outage, redis_url: str, redis: Redis) -> AsyncIterator[AsyncClient]:
    async with served(outage.url, redis_url) as found:
        await open_lot(found.desk, lot_plan("here", slots=3))  # type: ignore[attr-defined]
        assert (await found.get("/lots/here", headers=PAGE)).status_code == 200
        await look_around(found)
        yield found


async def booked(client: AsyncClient, slot: str = "here-A1") -> tuple[str, str]:
    """The booking's identifier, and its page."""
    asked = {"entityIdentifier": f"A {slot}", "slot": slot}
    told = (await client.post(RESERVE, json=asked)).json()
    return told["reservation"], told["_links"]["booking"]


async def quote_of(client: AsyncClient, reservation: str) -> str:
    quote: str = (await client.post(CALCULATE, json={"reservation": reservation})).json()["quote"]
    return quote


async def posted(client: AsyncClient) -> None:
    """What the worker of this machine does, once SQL is back."""
    desk: Desk = client.desk  # type: ignore[attr-defined]
    cashier = client.app.state.parts.get(Cashier)  # type: ignore[attr-defined]

    async def leave(reservation: str, left_at: datetime) -> None:
        await release(desk, reservation, left_at)

    async def not_yet() -> list[str]:
        try:
            await Posting(cashier, leave).go_on()
            await finish(cashier)
        except SqlAway as error:
            return [str(error)]
        return []

    await until_none(not_yet, POSTED_WITHIN_S, "the journal is posted")


async def test_a_driver_pays_and_leaves_and_finds_the_receipt_later(
    outage: Outage, client: AsyncClient
) -> None:
    _, address = await booked(client)
    page = (await client.get(address)).text
    quote = re.search(r'name="quote" value="([^"]+)"', page)
    assert quote is not None
    form = {"quote": quote[1], "means": "sandbox-success", "leave": "1"}
    async with away(outage, client):
        for _ in range(2):
            accepted = await client.post(f"{address}/pay", data=form, headers=PAGE)
            assert accepted.status_code == 202
            assert "€1.00" in accepted.text
            assert "The receipt follows." in accepted.text
            assert "your booking ends as of now" in accepted.text
    await posted(client)
    page = (await client.get(address)).text
    assert "/receipts/" in page
    assert "Released" in page
    assert "Pay €" not in page


async def test_an_attendant_takes_cash_and_is_told_that_the_receipt_follows(
    outage: Outage, client: AsyncClient
) -> None:
    _, address = await booked(client)
    await signed_in(client)
    panel = (await client.get(DESK_SLOT, headers=BY_HTMX)).text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', panel)) | {"means": "cash"}
    assert form["quote"]
    async with away(outage, client):
        taken = await client.post(f"{DESK_SLOT}/pay", data=form, headers=BY_HTMX)
        assert taken.status_code == 202
        assert "€1.00 taken. The receipt follows." in taken.text
        without_script = await client.post(f"{DESK_SLOT}/pay", data=form, headers=PAGE)
        assert without_script.status_code == 202
        assert "The receipt follows." in without_script.text
        by_terminal = await client.post(f"{DESK_SLOT}/pay", data=form | {"means": "terminal"}, headers=PAGE)
        assert by_terminal.status_code == 409
        assert "Somebody is paying for this booking" in by_terminal.text
    await posted(client)
    page = (await client.get(address)).text
    assert page.count("/receipts/") == 1


async def test_a_program_is_answered_202_and_its_repetition_too(outage: Outage, client: AsyncClient) -> None:
    reservation, _ = await booked(client)
    body = {"quote": await quote_of(client, reservation), "method": "sandbox-success"}
    async with away(outage, client):
        first, again = [await client.post(PAY, json=body) for _ in range(2)]
        assert (first.status_code, again.status_code) == (202, 202)
        told = first.json()
        assert told == again.json()
        assert (told["status"], told["amountMinor"], told["receipt"]) == ("accepted", 100, None)
        cash = await client.post(PAY, json=body | {"method": "cash"})
        problem(cash, 403, "only-an-attendant")
        problem(await client.post(CALCULATE, json={"reservation": reservation}), 503, "unavailable")
    await posted(client)
    paid = await client.post(PAY, json=body)
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    assert paid.json()["payment"] == told["payment"]
