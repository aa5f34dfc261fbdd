"""SQL goes away and comes back: what was looked at stays readable and says how old it is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from redis.asyncio import Redis

from app.accounts.models import Role
from app.accounts.service import create_account
from app.bookings.desk import Desk
from app.slots import memory
from tests.chaos.waiting import until_none
from tests.integration.api.calls import CALCULATE, RESERVE, UNRESERVE, problem
from tests.integration.api.conftest import served
from tests.integration.lots import lot_plan, open_lot
from tests.integration.outages import Outage

AT_ONCE_S = 0.5
NOTICED_WITHIN_S = 5.0
# The beat of the feed, and a moment for the pulse and for a machine that is busy.
BACK_WITHIN_S = 4.0
PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html"}


@pytest.fixture
async def client(outage: Outage, redis_url: str, redis: Redis) -> AsyncIterator[AsyncClient]:
    """A program on the same machine, and two lots of which this process has seen both."""
    async with served(outage.url, redis_url) as found:
        await open_lot(desk(found), lot_plan("here", slots=12, premium=3, accessible=2))
        await open_lot(desk(found), lot_plan("there", slots=4))
        for slot, plate in (("here-A4", "A 1"), ("here-A5", "A 2"), ("there-A1", "A 3")):
            asked = {"slot": slot, "entityIdentifier": plate}
            assert (await found.post(RESERVE, json=asked)).status_code == 200
        for lot in ("here", "there"):
            assert (await found.get(f"/lots/{lot}", headers=PAGE)).status_code == 200
        await look_around(found)
        yield found


def desk(client: AsyncClient) -> Desk:
    found: Desk = client.desk  # type: ignore[attr-defined]
    return found


async def look_around(client: AsyncClient) -> None:
    """What the process does by itself every few seconds."""
    await client.app.state.parts.get(memory.Memory).look_around()  # type: ignore[attr-defined]


@asynccontextmanager
async def away(outage: Outage, client: AsyncClient) -> AsyncIterator[None]:
    """The time in which SQL is away and the process knows it."""
    pulse = desk(client).database.pulse

    async def still_felt() -> list[str]:
        return ["SQL answers"] if pulse.is_felt else []

    await asyncio.to_thread(outage.begin)
    try:
        await until_none(still_felt, NOTICED_WITHIN_S, "the process knows that SQL is away")
        yield
    finally:
        await asyncio.to_thread(outage.end)


async def listed(client: AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/parking", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert ("asOf" in body) == ("complete" in body) == ("age" in answer.headers)
    return body


async def at_once(asked: Any) -> Response:
    began_s = time.monotonic()
    answer: Response = await asked
    assert time.monotonic() - began_s < AT_ONCE_S, answer.url
    return answer


QUERIES: list[dict[str, Any]] = [
    {},
    *({"lot": lot, "limit": 5} for lot in ("here", "there")),
    *(
        {"status": status, "premium": premium, "limit": limit, "start": start}
        for status, premium, limit, start in product(
            ("free", "reserved", "occupied", "closed"), ("true", "false"), (1, 100), (0, 1, 40)
        )
    ),
    {"slot": "here-A4"},
    {"slot": "here-A4", "status": "free"},
    {"slot": "here-A4", "lot": "here"},
    {"area": "A", "limit": 1000},
    {"area": "Z"},
    {"size": "car", "limit": 3, "start": 2},
    {"size": "van", "lot": "there"},
]


async def test_memory_answers_every_question_as_sql_did(outage: Outage, client: AsyncClient) -> None:
    asked_at = time.time()
    truth = [await listed(client, **query) for query in QUERIES]
    assert all("asOf" not in body for body in truth)
    assert any(body["slotDetails"] == [] for body in truth)
    async with away(outage, client):
        for query, told in zip(QUERIES, truth, strict=True):
            body = await listed(client, **query)
            # Nothing was booked since the lots were read; a picture is as old as the last beat.
            assert asked_at - 30 < body.pop("asOf") <= time.time()
            assert body.pop("complete") is True
            assert body == told, query


async def test_walking_by_links_shows_each_slot_once_there_and_back(
    outage: Outage, client: AsyncClient
) -> None:
    everything = [one["identifier"] for one in (await listed(client, limit=100))["slotDetails"]]
    async with away(outage, client):
        pages, address = [], "/parking?limit=3"
        while address:
            body = (await client.get(address)).json()
            pages.append([one["identifier"] for one in body["slotDetails"]])
            back, address = body["_links"]["prev"], body["_links"]["next"]
        assert [name for page in pages for name in page] == everything
        for page in reversed(pages[:-1]):
            body = (await client.get(back)).json()
            assert [one["identifier"] for one in body["slotDetails"]] == page
            back = body["_links"]["prev"]
        assert back is None


async def test_it_says_how_old_it_is_and_does_not_keep_anybody_waiting(
    outage: Outage, client: AsyncClient
) -> None:
    async with away(outage, client):
        first = await at_once(client.get("/parking", params={"lot": "here"}))
        as_of = first.json()["asOf"]
        assert int(time.time()) - as_of - 1 <= int(first.headers["age"]) <= time.time() - as_of
        for _ in range(20):
            again = await at_once(client.get("/parking", params={"lot": "here"}))
            assert again.json()["asOf"] == as_of


async def test_what_memory_does_not_hold_is_503_and_never_404(outage: Outage, client: AsyncClient) -> None:
    async with away(outage, client):
        for query in ({"lot": "elsewhere"}, {"slot": "here-A99"}, {"lot": "elsewhere", "status": "free"}):
            answer = await at_once(client.get("/parking", params=query))
            problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0


async def test_missing_lots_are_said_to_be_missing(
    outage: Outage, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large installation is not held as a whole: only what somebody has looked at."""
    monkeypatch.setattr(memory, "MOST_SLOTS", 3)
    async with served(outage.url, redis_url) as client:
        for lot in ("here", "there"):
            await open_lot(desk(client), lot_plan(lot))
        assert (await client.get("/display/here", headers=PAGE)).status_code == 200
        await look_around(client)
        whole = await listed(client, limit=100)
        async with away(outage, client):
            body = await listed(client, limit=100)
            assert body["complete"] is False
            assert body["slotDetails"] == whole["slotDetails"][:5]
            # Nothing is closed in the lot that is held; in the other one there may be.
            problem(await client.get("/parking", params={"status": "closed"}), 503, "unavailable")
            problem(await client.get("/parking", params={"lot": "there"}), 503, "unavailable")
            here = await listed(client, lot="here", status="closed")
            assert (here["complete"], here["slotDetails"]) == (True, [])


