"""What a driver's open page is told when something happened to it: a booking was moved, a minute is over."""

import re
from datetime import timedelta
from typing import Any

from httpx2 import AsyncClient, Response

from app.bookings import attend, records
from app.bookings.desk import Desk
from app.bookings.expire import end_holds
from app.core.clock import FixedClock
from tests.integration.api.calls import RESERVE, put_slots

BY_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
WAIT, SLOT = "/lots/here/wait", "/lots/here/slots/s0"


async def slot_row(desk: Desk, identifier: str) -> records.SlotRow:
    async with desk.database.look() as connection:
        row = await records.slot_by(connection, identifier=identifier)
    assert row is not None
    return row


async def post(client: AsyncClient, address: str, browser: str, **fields: Any) -> Response:
    """As this browser, which is known by its cookie."""
    client.cookies.clear()
    cookies = {"Cookie": f"lotline_browser={browser}"} if browser else {}
    return await client.post(address, data=fields, headers=BY_HTMX | cookies)


async def test_the_page_of_a_moved_booking_is_read_anew(client: AsyncClient) -> None:
    await put_slots(client, 2)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    told = (await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})).json()
    page = await client.get(told["_links"]["booking"])
    found = re.search(r'hx-get="([^"]*/running[^"]*)"', page.text)
    assert found is not None
    assert (await client.get(found[1])).status_code == 200
    here, there = await slot_row(desk, "s0"), await slot_row(desk, "s1")
    await attend.move_booking(desk, told["reservation"], (here.slot_id, here.version), there.slot_id)
    moved = await client.get(found[1])
    assert (moved.status_code, moved.headers.get("HX-Redirect")) == (204, told["_links"]["booking"])
    assert ">s1<" in (await client.get(told["_links"]["booking"])).text


async def test_whose_minute_is_over_is_told_so_and_may_wait_again(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    client = timed_client
    await put_slots(client, 1)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    booked = await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    first, second = ("a" * 43, "b" * 43)
    for browser in (first, second):
        answer = await post(client, WAIT, browser, kind="")
        assert answer.status_code == 200
        clock.advance(timedelta(seconds=1))
    unreserve = {"slot": "s0", "entityIdentifier": "A 1"}
    assert booked.status_code == 200
    assert (await client.post("/parking?action=unreserve", json=unreserve)).status_code == 200
    form = {"entity": "", "start": "now", "duration": "120"}
    assert "Held for you" in (await post(client, f"{SLOT}/price", first, **form)).text
    clock.advance(timedelta(seconds=60))
    assert await end_holds(desk) == 1
    told = (await post(client, f"{SLOT}/price", first, **form)).text
    assert "Your minute was over." in told
    assert "wait-form" in told
    assert "was just taken" not in told
    pressed = await post(client, SLOT, first, **form, tried="1")
    assert pressed.status_code == 422
    assert "Reserve s0" not in pressed.text
    assert "Held for you" in (await post(client, f"{SLOT}/price", second, **form)).text
