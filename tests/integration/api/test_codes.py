"""Codes as a driver, an attendant and a program give them: refused in place, by name, and nothing lost."""

import re
from datetime import timedelta

from httpx2 import AsyncClient, Response

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.codes import MOST_WRONG
from app.bookings.desk import Desk
from app.core import metrics
from app.core.clock import FixedClock
from app.payments.service import set_tariff
from app.payments.tariffs.lines import Offer, PerIncrement
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem, put_slots, wrong_fields

VALIDATE = "/parking?action=validate"
SLOT = "/attendant/lots/here/slots/s0"
BY_HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
PLATE = "HKR 4821"
LINES = (
    PerIncrement(price_minor=100, increment_s=1800, per_s=1800),
    Offer(code="CINEMA", percent_bp=5_000),
    Offer(code="FIRST", premium=True, amount_minor=100),
)


async def booked(client: AsyncClient, clock: FixedClock, **more: object) -> dict[str, str]:
    """A booking of an hour ago, where offers have codes."""
    await put_slots(client, 2)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    lot_id = await desk.layouts.id_of("here")
    assert lot_id is not None
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        await set_tariff(connection, lot_id, None, "EUR", "Europe/Berlin", LINES, now, now)
    told = await client.post(RESERVE, json={"entityIdentifier": PLATE, "slot": "s0"} | more)
    assert told.status_code == 200, told.text
    clock.advance(timedelta(minutes=59))
    return {"reservation": told.json()["reservation"], "page": told.json()["_links"]["booking"]}


async def sign_in(client: AsyncClient) -> None:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    account = await create_account(desk.database, "Ann", Role.ATTENDANT)
    await client.get(f"/sign-in/{await create_link(desk.database, account)}")


async def validate_at_desk(client: AsyncClient, code: str) -> Response:
    panel = (await client.get(SLOT, headers=BY_HTMX)).text
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', panel))
    return await client.post(f"{SLOT}/validate", data=sent | {"code": code}, headers=BY_HTMX)


