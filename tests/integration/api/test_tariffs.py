"""An operator's tariffs: who may, what a publication changes, and what it leaves as it was."""

import asyncio
import json
import re
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response
from sqlalchemy import select

from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.audit.models import AuditEntry
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem, put_slots

TARIFF = "/operator/lots/here/tariff"
_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]


async def sign_in(client: AsyncClient, name: str, role: Role) -> None:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    account = await create_account(desk.database, name, role)
    await client.get(f"/sign-in/{await create_link(desk.database, account)}")


@pytest_asyncio.fixture
async def operator(client: AsyncClient) -> AsyncClient:
    await put_slots(client, 2)
    await sign_in(client, "Ines", Role.OPERATOR)
    return client


@pytest_asyncio.fixture
async def timed_operator(timed_client: AsyncClient) -> AsyncClient:
    await put_slots(timed_client, 2)
    await sign_in(timed_client, "Ines", Role.OPERATOR)
    return timed_client


def fields(shown: str) -> dict[str, str]:
    """What the form on a page sends as it stands."""
    form = re.search(r'<form class="tariff".*?</form>', shown, flags=re.DOTALL)
    assert form is not None
    sent = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
        if name and 'type="checkbox"' not in tag:
            sent[name[1]] = value[1] if value else ""
    for name, options in re.findall(
        r'<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>', form[0], flags=re.DOTALL
    ):
        (sent[name],) = re.findall(r'value="([^"]*)" selected', options)
    return sent


def words_of(response: Response) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


async def form(client: AsyncClient, path: str = TARIFF) -> dict[str, str]:
    return fields((await client.get(path)).text)


async def publish(client: AsyncClient, sent: dict[str, str], path: str = TARIFF) -> Response:
    return await client.post(path, data=sent | {"act": "publish"})


async def half_hour_costs(client: AsyncClient) -> str:
    """What a stay of half an hour on s0 costs by the tariff in force."""
    answer = await client.post(CALCULATE, json={"slot": "s0", "startTime": 0, "endTime": 1800})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["amount"])


async def entries(client: AsyncClient) -> list[Any]:
    desk: Desk = client.desk  # type: ignore[attr-defined]
    async with desk.database.look() as connection:
        rows = await connection.execute(select(_ENTRY).where(_ENTRY.c.act == "tariff.published"))
        return list(rows.mappings())


async def test_an_attendant_may_not_set_prices(client: AsyncClient) -> None:
    await put_slots(client, 1)
    await sign_in(client, "Ann", Role.ATTENDANT)
    for path in ("/operator", "/operator/tariffs", TARIFF):
        problem(await client.get(path), 403, "not-allowed")
    for path in (TARIFF, TARIFF + "/preview"):
        problem(await client.post(path, data={"act": "publish"}), 403, "not-allowed")
    assert await entries(client) == []


async def test_who_is_not_signed_in_is_led_to_signing_in(client: AsyncClient) -> None:
    await put_slots(client, 1)
    answer = await client.get(TARIFF)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={TARIFF}"
    assert (await client.post(TARIFF, data={})).status_code == 303


async def test_the_list_has_every_lot_with_its_tariff_and_who_made_it(operator: AsyncClient) -> None:
    assert (await operator.get("/operator")).status_code == 200
    first = (await operator.get("/operator/tariffs")).text
    for said in ("Version 1", "made with the lot", "standard €1.00 per started 30 min"):
        assert said in first
    await publish(operator, await form(operator) | {"band-0-price": "2", "day_most": "14"})
    second = (await operator.get("/operator/tariffs")).text
    for said in ("Version 2", "Ines", "€2.00 per started 30 min", "at most €14.00 per day"):
        assert said in second


async def test_a_publication_makes_a_new_version_and_is_in_the_audit_trail(operator: AsyncClient) -> None:
    sent = await form(operator) | {"band-0-price": "€2.50"}
    done = await publish(operator, sent)
    assert (done.status_code, done.headers["location"]) == (303, f"{TARIFF}?published=2")
    shown = (await operator.get(done.headers["location"])).text
    assert "Version 2 is in force." in shown
    assert fields(shown)["band-0-price"] == "€2.50"
    assert await half_hour_costs(operator) == "2.50"
    (entry,) = await entries(operator)
    assert entry["who"] == "Ines"
    detail = json.loads(entry["detail"])
    assert (detail["lot"], detail["version"]) == ("here", 2)
    assert json.loads(detail["lines"])[0]["price_minor"] == 250


