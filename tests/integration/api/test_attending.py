"""What an attendant sends twice: a button pressed again, or a form that a bad network made come again."""

import asyncio
import re
from datetime import timedelta

import pytest_asyncio
from httpx2 import AsyncClient, Response
from sqlalchemy import update

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.desk import Desk
from app.bookings.expire import end_no_shows
from app.bookings.hold import Visitor, hold
from app.bookings.records import RESERVATION
from app.slots.models import Lot
from tests.integration.api.calls import RESERVE, put_slots

_LOT = Lot.__table__  # type: ignore[attr-defined]
SLOT = "/attendant/lots/here/slots/s0"
WORKS = "/attendant/lots/here/works"
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


async def lot_form(client: AsyncClient, which: str) -> dict[str, str]:
    """What a form of the desk's "Close or open several" sends."""
    desk = (await client.get("/attendant/lots/here")).text
    shown = re.search(rf'<form id="{which}".*?</form>', desk, flags=re.DOTALL)
    assert shown is not None
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown[0]))


async def status_of(client: AsyncClient, slot: str) -> str:
    status: str = (await client.get("/parking", params={"slot": slot})).json()["slotDetails"][0]["status"]
    return status


async def test_a_slot_is_closed_and_opened_where_it_was_closed(attendant: AsyncClient) -> None:
    closed = await send(attendant, "close", await form(attendant))
    assert "s0 is closed." in closed.text
    assert f'action="{SLOT}/open"' in closed.text
    opened = await send(attendant, "open", await form(attendant))
    assert "s0 is open." in opened.text
    assert await status_of(attendant, "s0") == "free"


async def test_a_slot_that_somebody_has_says_that_it_closes_and_that_it_does_not(
    attendant: AsyncClient,
) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    closing = await send(attendant, "close-when-free", await form(attendant))
    assert "closes when it comes free" in closing.text
    assert f'action="{SLOT}/keep-open"' in closing.text
    assert "s0 stays open." in (await send(attendant, "keep-open", await form(attendant))).text
    await send(attendant, "close-when-free", await form(attendant))
    await send(attendant, "release", await form(attendant))
    assert await status_of(attendant, "s0") == "closed"


async def test_a_booking_moves_to_the_nearest_one_unless_another_is_named(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    panel = (await attendant.get(SLOT, headers=BY_HTMX)).text
    assert 'id="move-to" name="to" value="s1"' in panel
    sent = await form(attendant)
    for _ in range(2):
        moved = await send(attendant, "move", sent | {"to": "S1"})
        assert moved.status_code == 200
        assert "Moved here from s0." in moved.text
        assert moved.headers["HX-Replace-Url"] == "/attendant/lots/here/slots/s1"
    assert (await status_of(attendant, "s0"), await status_of(attendant, "s1")) == ("free", "reserved")
    feed = (await attendant.get("/attendant/lots/here/just-now")).text
    assert "A 1, from s0" in feed


async def test_who_names_a_slot_that_is_not_free_or_not_there_is_told_so(attendant: AsyncClient) -> None:
    for slot, entity in (("s0", "A 1"), ("s1", "B 1")):
        await attendant.post(RESERVE, json={"entityIdentifier": entity, "slot": slot})
    for to, told in (("s1", "s1 is not free."), ("<b>", "has no slot &lt;b&gt;."), ("", "Say which slot.")):
        answer = await send(attendant, "move", await form(attendant) | {"to": to})
        assert answer.status_code == 422
        assert told in answer.text
    assert (await status_of(attendant, "s0"), await status_of(attendant, "s1")) == ("reserved", "reserved")


async def test_a_slot_entered_by_mistake_goes_and_its_page_with_it(attendant: AsyncClient) -> None:
    gone = await send(attendant, "delete", await form(attendant))
    assert (gone.status_code, gone.headers["HX-Redirect"]) == (204, "/attendant/lots/here")
    assert (await attendant.get(SLOT)).status_code == 404
    assert (await attendant.get("/parking", params={"slot": "s0"})).status_code == 404
    assert (await attendant.get("/attendant/lots/here")).status_code == 200


async def test_a_slot_that_had_a_booking_is_not_deleted_and_the_page_says_why(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    await send(attendant, "release", await form(attendant))
    told = await send(attendant, "delete", await form(attendant))
    assert told.status_code == 409
    assert "Close it, then nobody gets it." in told.text


async def test_a_stretch_closes_and_says_how_many_close_later(attendant: AsyncClient) -> None:
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    sent = await lot_form(attendant, "works-some") | {"area": "A", "first": "s0", "last": "s1"}
    for _ in range(2):
        answer = await attendant.post(WORKS, data=sent | {"act": "close some"}, headers=BY_HTMX)
        assert answer.status_code == 200
        assert "1 closed. 1 will close when it is released." in answer.text
    assert await status_of(attendant, "s1") == "closed"
    sent = await lot_form(attendant, "works-some") | {"area": "A", "act": "open some", "sure": "yes"}
    assert "1 opened. 1 other does not" in (await attendant.post(WORKS, data=sent, headers=BY_HTMX)).text


async def test_a_whole_area_is_closed_only_by_who_says_so_twice(attendant: AsyncClient) -> None:
    for script in (BY_HTMX, {}):
        sent = await lot_form(attendant, "works-some") | {"area": "A", "act": "close some"}
        asked = await attendant.post(WORKS, data=sent, headers=script)
        assert asked.status_code == 200
        assert "Close the whole of area A? These are 2 slots." in asked.text
        assert await status_of(attendant, "s0") == "free"
    sure = re.search(r'<form id="works-sure".*?</form>', asked.text, flags=re.DOTALL)
    assert sure is not None
    again = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', sure[0]))
    done = await attendant.post(WORKS, data=again | {"act": "close some"}, headers=BY_HTMX)
    assert "2 closed." in done.text
    assert [await status_of(attendant, slot) for slot in ("s0", "s1")] == ["closed", "closed"]


async def test_a_stretch_that_is_not_there_is_not_closed(attendant: AsyncClient) -> None:
    for wrong, told in (({"area": "Z"}, "Choose an area."), ({"first": "x9"}, "Area A has no slot X9.")):
        sent = await lot_form(attendant, "works-some") | {"area": "A", "act": "close some"} | wrong
        answer = await attendant.post(WORKS, data=sent, headers=BY_HTMX)
        assert (answer.status_code, told in answer.text) == (422, True)
    assert await status_of(attendant, "s0") == "free"


async def test_a_lot_is_closed_and_opened_and_its_wall_says_so(attendant: AsyncClient) -> None:
    sent = await lot_form(attendant, "works-lot")
    closed = await attendant.post(WORKS, data=sent, headers=BY_HTMX)
    assert "Here is closed." in closed.text
    assert 'value="open lot"' in closed.text
    # A wall is made from the picture that the hub has, which takes it up a moment later.
    for _ in range(100):
        if "CLOSED" in (wall := (await attendant.get("/display/here")).text):
            break
        await asyncio.sleep(0.05)
    assert "CLOSED" in wall
    refused = await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "lot": "here"})
    assert refused.status_code == 404
    assert await status_of(attendant, "s0") == "closed"
    assert "Open slot: it is closed with the lot" in (await attendant.get(SLOT, headers=BY_HTMX)).text
    opened = await attendant.post(WORKS, data=await lot_form(attendant, "works-lot"))
    assert opened.status_code == 200
    assert "Here is open." in opened.text
    assert await status_of(attendant, "s0") == "free"