async def test_bookings_are_503_and_nothing_is_booked(outage: Outage, client: AsyncClient) -> None:
    before = await listed(client, limit=100)
    async with away(outage, client):
        for address, body in (
            (RESERVE, {"entityIdentifier": "B 1", "lot": "here"}),
            (RESERVE, {"entityIdentifier": "B 1", "slot": "here-A4"}),
            (UNRESERVE, {"entityIdentifier": "A 1", "slot": "here-A4"}),
            (CALCULATE, {"slotIdentifier": "here-A4", "startTime": 0, "endTime": 9}),
        ):
            answer = await client.post(address, json=body)
            problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
    await back(client)
    assert await listed(client, limit=100) == before


async def back(client: AsyncClient) -> float:
    """Seconds until lists come from SQL again."""

    async def from_memory() -> list[str]:
        answer = await client.get("/parking", params={"lot": "here"})
        return [] if answer.status_code == 200 and "asOf" not in answer.json() else [answer.text]

    return await until_none(from_memory, BACK_WITHIN_S, "lists come from SQL")


PAGES = [
    "/",
    "/?q=here",
    "/lots/here",
    "/lots/here?slot=A1",
    "/lots/here?slot=A4",
    "/lots/here/nearest",
    "/lots/here/slots/A1",
    "/lots/here/slots/A4",
    "/display/here",
    "/attendant",
    "/attendant/lots/here",
    "/attendant/lots/here?q=A1",
    "/attendant/lots/here/slots/A4",
]


