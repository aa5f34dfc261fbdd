"""An operator's lots: made, edited, closed, opened; two who edit the same; and who may."""

import re

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response
from sqlalchemy import select

from app.accounts.models import Role
from app.audit.models import AuditEntry
from app.bookings.desk import Desk
from tests.integration.api.calls import RESERVE, put_slots
from tests.integration.api.test_tariffs import sign_in, words_of

_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]
PATHS = ("/operator", "/operator/new-lot", "/operator/lots/here", "/operator/import")
HTML = {"accept": "text/html"}
NEW = {"name": "Harbour North", "address": "Quay 1", "time_zone": "Europe/Berlin", "currency": "EUR"}


@pytest_asyncio.fixture
async def operator(client: AsyncClient) -> AsyncClient:
    await sign_in(client, "Ines", Role.OPERATOR)
    client.headers["accept"] = "text/html"
    return client


async def acts(client: AsyncClient) -> list[tuple[str, str]]:
    """Who did what, in the order of time."""
    desk: Desk = client.desk  # type: ignore[attr-defined]
    async with desk.database.look() as connection:
        rows = await connection.execute(select(_ENTRY.c.who, _ENTRY.c.act).order_by(_ENTRY.c.id))
        return [(who, act) for who, act in rows]


def hidden(response: Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.text)
    assert found is not None, name
    return found[1]


async def new_lot(operator: AsyncClient, **fields: str) -> Response:
    return await operator.post("/operator/new-lot", data=NEW | fields)


async def test_without_a_lot_the_start_page_leads_to_the_first_one(operator: AsyncClient) -> None:
    shown = await operator.get("/operator")
    assert "No lot yet" in words_of(shown)
    assert 'href="/operator/new-lot"' in shown.text and 'href="/operator/import"' in shown.text


@pytest.mark.parametrize("path", PATHS)
async def test_an_attendant_has_no_part_in_it(client: AsyncClient, path: str) -> None:
    await put_slots(client, 1)
    await sign_in(client, "Jo", Role.ATTENDANT)
    assert (await client.get(path, headers=HTML)).status_code == 403


async def test_a_lot_is_made_with_a_code_from_its_name_and_a_tariff(operator: AsyncClient) -> None:
    made = await new_lot(operator)
    assert (made.status_code, made.headers["location"]) == (303, "/operator/lots/harbour-north?done=created")
    shown = words_of(await operator.get("/operator/lots/harbour-north"))
    assert "No slot yet" in shown and "0 free of 0" in shown
    home = words_of(await operator.get("/operator"))
    assert "Harbour North" in home and "It has no slots" in home and "€1.00 per started 30 min" in home
    assert ("Ines", "lot.created") in await acts(operator)


async def test_every_wrong_field_of_a_new_lot_is_named(operator: AsyncClient) -> None:
    answer = await new_lot(
        operator, name="x" * 130, code="Not OK", time_zone="Mars", currency="XX", grace="soon"
    )
    assert answer.status_code == 422
    for field in ("name", "code", "time_zone", "currency", "grace"):
        assert f'id="{field}-note"' in answer.text, field
    nothing = await new_lot(operator, name="")
    assert nothing.status_code == 422 and "Give the lot a name." in nothing.text


async def test_a_code_is_given_once(operator: AsyncClient) -> None:
    await new_lot(operator)
    again = await new_lot(operator)
    assert again.status_code == 409
    assert "There is a lot with the code harbour-north already." in words_of(again)
    assert (await new_lot(operator, code="new")).headers["location"].startswith("/operator/lots/new")