async def test_a_driver_gives_a_code_and_the_price_and_its_lines_follow(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    page = booking["page"]
    before = (await timed_client.get(page)).text
    assert "Have a code?" in before
    assert "Pay €2.00 and leave" in before
    for _ in range(2):
        done = await timed_client.post(f"{page}/code", data={"code": " cinema "}, follow_redirects=True)
        assert done.status_code == 200
    assert "CINEMA is given already." in done.text
    after = (await timed_client.get(page)).text
    assert "Another code?" in after
    assert "Pay €1.00 and leave" in after
    for url in (page, f"{page}/running"):
        shown = (await timed_client.get(url)).text
        assert "Offer CINEMA" in shown
        assert '<p class="figure">€1.00</p>' in shown
    ended = (await timed_client.post(UNRESERVE, json={"entityIdentifier": PLATE, "slot": "s0"})).json()
    assert ended["amountMinor"] == 100
    over = (await timed_client.get(page)).text
    assert "Offer CINEMA" in over
    assert "code?" not in over


async def test_a_wrong_code_is_refused_at_its_field_with_what_was_typed(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    address = f"{booking['page']}/code"
    for typed, told in (
        ("<b>theatre", "“&lt;b&gt;theatre” is no code of an offer here."),
        ("first", "“FIRST” is not for this slot, only for premium slots."),
        ("", "Type the code."),
    ):
        wrong = await timed_client.post(address, data={"code": typed})
        assert wrong.status_code == 422
        assert told in wrong.text
        field = re.search(r'<input[^>]*id="code"[^>]*>', wrong.text)
        assert field is not None
        assert 'aria-invalid="true"' in field[0]
        assert f'value="{typed.replace("<", "&lt;").replace(">", "&gt;")}"' in field[0]
        assert "<details" in wrong.text.split('id="codes"')[1].split("open")[0]
    await timed_client.post(UNRESERVE, json={"entityIdentifier": PLATE, "slot": "s0"})
    late = await timed_client.post(address, data={"code": "cinema"})
    assert (late.status_code, "The booking has ended." in late.text) == (409, True)


def refusals() -> float:
    return metrics.REGISTRY.get_sample_value("lotline_codes_total", {"outcome": "invalid-input"}) or 0


async def test_who_guesses_at_the_page_is_stopped_and_counted(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    before = refusals()
    for number in range(MOST_WRONG):
        wrong = await timed_client.post(f"{booking['page']}/code", data={"code": f"guess{number}"})
        assert wrong.status_code == 422
    assert refusals() - before == MOST_WRONG
    stopped = await timed_client.post(f"{booking['page']}/code", data={"code": "cinema"})
    assert stopped.status_code == 409
    assert (
        "Too many wrong codes were tried. For this booking only an attendant takes one now." in stopped.text
    )
    body = {"reservation": booking["reservation"], "code": "cinema"}
    problem(await timed_client.post(VALIDATE, json=body), 409, "too-many-wrong-codes")
    await sign_in(timed_client)
    assert (await validate_at_desk(timed_client, "cinema")).status_code == 200


async def test_without_offers_no_code_is_asked_for(timed_client: AsyncClient, clock: FixedClock) -> None:
    await put_slots(timed_client, 1)
    told = (await timed_client.post(RESERVE, json={"entityIdentifier": PLATE, "slot": "s0"})).json()
    assert "code?" not in (await timed_client.get(told["_links"]["booking"])).text
    await sign_in(timed_client)
    assert "Validate" not in (await timed_client.get(SLOT, headers=BY_HTMX)).text


async def test_an_attendant_validates_a_stay_at_the_desk(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    await booked(timed_client, clock)
    await sign_in(timed_client)
    wrong = await validate_at_desk(timed_client, "theatre")
    assert wrong.status_code == 422
    assert "“theatre” is no code of an offer here." in wrong.text
    assert 'value="theatre"' in wrong.text
    done = await validate_at_desk(timed_client, "cinema")
    assert done.status_code == 200
    for words in ("Validated with CINEMA.", "<dt>Codes</dt><dd>CINEMA</dd>", "Take €1.00"):
        assert words in done.text
    again = await validate_at_desk(timed_client, "Cinema")
    assert "CINEMA is given already. It counts once." in again.text
    await timed_client.post(UNRESERVE, json={"entityIdentifier": PLATE, "slot": "s0"})
    gone = await timed_client.post(f"{SLOT}/validate", data={"reservation": "x", "code": "cinema"})
    assert gone.status_code == 409


async def test_a_program_validates_by_booking_or_by_slot_and_entity(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    told = (
        await timed_client.post(VALIDATE, json={"reservation": booking["reservation"], "code": "cinema"})
    ).json()
    assert (told["code"], told["codes"], told["givenBefore"]) == ("CINEMA", ["CINEMA"], False)
    assert (told["slot"], told["amountMinor"]) == ("s0", 100)
    assert told["lines"][-1]["rule"] == "offer CINEMA"
    by_slot = {"slot": "s0", "entityIdentifier": PLATE, "code": "CINEMA"}
    assert (await timed_client.post(VALIDATE, json=by_slot)).json()["givenBefore"] is True
    assert (await timed_client.post(CALCULATE, json={"reservation": booking["reservation"]})).json()[
        "amountMinor"
    ] == 100


async def test_what_can_not_be_validated_is_refused_by_its_fields(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock)
    mine = {"reservation": booking["reservation"]}
    for body, fields in (
        ({}, ["code"]),
        ({"code": "cinema"}, ["reservation"]),
        ({"code": "cinema", "slot": "s0", **mine}, ["reservation"]),
        ({"code": "cinema", "slot": "s0"}, ["entityIdentifier"]),
        ({"code": "x" * 41, **mine}, ["code"]),
        ({"code": "theatre", **mine}, ["code"]),
        ({"code": "first", **mine}, ["code"]),
    ):
        assert wrong_fields(await timed_client.post(VALIDATE, json=body)) == fields
    problem(
        await timed_client.post(VALIDATE, json={"code": "cinema", "reservation": "none"}),
        404,
        "no-such-reservation",
    )


async def test_codes_come_with_a_reserve_and_each_wrong_one_is_named(
    timed_client: AsyncClient, clock: FixedClock
) -> None:
    booking = await booked(timed_client, clock, codes=["cinema"])
    asked = {"reservation": booking["reservation"]}
    assert (await timed_client.post(CALCULATE, json=asked)).json()["amountMinor"] == 100
    other = {"entityIdentifier": "B 2", "slot": "s1"}
    for given, fields in (
        (["cinema", "theatre"], ["codes.1"]),
        (["first", ""], ["codes.1"]),
        ([f"c{number}" for number in range(11)], ["codes"]),
        ("cinema", ["codes"]),
    ):
        assert wrong_fields(await timed_client.post(RESERVE, json=other | {"codes": given})) == fields
    assert len((await timed_client.get("/parking?status=free")).json()["slotDetails"]) == 1