async def signed_in(client: AsyncClient) -> None:
    await create_account(desk(client).database, "Ann", Role.ATTENDANT, PASSWORD)
    answer = await client.post("/sign-in", data={"name": "Ann", "password": PASSWORD})
    assert answer.status_code == 303
    assert (await client.get("/attendant")).status_code == 200


async def test_every_page_of_a_lot_in_memory_is_shown_at_once_with_its_age(
    outage: Outage, client: AsyncClient
) -> None:
    await signed_in(client)
    async with away(outage, client):
        for path in PAGES:
            answer = await at_once(client.get(path, headers=PAGE))
            assert answer.status_code == 200, path
            if "data-feed=" in answer.text:
                assert "data-feed-age=" in answer.text, path
        panel = await client.get("/lots/here/slots/A1", headers=PAGE)
        assert "Booking is not possible for the moment." in panel.text
        assert 'name="entity"' not in panel.text
        at_desk = (await client.get("/attendant/lots/here/slots/A4", headers=PAGE)).text
        assert "Only the state is known." in at_desk
        assert "Reserved, area A" in at_desk
        assert at_desk.count("Not known while the database is away.") == 3
        assert "A 1" not in at_desk
    await back(client)
    assert 'name="entity"' in (await client.get("/lots/here/slots/A1", headers=PAGE)).text
    assert "A 1" in (await client.get("/attendant/lots/here/slots/A4", headers=PAGE)).text


async def test_who_was_not_seen_signed_in_before_is_not_let_in(outage: Outage, client: AsyncClient) -> None:
    await create_account(desk(client).database, "Ann", Role.ATTENDANT, PASSWORD)
    await client.post("/sign-in", data={"name": "Ann", "password": PASSWORD})
    async with away(outage, client):
        unseen = await at_once(client.get("/attendant/lots/here", headers=PAGE))
        assert unseen.status_code == 503
        client.cookies.clear()
        stranger = await client.get("/attendant/lots/here", headers=PAGE)
        assert (stranger.status_code, stranger.headers["location"][:8]) == (303, "/sign-in")


async def test_a_page_that_memory_does_not_hold_says_so_and_offers_to_try_again(
    outage: Outage, client: AsyncClient
) -> None:
    async with away(outage, client):
        for path in ("/lots/elsewhere", "/lots/elsewhere?slot=A1", "/display/elsewhere"):
            answer = await at_once(client.get(path, headers=PAGE))
            assert answer.status_code == 503
            assert "This page cannot be shown for the moment" in answer.text
            assert f'href="{path}"' in answer.text
            assert int(answer.headers["retry-after"]) > 0


async def test_it_comes_back_by_itself_again_and_again(outage: Outage, client: AsyncClient) -> None:
    for number in range(3):
        async with away(outage, client):
            assert "asOf" in await listed(client, lot="here")
        took_s = await back(client)
        print(f"lists came from SQL {took_s:.2f} s after it was back")
        asked = {"slot": f"there-A{number + 2}", "entityIdentifier": f"C {number}"}
        assert (await client.post(RESERVE, json=asked)).status_code == 200
        (slot,) = (await listed(client, slot=asked["slot"]))["slotDetails"]
        assert slot["status"] == "reserved"


async def test_without_redis_too_the_lots_that_were_looked_at_stay_readable(
    outage: Outage, client: AsyncClient, redis: Redis
) -> None:
    """An emptied Redis knows nothing either: what is left is the last picture, as old as it is."""
    before = await listed(client, lot="here", limit=100)
    async with away(outage, client):
        first = await listed(client, lot="here", limit=100)
        await redis.flushall()
        for path in ("/lots/here", "/display/here"):
            assert (await client.get(path, headers=PAGE)).status_code == 200
        body = await listed(client, lot="here", limit=100)
        assert body["asOf"] == first["asOf"]
        assert body["slotDetails"] == before["slotDetails"]
