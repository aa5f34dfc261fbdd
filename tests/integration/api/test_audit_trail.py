"""The audit trail as operators read it."""

import pytest_asyncio
from httpx2 import AsyncClient
from sqlalchemy import insert

from app.accounts.models import Role
from app.audit import listing, trail
from app.audit.models import AuditSeal
from app.bookings.desk import Desk
from tests.integration.api.test_tariffs import sign_in, words_of

_SEAL = AuditSeal.__table__  # type: ignore[attr-defined]
TRAIL = "/operator/audit"


@pytest_asyncio.fixture
async def operator(client: AsyncClient) -> AsyncClient:
    await sign_in(client, "Ines", Role.OPERATOR)
    client.headers["accept"] = "text/html"
    return client


async def new_lot(operator: AsyncClient, name: str) -> None:
    fields = {"name": name, "time_zone": "Europe/Berlin", "currency": "EUR"}
    assert (await operator.post("/operator/new-lot", data=fields)).status_code == 303


async def test_it_says_who_did_what_to_what_and_finds_a_day_and_a_person(operator: AsyncClient) -> None:
    assert "Nothing is noted yet" in words_of(await operator.get(TRAIL))
    await new_lot(operator, "Quay")
    assert "Ines made a lot quay name Quay" in words_of(await operator.get(TRAIL))
    assert "made a lot" in words_of(await operator.get(f"{TRAIL}?who=ines"))
    assert "made a lot" not in words_of(await operator.get(f"{TRAIL}?who=Jo"))
    assert "made a lot" not in words_of(await operator.get(f"{TRAIL}?day=2020-01-01"))
    wrong = await operator.get(f"{TRAIL}?day=yesterday")
    assert wrong.status_code == 422 and 'id="day-note"' in wrong.text


async def test_pages_of_it_show_each_entry_once(operator: AsyncClient) -> None:
    desk: Desk = operator.desk  # type: ignore[attr-defined]
    async with desk.database.unit_of_work() as connection:
        now = await desk.database.now(connection)
        for number in range(listing.PAGE + 3):
            await trail.note(connection, "Jo", "lot.edited", f"lot:{number}", now)
    first = await operator.get(TRAIL)
    assert first.text.count("trail-when") == listing.PAGE
    older = first.text.split('id="older"')[0].rpartition('href="')[2].split('"')[0].replace("&amp;", "&")
    last = await operator.get(older)
    assert last.text.count("trail-when") == 3 and 'id="older"' not in last.text


async def test_whether_the_chain_holds_is_reckoned_when_somebody_asks(operator: AsyncClient) -> None:
    await new_lot(operator, "Quay")
    desk: Desk = operator.desk  # type: ignore[attr-defined]
    await trail.seal(desk.database)
    assert "The chain holds. 1 entry is sealed." in words_of(await operator.get(f"{TRAIL}?check=1"))
    await new_lot(operator, "Pier")
    assert "1 waits for its seal." in words_of(await operator.get(f"{TRAIL}?check=1"))
    async with desk.database.unit_of_work() as connection:
        forged = {"number": 2, "entry_id": 2, "digest": "f" * 64}
        await connection.execute(insert(_SEAL).values(**forged))
    shown = words_of(await operator.get(f"{TRAIL}?check=1"))
    assert "Something in the trail was changed." in shown and "is not what was sealed" in shown