async def awaits(desk: Desk, grace_s: int) -> None:
    """From now on who does not arrive in time loses the slot."""
    async with desk.database.unit_of_work() as connection:
        await connection.execute(update(_LOT).values(check_in_required=True, arrival_grace_s=grace_s))


async def test_who_soon_loses_the_slot_is_in_the_queue_and_a_no_show_in_the_feed(
    attendant: AsyncClient,
) -> None:
    desk: Desk = attendant.desk  # type: ignore[attr-defined]
    await awaits(desk, grace_s=280)
    booked = await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    assert booked.status_code == 200
    todo = (await attendant.get("/attendant/lots/here/todo")).text
    assert "4 min left" in todo
    assert "Not here yet" in todo
    assert "Kept until" in (await attendant.get(SLOT, headers=BY_HTMX)).text
    async with desk.database.unit_of_work() as connection:
        now = await desk.database.now(connection)
        await connection.execute(update(RESERVATION).values(arrive_by=now - timedelta(seconds=1)))
    assert ">no-show<" in (await attendant.get("/attendant/lots/here/todo")).text
    assert await end_no_shows(desk) == 1
    assert "Nothing to do" in (await attendant.get("/attendant/lots/here/todo")).text
    happened = (await attendant.get("/attendant/lots/here/just-now")).text
    assert "No-show" in happened
    assert "Left" not in happened


async def test_who_has_time_to_arrive_is_not_in_the_queue(attendant: AsyncClient) -> None:
    await awaits(attendant.desk, grace_s=900)  # type: ignore[attr-defined]
    await attendant.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    assert "Nothing to do" in (await attendant.get("/attendant/lots/here/todo")).text


async def test_a_slot_that_is_held_says_for_whom_and_until_when(attendant: AsyncClient) -> None:
    assert await hold(attendant.desk, "s0", Visitor("browser", "address")) is not None  # type: ignore[attr-defined]
    panel = (await attendant.get(SLOT, headers=BY_HTMX)).text
    assert "a driver who is choosing" in panel
    assert "Held until" in panel


async def test_the_form_says_by_when_one_has_to_check_in_from_the_moment_on_that_it_is_so(
    attendant: AsyncClient,
) -> None:
    assert "no account needed" in (await attendant.get("/lots/here/slots/s0")).text
    await awaits(attendant.desk, grace_s=600)  # type: ignore[attr-defined]
    attendant.desk.layouts.forget(1)  # type: ignore[attr-defined]
    assert "within 10 min, else it is lost" in (await attendant.get("/lots/here/slots/s0")).text
