"""What an attendant sends twice: a button pressed again, or a form that a bad network made come again."""

import re

import pytest_asyncio
from httpx2 import AsyncClient, Response

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.desk import Desk
from tests.integration.api.calls import RESERVE, put_slots

SLOT = "/attendant/lots/here/slots/s0"
BY_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest_asyncio.fixture
async def attendant(client: AsyncClient) -> AsyncClient:
    await put_slots(client, 2)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    account = await create_account(desk.database, "Ann", Role.ATTENDANT)
    await client.get(f"/sign-in/{await create_link(desk.database, account)}")
    return client


async def form(client: AsyncClient, slot: str = SLOT) -> dict[str, str]:
    """What the forms of a slot's panel send."""
    panel = (await client.get(slot, headers=BY_HTMX)).text
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', panel))


async def send(client: AsyncClient, action: str, sent: dict[str, str]) -> Response:
    return await client.post(f"{SLOT}/{action}", data=sent, headers=BY_HTMX)


async def test_a_release_that_comes_again_says_again_what_is_owed(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    sent = await form(attendant)
    first, again = await send(attendant, "release", sent), await send(attendant, "release", sent)
    assert (first.status_code, again.status_code) == (200, 200)
    assert "Released" in first.text
    assert re.findall("Released,[^<]*", again.text) == re.findall("Released,[^<]*", first.text)


async def test_a_check_in_that_comes_again_is_no_conflict(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    sent = await form(attendant)
    for _ in range(2):
        done = await send(attendant, "check-in", sent)
        assert done.status_code == 200
        assert "Checked in." in done.text


async def test_who_acts_on_what_somebody_else_has_ended_is_told_so(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    ann, bob = await form(attendant), await form(attendant)
    assert (await send(attendant, "release", ann)).status_code == 200
    told = await send(attendant, "release", bob)
    assert told.status_code == 409
    assert "Changed meanwhile." in told.text


async def test_a_booking_is_ended_only_from_its_own_slot(attendant: AsyncClient) -> None:
    for name in ("s0", "s1"):
        await attendant.post(RESERVE, json={"entityIdentifier": f"A {name}", "slot": name})
    other = await form(attendant, SLOT.replace("s0", "s1"))
    assert (await send(attendant, "release", other)).status_code == 409
    assert len((await attendant.get("/parking?status=reserved")).json()["slotDetails"]) == 2