async def test_slots_are_added_by_number_and_can_be_booked_at_once(operator: AsyncClient) -> None:
    await new_lot(operator)
    lot = "/operator/lots/harbour-north"
    added = {"area": "A", "prefix": "A", "first": "1", "count": "12", "size": "car", "charging": "1"}
    done = await operator.post(f"{lot}/slots", data=added)
    assert done.headers["location"] == f"{lot}?done=added&n=12#slots"
    shown = words_of(await operator.get(lot))
    assert "12 free of 12" in shown and "12 charging" in shown and "1 to 12 of 12" in shown
    wish = {"entityIdentifier": "HH A 1", "lot": "harbour-north", "charging": True}
    booked = await operator.post(RESERVE, json=wish, headers={"accept": "application/json"})
    assert booked.status_code == 200, booked.text
    again = await operator.post(f"{lot}/slots", data=added)
    # Pressed twice, or again after the server stopped halfway: what is there is there.
    assert again.headers["location"] == f"{lot}?done=added&n=0#slots"
    assert "11 free of 12" in words_of(await operator.get(lot))
    wrong = await operator.post(f"{lot}/slots", data=added | {"count": "0", "first": "x", "size": "ship"})
    assert wrong.status_code == 422
    for field in ("add-first", "add-count", "add-size"):
        assert f'id="{field}-note"' in wrong.text, field


async def test_the_second_of_two_who_edit_a_lot_is_told_and_may_save_again(operator: AsyncClient) -> None:
    await new_lot(operator)
    lot = "/operator/lots/harbour-north"
    seen = hidden(await operator.get(lot), "seen")
    first = await operator.post(lot, data=NEW | {"seen": seen, "name": "Harbour"})
    assert first.headers["location"] == f"{lot}?done=saved"
    second = await operator.post(lot, data=NEW | {"seen": seen, "address": "Quay 2"})
    assert second.status_code == 412
    assert "Somebody else has changed this meanwhile." in words_of(second)
    assert 'value="Quay 2"' in second.text, "what was typed stays"
    third = await operator.post(lot, data=NEW | {"seen": hidden(second, "seen"), "address": "Quay 2"})
    assert third.status_code == 303
    assert (await acts(operator)).count(("Ines", "lot.edited")) == 2


async def test_clock_and_currency_change_with_their_tariff_until_the_first_booking(
    operator: AsyncClient,
) -> None:
    await new_lot(operator)
    lot = "/operator/lots/harbour-north"
    await operator.post(
        f"{lot}/slots", data={"area": "A", "prefix": "A", "first": "1", "count": "1", "size": "car"}
    )
    seen = hidden(await operator.get(lot), "seen")
    changed = {"seen": seen, "currency": "usd", "time_zone": "America/New_York"}
    assert (await operator.post(lot, data=NEW | changed)).status_code == 303
    assert "$1.00 per started 30 min" in words_of(await operator.get("/operator"))
    wish = {"entityIdentifier": "HH A 1", "lot": "harbour-north"}
    assert (await operator.post(RESERVE, json=wish)).status_code == 200
    seen = hidden(await operator.get(lot), "seen")
    late = await operator.post(lot, data=NEW | {"seen": seen, "currency": "CHF"})
    assert late.status_code == 409 and "Time zone and currency stay as they are." in words_of(late)
    # Bookings are found by what their vehicles were taken for.
    seen = hidden(await operator.get(lot), "seen")
    late = await operator.post(lot, data=NEW | changed | {"seen": seen, "plates": "1"})
    assert late.status_code == 409 and "How vehicles are known stays as it is." in words_of(late)


async def test_a_closed_lot_gives_nothing_out_and_what_is_booked_stays(operator: AsyncClient) -> None:
    await put_slots(operator, 2)
    booked = await operator.post(RESERVE, json={"entityIdentifier": "HH A 1", "lot": "here"})
    assert booked.status_code == 200
    closed = await operator.post(
        "/operator/lots/here/works", data={"act": "close", "reason": "Resurfacing", "idempotency_key": "k1"}
    )
    assert closed.headers["location"] == "/operator/lots/here?done=closed"
    refused = await operator.post(RESERVE, json={"entityIdentifier": "HH A 2", "lot": "here"})
    assert refused.status_code in (404, 409)
    shown = words_of(await operator.get("/operator"))
    assert "Closed" in shown
    held = await operator.get("/parking", params={"lot": "here", "status": "reserved"})
    assert len(held.json()["slotDetails"]) == 1
    await operator.post("/operator/lots/here/works", data={"act": "open", "idempotency_key": "k2"})
    assert (
        await operator.post(RESERVE, json={"entityIdentifier": "HH A 2", "lot": "here"})
    ).status_code == 200
    assert [act for _, act in await acts(operator) if act.startswith("lot.")] == ["lot.closed", "lot.opened"]


