"""The tour: who may take it, and that nobody is signed in by it who does not sit at this machine."""

from collections.abc import AsyncIterator

import pytest
from httpx2 import AsyncClient
from redis.asyncio import Redis

from app.accounts.access import COOKIE
from app.accounts.models import Role
from app.accounts.service import create_account
from tests.integration.api.calls import put_slots
from tests.integration.api.conftest import served

PERSON = {"accept": "text/html"}


@pytest.fixture
async def toured(database_url: str, redis_url: str, redis: Redis) -> AsyncIterator[AsyncClient]:
    async with served(database_url, redis_url, tour="here") as client:
        await put_slots(client, 2)
        await create_account(client.desk.database, "Operator", Role.OPERATOR)  # type: ignore[attr-defined]
        yield client


async def test_the_start_page_explains_what_one_sees_and_leads_into_the_four_views(
    toured: AsyncClient,
) -> None:
    start = (await toured.get("/", headers=PERSON)).text
    assert "What you are looking at" in start
    for way in ("/lots/here", "/display/here", "/tour/attendant", "/tour/operator"):
        assert f'"{way}"' in start
    german = (await toured.get("/", headers=PERSON | {"accept-language": "de"})).text
    assert "Was Sie hier sehen" in german


@pytest.mark.parametrize(
    ("view", "shown"), [("attendant", "/attendant/lots/here"), ("operator", "/operator")]
)
async def test_a_step_into_a_view_signs_the_newcomer_in(toured: AsyncClient, view: str, shown: str) -> None:
    answer = await toured.post(f"/tour/{view}", headers=PERSON)
    assert (answer.status_code, answer.headers["location"]) == (303, shown)
    assert COOKIE in answer.cookies
    assert (await toured.get("/attendant", headers=PERSON)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "parking.example"},
        {"x-forwarded-for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://elsewhere.example"},
    ],
)
async def test_nobody_from_elsewhere_is_signed_in_for_a_tour(
    toured: AsyncClient, headers: dict[str, str]
) -> None:
    await create_account(toured.desk.database, "Ann", Role.ATTENDANT, "correct horse battery")  # type: ignore[attr-defined]
    for _ in ("a stranger", "an attendant"):
        answer = await toured.post("/tour/operator", headers=PERSON | headers)
        assert answer.status_code in (403, 404)
        assert "set-cookie" not in answer.headers
        await toured.post("/sign-in", data={"name": "Ann", "password": "correct horse battery"})
    assert (await toured.get("/attendant", headers=PERSON)).status_code == 200


async def test_who_comes_from_elsewhere_is_not_shown_the_way_either(toured: AsyncClient) -> None:
    start = await toured.get("/", headers=PERSON | {"host": "parking.example"})
    assert (start.status_code, "What you are looking at" in start.text) == (200, False)


async def test_without_made_up_drivers_there_is_no_tour(client: AsyncClient) -> None:
    await create_account(client.desk.database, "Operator", Role.OPERATOR)  # type: ignore[attr-defined]
    assert "What you are looking at" not in (await client.get("/", headers=PERSON)).text
    answer = await client.post("/tour/operator", headers=PERSON)
    assert (answer.status_code, "set-cookie" in answer.headers) == (404, False)


async def test_a_tour_through_a_lot_that_is_gone_is_none(
    database_url: str, redis_url: str, redis: Redis
) -> None:
    async with served(database_url, redis_url, tour="gone") as client:
        assert "What you are looking at" not in (await client.get("/", headers=PERSON)).text


async def test_an_unknown_view_is_no_view_and_nobody_is_signed_in_where_nobody_may(
    database_url: str, redis_url: str, redis: Redis
) -> None:
    async with served(database_url, redis_url, tour="here") as client:
        for view in ("driver", "nothing", "operator"):
            answer = await client.post(f"/tour/{view}", headers=PERSON)
            assert (answer.status_code, "set-cookie" in answer.headers) == (404, False), view
