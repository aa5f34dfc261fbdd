"""What an attendant takes back a moment later, and what the desk's lists say of it."""

import re
from datetime import timedelta

import pytest_asyncio
from httpx2 import AsyncClient

from app.accounts.models import Role
from app.bookings import records
from app.bookings.desk import Desk
from app.bookings.hold import Visitor, join
from app.bookings.models import Reservation
from app.core.clock import FixedClock
from app.payments.records import refunds_of
from app.payments.refunding import UNDO_WITHIN, UNDONE
from app.slots.layout import Layouts, Wish
from app.slots.models import Lot
from tests.integration.api.calls import RESERVE, put_slots
from tests.integration.api.test_attending import BY_HTMX, status_of
from tests.integration.api.test_tariffs import sign_in, words_of

LOT = "/attendant/lots/here"
SLOT = f"{LOT}/slots/s0"
MONEY = "/attendant/money?lot=here"


@pytest_asyncio.fixture
async def ann(timed_client: AsyncClient) -> AsyncClient:
    await put_slots(timed_client, 2)
    await sign_in(timed_client, "Ann", Role.ATTENDANT)
    return timed_client


async def form(client: AsyncClient, name: str, path: str = SLOT) -> dict[str, str]:
    """What the form with this id sends."""
    page = (await client.get(path, headers=BY_HTMX)).text
    return in_form(page, name)


def in_form(page: str, name: str) -> dict[str, str]:
    found = re.search(rf'<form [^>]*id="{name}".*?</form>', page, flags=re.DOTALL)
    assert found is not None, name
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[0])) | {
        "to": re.findall(r'action="([^"]*)"', found[0])[0]
    }


async def press(client: AsyncClient, sent: dict[str, str], **more: str) -> str:
    """Sends a form as htmx does; the panel that answers."""
    target = sent.pop("to")
    moved_to = {"to": sent.pop("moved_to")} if "moved_to" in sent else {}
    answer = await client.post(target, data=sent | moved_to | more, headers=BY_HTMX)
    assert answer.status_code == 200, answer.text
    return answer.text


async def booked(client: AsyncClient, **more: object) -> str:
    answer = await client.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0", **more})
    assert answer.status_code == 200, answer.text
    reservation: str = answer.json()["reservation"]
    return reservation


async def running(client: AsyncClient, reservation: str) -> Reservation:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    async with desk.database.look() as connection:
        found = await records.active(connection, id=reservation)
    assert found is not None
    return found


async def test_a_check_in_of_another_car_is_taken_back_and_nothing_has_begun(
    ann: AsyncClient, clock: FixedClock
) -> None:
    later = int((clock.now() + timedelta(minutes=50)).timestamp())
    reservation = await booked(ann, time=later)
    before = await running(ann, reservation)
    clock.advance(timedelta(minutes=5))
    panel = await press(ann, await form(ann, "act-check-in"))
    checked_in = await running(ann, reservation)
    assert checked_in.arrived_at == checked_in.start_at == clock.now()
    clock.advance(timedelta(minutes=1))
    panel = await press(ann, in_form(panel, "slot-undo"))
    assert "Not checked in after all." in panel
    assert await running(ann, reservation) == before
    assert await status_of(ann, "s0") == "reserved"


async def test_who_has_to_check_in_has_the_whole_grace_again(ann: AsyncClient, clock: FixedClock) -> None:
    desk: Desk = ann.desk  # type: ignore[attr-defined]
    async with desk.database.unit_of_work() as connection:
        table = Lot.__table__  # type: ignore[attr-defined]
        await connection.execute(table.update().values(check_in_required=True, arrival_grace_s=600))
    reservation = await booked(ann)
    await press(ann, await form(ann, "act-check-in"))
    assert (await running(ann, reservation)).arrive_by is None
    clock.advance(timedelta(minutes=5))
    await press(ann, await form(ann, "act-release") | {"to": f"{SLOT}/undo-check-in"})
    assert (await running(ann, reservation)).arrive_by == clock.now() + timedelta(seconds=600)


async def test_a_check_in_of_long_ago_is_not_taken_back(ann: AsyncClient, clock: FixedClock) -> None:
    """The car stands there: taken back it would be a no-show, and its slot somebody else's."""
    reservation = await booked(ann)
    await press(ann, await form(ann, "act-check-in"))
    before = await running(ann, reservation)
    clock.advance(timedelta(minutes=5, seconds=1))
    sent = await form(ann, "act-release")
    sent.pop("to")
    answer = await ann.post(f"{SLOT}/undo-check-in", data=sent, headers=BY_HTMX)
    assert answer.status_code == 409
    assert "be taken back any more. It can for five minutes." in words_of(answer)
    assert await running(ann, reservation) == before
    assert await status_of(ann, "s0") == "occupied"


async def test_cash_taken_by_a_slip_is_taken_back_once_and_is_owed_again(
    ann: AsyncClient, clock: FixedClock
) -> None:
    reservation = await booked(ann)
    clock.advance(timedelta(minutes=1))
    panel = await press(ann, await form(ann, "act-pay"), means="cash")
    assert "€1.00 taken." in panel
    assert "Owes" not in panel
    undo = in_form(panel, "slot-undo")
    for _ in range(2):
        panel = await press(ann, dict(undo))
        assert "The payment is undone: nothing was taken." in panel
        assert "Owes" in panel
    desk: Desk = ann.desk  # type: ignore[attr-defined]
    async with desk.database.look() as connection:
        refunds = await refunds_of(connection, undo["payment"])
    assert [(one.amount_minor, one.state, one.by, one.reason) for one in refunds] == [
        (100, "done", "Ann", UNDONE)
    ]
    # Who drives off now has not paid: it is asked for, in the feed and on the page of money.
    await press(ann, await form(ann, "act-release"))
    assert "€1.00 unpaid" in words_of(await ann.get(f"{LOT}/just-now"))
    assert "A 1 s0, left" in words_of(await ann.get(MONEY))
    assert "1 unpaid" in words_of(await ann.get("/attendant/money"))
    assert reservation in (await ann.get(MONEY)).text