async def test_a_slot_is_edited_by_who_has_seen_it_as_it_is(operator: AsyncClient) -> None:
    await put_slots(operator, 2)
    listed = await operator.get("/parking", params={"lot": "here"})
    name = listed.json()["slotDetails"][0]["name"]
    url = f"/operator/lots/here/slots/{name}"
    revision = hidden(await operator.get(url), "revision")
    fields = {"name": "P1", "area": "P", "size": "van", "premium": "1", "revision": revision}
    saved = await operator.post(url, data=fields)
    assert saved.status_code == 303, words_of(saved)
    changed = (await operator.get("/parking", params={"lot": "here"})).json()["slotDetails"][0]
    assert (changed["name"], changed["size"], changed["premium"]) == ("P1", "van", True)
    url = "/operator/lots/here/slots/P1"
    late = await operator.post(url, data=fields | {"name": "P2"})
    assert late.status_code == 412 and "changed meanwhile" in words_of(late)
    wrong = await operator.post(url, data=fields | {"name": "", "size": "ship", "area": "?"})
    assert wrong.status_code == 422
    for field in ("name", "area", "size"):
        assert f'id="{field}-note"' in wrong.text
    assert (await operator.get("/operator/lots/here/slots/none")).status_code == 404


async def test_an_area_makes_all_its_slots_alike_but_for_those_that_are_taken(operator: AsyncClient) -> None:
    await put_slots(operator, 3)
    assert (
        await operator.post(RESERVE, json={"entityIdentifier": "HH A 1", "lot": "here"})
    ).status_code == 200
    area = (await operator.get("/parking", params={"lot": "here"})).json()["slotDetails"][0]["area"]
    url = f"/operator/lots/here/areas/{area}"
    seen = hidden(await operator.get(url), "seen")
    fields = {"name": "By the door", "level": "1", "seen": seen, "all_premium": "yes", "all_charging": "same"}
    answer = await operator.post(url, data=fields)
    assert answer.status_code == 409 and "Saved, but for slots that are taken." in words_of(answer)
    slots = (await operator.get("/parking", params={"lot": "here"})).json()["slotDetails"]
    assert sorted(slot["premium"] for slot in slots) == [False, True, True]
    assert "By the door" in words_of(await operator.get("/operator/lots/here"))
    late = await operator.post(url, data=fields | {"name": "x"})
    assert late.status_code == 412
    wrong = await operator.post(url, data=fields | {"level": "up"})
    assert wrong.status_code == 422 and 'id="level-note"' in wrong.text


async def test_a_long_table_of_slots_is_paged_and_searched(operator: AsyncClient) -> None:
    await new_lot(operator)
    lot = "/operator/lots/harbour-north"
    await operator.post(
        f"{lot}/slots", data={"area": "B", "prefix": "B", "first": "1", "count": "120", "size": "car"}
    )
    first = await operator.get(lot)
    assert "1 to 50 of 120" in words_of(first) and f"{lot}?page=2#slots" in first.text
    assert "101 to 120 of 120" in words_of(await operator.get(f"{lot}?page=99"))
    found = words_of(await operator.get(f"{lot}?q=b11"))
    assert "1 to 11 of 11" in found
    assert "No slot is called like this here." in words_of(await operator.get(f"{lot}?q=zzz"))