async def test_a_running_booking_keeps_its_price(timed_operator: AsyncClient, clock: FixedClock) -> None:
    booked = await timed_operator.post(RESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    clock.advance(timedelta(minutes=20))
    assert (
        await publish(timed_operator, await form(timed_operator) | {"band-0-price": "9"})
    ).status_code == 303
    by_then = {"reservation": booked.json()["reservation"]}
    assert (await timed_operator.post(CALCULATE, json=by_then)).json()["amount"] == "1.00"
    await timed_operator.post(RESERVE, json={"entityIdentifier": "B 2", "slot": "s1"})
    clock.advance(timedelta(minutes=5))
    ended = await timed_operator.post(UNRESERVE, json={"entityIdentifier": "A 1", "slot": "s0"})
    assert ended.json()["amountMinor"] == 100
    new = await timed_operator.post(UNRESERVE, json={"entityIdentifier": "B 2", "slot": "s1"})
    assert new.json()["amountMinor"] == 900


async def test_a_form_that_is_sent_twice_makes_one_version(operator: AsyncClient) -> None:
    sent = await form(operator) | {"band-0-price": "2"}
    one, again = await asyncio.gather(publish(operator, sent), publish(operator, sent))
    late = await publish(operator, sent)
    assert [answer.status_code for answer in (one, again, late)] == [303, 303, 303]
    assert {answer.headers["location"] for answer in (one, again, late)} == {f"{TARIFF}?published=2"}
    assert len(await entries(operator)) == 1


async def test_two_who_publish_something_else_at_once_do_not_overwrite_each_other(
    operator: AsyncClient,
) -> None:
    sent = await form(operator)
    prices = ("2", "3", "4", "5")
    done = await asyncio.gather(*(publish(operator, sent | {"band-0-price": price}) for price in prices))
    assert sorted(answer.status_code for answer in done) == [303, 409, 409, 409]
    assert len(await entries(operator)) == 1


async def test_who_edits_an_old_version_is_told_what_has_changed(operator: AsyncClient) -> None:
    old = await form(operator)
    await publish(operator, old | {"band-0-price": "2"})
    await sign_in(operator, "Ben", Role.OPERATOR)
    told = await publish(operator, old | {"band-0-price": "3"})
    assert told.status_code == 409
    words = words_of(told)
    assert "Ines has published version 2" in words
    assert "Taken out: standard: €1.00 per started 30 min" in words
    assert "Put in: standard: €2.00 per started 30 min" in words
    assert await half_hour_costs(operator) == "2.00"
    kept = fields(told.text)
    assert (kept["band-0-price"], kept["made_from"]) == ("3", "2")
    assert (await publish(operator, kept)).status_code == 303
    assert await half_hour_costs(operator) == "3.00"


async def test_every_wrong_field_is_named_and_nothing_that_was_typed_is_lost(operator: AsyncClient) -> None:
    typed = {
        "band-0-days": "never",
        "band-0-price": "much",
        "grace": "a bit",
        "other": "{",
        "day_most": "x<y",
    }
    told = await publish(operator, await form(operator) | typed | {"start_day": "2020-01-01"})
    assert told.status_code == 422
    for name in (*typed, "start_day"):
        tag = re.search(rf'<(?:input|textarea)[^>]* id="{name}"[^>]*>', told.text)
        assert tag is not None, name
        assert 'aria-invalid="true"' in tag[0], name
        assert f'aria-describedby="{name}-note"' in tag[0]
        assert f'id="{name}-note"' in told.text
    assert "6 fields are wrong" in told.text
    kept = fields(told.text)
    assert (kept["band-0-days"], kept["band-0-price"], kept["grace"]) == ("never", "much", "a bit")
    assert kept["day_most"] == "x&lt;y"
    assert "Earliest is" in told.text
    assert len(re.findall(r"[^>]* autofocus[^>]*>", told.text)) == 1
    assert await entries(operator) == []


async def test_an_overlap_is_named_at_its_row(operator: AsyncClient) -> None:
    sent = await form(operator) | {"band-0-slots": "all"}
    told = await publish(operator, sent)
    assert told.status_code == 422
    row = re.search(r'<fieldset class="band" id="band-1">.*?</fieldset>', told.text, flags=re.DOTALL)
    assert row is not None
    assert "Has another price than the one in row 1 on Monday from 00:00 to 24:00." in row[0]


async def test_a_gap_is_warned_of_and_not_refused(operator: AsyncClient) -> None:
    sent = await form(operator) | {"band-0-days": "Mon to Fri", "band-0-from": "07:00", "band-0-to": "19:00"}
    shown = (await operator.post(TARIFF + "/preview", data=sent)).text
    assert "standard: Mon to Fri 00:00 to 07:00" in shown
    assert "standard: Sat, Sun 00:00 to 24:00" in shown
    assert (await publish(operator, sent)).status_code == 303


async def test_the_preview_follows_the_draft_and_stores_nothing(operator: AsyncClient) -> None:
    sent = await form(operator) | {"band-0-price": "7", "grace": "oops"}
    answer = await operator.post(TARIFF + "/preview", data=sent)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    words = words_of(answer)
    assert "Tue 10:05 to 12:35 standard, 2 h 30 now €5.00 €35.00" in words
    assert "Free when you leave within : Give minutes" in words
    assert await half_hour_costs(operator) == "1.00"
    assert await entries(operator) == []


async def test_rows_and_stays_are_added_and_taken_away_without_a_script(operator: AsyncClient) -> None:
    sent = await form(operator)
    more = fields((await operator.post(TARIFF, data=sent | {"act": "add-band"})).text)
    assert more["band-2-price"] == ""
    assert more["made_from"] == "1"
    less = fields((await operator.post(TARIFF, data=more | {"act": "remove-band 0"})).text)
    assert "band-0-price" not in less
    assert less["band-1-name"] == "premium"
    stay = {"stay_from": "2026-12-05T10:00", "stay_to": "2026-12-05T11:30", "stay_premium": "1"}
    added = (await operator.post(TARIFF, data=sent | stay | {"act": "add-stay"})).text
    assert "Sat 5 Dec 10:00 to 11:30" in added
    kept = fields(added) | {"act": "remove-stay 0"}
    kept["stays"] = kept["stays"].replace("&#34;", '"')
    assert "Sat 5 Dec" not in (await operator.post(TARIFF, data=kept)).text
    wrong = stay | {"stay_to": "2026-12-05T09:00", "act": "add-stay"}
    assert "It ends before it begins." in (await operator.post(TARIFF, data=sent | wrong)).text
    assert await entries(operator) == []


async def test_a_version_that_starts_later_waits_and_then_holds(
    timed_operator: AsyncClient, clock: FixedClock
) -> None:
    sent = await form(timed_operator) | {
        "band-0-price": "4",
        "start_day": "2026-06-02",
        "start_time": "08:00",
    }
    done = await publish(timed_operator, sent)
    shown = (await timed_operator.get(done.headers["location"])).text
    assert "Version 2 is published." in shown
    assert "Version 2 from Tue 2 Jun 2026, 08:00 waits" in shown
    assert "Version 2 from Tue 2 Jun" in (await timed_operator.get("/operator/tariffs")).text
    assert await half_hour_costs(timed_operator) == "1.00"
    clock.advance(timedelta(days=1))
    assert await half_hour_costs(timed_operator) == "4.00"


async def test_an_area_has_a_tariff_of_its_own(operator: AsyncClient) -> None:
    path = TARIFF + "?area=A"
    page = (await operator.get(path)).text
    assert "at the lot&#39;s tariff" in page
    sent = fields(page)
    assert sent["made_from"] == "0"
    done = await publish(operator, sent | {"band-0-price": "6"}, path)
    assert done.headers["location"] == f"{path}&published=1"
    assert "Version 1 is in force." in (await operator.get(done.headers["location"])).text
    assert await half_hour_costs(operator) == "6.00"
    assert (await form(operator))["band-0-price"] == "€1.00"
    assert "here, area A" in words_of(await operator.get("/operator/tariffs")).lower().replace(
        "area a", "area A"
    )
    assert (await operator.get(TARIFF + "?area=Z")).status_code == 404


@pytest.mark.parametrize("path", ["/operator/lots/nowhere/tariff", "/operator/lots/nowhere/tariff/preview"])
async def test_there_is_no_tariff_of_a_lot_that_is_not_there(operator: AsyncClient, path: str) -> None:
    answer = await (operator.post(path, data={}) if "preview" in path else operator.get(path))
    assert answer.status_code == 404


async def test_nonsense_is_told_and_breaks_nothing(operator: AsyncClient) -> None:
    sent = await form(operator)
    nonsense = {
        "act": "remove-band 99999999999", "made_from": "x", "order": "a b c", "stays": "[[1,2]]",
        "band-9999-how": "?", "band-9999-price": "1", "band-00-name": "twice",
    }  # fmt: skip
    assert (await operator.post(TARIFF, data=sent | nonsense)).status_code == 200
    assert (await operator.post(TARIFF, data=sent | nonsense | {"act": "publish"})).status_code == 422
    assert (await publish(operator, {})).status_code == 422
    assert await entries(operator) == []


async def test_a_sample_without_a_price_names_the_fields_that_keep_it_from_one(operator: AsyncClient) -> None:
    sent = fields((await operator.get(TARIFF, headers={"accept": "text/html"})).text)
    wrong = {name: "soon" if name.endswith(("-price", "-minutes")) else text for name, text in sent.items()}
    shown = words_of(await operator.post(f"{TARIFF}/preview", data=wrong))
    assert "Not priced while this is not right: Row 1, price" in shown