async def test_money_is_taken_back_only_by_who_took_it_and_only_for_five_minutes(
    ann: AsyncClient, clock: FixedClock
) -> None:
    await booked(ann)
    clock.advance(timedelta(minutes=1))
    undo = in_form(await press(ann, await form(ann, "act-pay"), means="terminal"), "slot-undo")
    target, session = undo.pop("to"), dict(ann.cookies)
    await sign_in(ann, "Bob", Role.ATTENDANT)
    refused = await ann.post(target, data=undo, headers=BY_HTMX)
    assert refused.status_code == 409
    assert "be undone any more. Who took it can undo it for five minutes." in words_of(refused)
    assert 'id="slot-undo"' not in refused.text
    ann.cookies.clear()
    ann.cookies.update(session)
    assert 'id="slot-undo"' in (await ann.get(SLOT)).text
    clock.advance(UNDO_WITHIN + timedelta(seconds=1))
    assert 'id="slot-undo"' not in (await ann.get(SLOT)).text
    page = await ann.post(f"/attendant/money/{undo['payment']}/undo", data={"lot": "here"})
    assert page.headers["location"] == "/attendant/money?lot=here&done=too-late"
    assert "Paid €1.00, Card terminal" in words_of(await ann.get(SLOT, headers=BY_HTMX))


async def test_closing_and_moving_are_taken_back_from_the_feed(ann: AsyncClient, clock: FixedClock) -> None:
    await press(ann, await form(ann, "act-close", f"{LOT}/slots/s1"))
    feed = (await ann.get(f"{LOT}/just-now")).text
    assert "s1 Closed by Ann" in words_of(await ann.get(f"{LOT}/just-now"))
    (name,) = re.findall(r'id="(undo-close-\d+-[^"]*)(?<!-do)"', feed)
    assert "s1 is open." in await press(ann, in_form(feed, name))
    feed = (await ann.get(f"{LOT}/just-now")).text
    assert not re.findall(r'id="undo-close-\d+-', feed)

    await booked(ann)
    sent = await form(ann, "act-move")
    target = sent.pop("to")
    await ann.post(f"{SLOT}/move", data=sent | {"to": "s1"}, headers=BY_HTMX)
    assert target
    feed = (await ann.get(f"{LOT}/just-now")).text
    (name,) = re.findall(r'id="(undo-moved-[^"]*)"', feed.replace("-do", ""))[:1]
    back = re.search(rf'<form [^>]*id="{name}".*?</form>', feed, flags=re.DOTALL)
    assert back is not None
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', back[0]))
    done = await ann.post(f"{LOT}/slots/s1/move", data=fields, headers=BY_HTMX)
    assert "Moved here from s1." in done.text
    assert await status_of(ann, "s0") == "reserved"
    clock.advance(timedelta(minutes=6))
    assert "undo-" not in (await ann.get(f"{LOT}/just-now")).text


async def test_the_lists_say_what_is_closed_and_who_waits_since_when(ann: AsyncClient) -> None:
    desk: Desk = ann.desk  # type: ignore[attr-defined]
    assert words_of(await ann.get(f"{LOT}/closed")) == words_of(await ann.get(f"{LOT}/waiting")) == ""
    await booked(ann)
    sent = {"area": "A", "first": "s0", "last": "s1", "act": "close some"}
    await ann.post(f"{LOT}/works", data=sent, headers=BY_HTMX)
    closed = words_of(await ann.get(f"{LOT}/closed"))
    assert closed == "Out of use 2 slots s0 when released s1"
    layout = await Layouts(desk.database).of_code("here")
    assert layout is not None
    for number in range(2):
        await join(desk, layout.lot_id, Wish(), Visitor(f"browser {number}", f"10.0.{number}.1"))
    assert words_of(await ann.get(f"{LOT}/waiting")) == (
        "Waiting for a slot 2 2, the first since 11:50 any slot"
    )


async def test_a_slots_card_says_what_was_paid_and_which_rate_holds(
    ann: AsyncClient, clock: FixedClock
) -> None:
    await booked(ann)
    clock.advance(timedelta(minutes=1))
    panel = words_of(await ann.get(SLOT, headers=BY_HTMX))
    assert "Paid nothing yet Rate €1.00 per started 30 min" in panel
    await press(ann, await form(ann, "act-pay"), means="cash")
    assert "Paid €1.00, Cash, 11:51" in words_of(await ann.get(SLOT, headers=BY_HTMX))


async def test_without_a_script_the_page_after_an_act_says_what_was_done_and_takes_it_back(
    ann: AsyncClient,
) -> None:
    sent = await form(ann, "act-close")
    answer = await ann.post(sent.pop("to"), data=sent)
    assert answer.headers["location"] == f"{SLOT}?done=close#slot-panel"
    shown = await ann.get(f"{SLOT}?done=close")
    assert "s0 is closed." in shown.text
    undo = in_form(shown.text, "slot-undo")
    opened = await ann.post(undo.pop("to"), data=undo)
    assert opened.headers["location"] == f"{SLOT}?done=open#slot-panel"
    for made_up in ("?done=nonsense", "?done=move&from=nowhere", "?done=delete"):
        assert 'role="status"' not in (await ann.get(f"{SLOT}{made_up}", headers=BY_HTMX)).text
