"""Who gets in, and what the others are told."""

import re
from datetime import UTC, datetime

import pytest
from httpx2 import AsyncClient
from redis.asyncio import Redis
from starlette.routing import Route

from app.accounts.access import COOKIE, Access, GuardedRoute
from app.accounts.models import Role
from app.accounts.service import create_account, create_link
from app.bookings.desk import Desk
from app.core.ids import new_id, sign_id
from app.main import routes
from tests.integration.api.calls import RESERVE, problem, put_slots
from tests.integration.api.conftest import served
from tests.integration.payments.made_up import Books

GUARDED = [route for route in routes() if isinstance(route, GuardedRoute)]


def address(route: Route, **parameters: str) -> str:
    known = {"lot": "here", "slot": "s0", "action": "close", "area": "A", "view": "operator", "display": "1"}
    ids = ("secret", "token", "payment", "provider", "refund", "upload", "id")
    known |= dict.fromkeys(ids, "none") | parameters
    return re.sub(r"{(\w+)(?::path)?}", lambda found: known[found[1]], route.path)


def of(access: Access, **parameters: str) -> list[tuple[str, str]]:
    """Method and address of every route with this access."""
    return [
        (method, address(route, **parameters))
        for route in GUARDED
        if route.access is access
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


async def test_nobody_gets_to_the_attendants_without_signing_in(client: AsyncClient) -> None:
    await put_slots(client, 1)
    assert of(Access.ATTENDANT)
    for method, path in of(Access.ATTENDANT):
        answer = await client.request(method, path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?next=/attendant")
        by_htmx = await client.request(method, path, headers={"HX-Request": "true"})
        assert by_htmx.status_code == 401
        assert by_htmx.headers["hx-redirect"].startswith("/sign-in?next=/attendant")
        forged = await client.request(method, path, headers={"Cookie": f"{COOKIE}=forged"})
        assert forged.status_code == 303
    desk: Desk = client.desk  # type: ignore[attr-defined]
    slots = await client.get("/parking")
    assert slots.json()["slotDetails"][0]["status"] == "free"
    assert desk


async def test_an_attendant_gets_to_all_that_is_theirs(client: AsyncClient) -> None:
    await put_slots(client, 1)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    account = await create_account(desk.database, "Ann", Role.ATTENDANT)
    await client.get(f"/sign-in/{await create_link(desk.database, account)}")
    for method, path in of(Access.ATTENDANT):
        if method == "GET":
            assert (await client.get(path)).status_code == 200, path
    closed = await client.post("/attendant/lots/here/slots/s0/close", data={"version": "1"})
    assert closed.status_code == 303
    assert (await client.get("/parking")).json()["slotDetails"][0]["status"] == "closed"


async def test_only_an_operator_gets_to_what_is_the_operators(client: AsyncClient) -> None:
    await put_slots(client, 1)
    desk: Desk = client.desk  # type: ignore[attr-defined]
    assert of(Access.OPERATOR)
    for method, path in of(Access.OPERATOR):
        answer = await client.request(method, path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?next=/")
    attendant = await create_account(desk.database, "Ann", Role.ATTENDANT)
    await client.get(f"/sign-in/{await create_link(desk.database, attendant)}")
    for method, path in of(Access.OPERATOR):
        problem(await client.request(method, path), 403, "not-allowed")
    operator = await create_account(desk.database, "Ines", Role.OPERATOR)
    await client.get(f"/sign-in/{await create_link(desk.database, operator)}")
    payment = await Books(desk.database, 1).paid(datetime(2026, 6, 1, tzinfo=UTC), 100)
    for method, path in of(Access.OPERATOR, payment=payment.id):
        if method == "GET":
            # Of what is made up there is no import and no display; nobody is refused for who they are.
            expected = (404,) if "none" in path or path.endswith("/1") else (200, 303)
            assert (await client.get(path)).status_code in expected, path


async def test_a_wrong_secret_leads_to_no_booking(client: AsyncClient) -> None:
    await put_slots(client, 1)
    booked = (await client.post(RESERVE, json={"entityIdentifier": "HKR 4821"})).json()
    token = booked["_links"]["booking"].removeprefix("/bookings/")
    assert (await client.get(f"/bookings/{token}")).status_code == 200
    other_key = sign_id(b"another key", booked["reservation"])
    never_made = sign_id(client.desk.signing_key, new_id())  # type: ignore[attr-defined]
    swapped = ("B" if token[0] == "A" else "A") + token[1:]
    wrong = [
        booked["reservation"],
        token[:-1],
        token + "A",
        token.lower(),
        swapped,
        other_key,
        never_made,
        "ü",
        "%20",
    ]
    for route in GUARDED:
        if route.access is not Access.HOLDER:
            continue
        for method in sorted((route.methods or set()) - {"HEAD"}):
            for one in wrong:
                answer = await client.request(method, address(route, token=one), data={"until": "23:00"})
                problem(answer, 404)
                assert "HKR" not in answer.text
    assert (await client.get("/parking")).json()["slotDetails"][0]["status"] == "reserved"


@pytest.mark.parametrize(
    "closed",
    [
        {"host": "0.0.0.0"},
        {"host": "192.0.2.7"},
        {"host": "::"},
        {"host": "example.org"},
        {"profile": "production"},
    ],
    ids=str,
)
async def test_the_rest_surface_is_closed_where_others_can_reach_it(
    closed: dict[str, str], database_url: str, redis_url: str, redis: Redis
) -> None:
    async with served(database_url, redis_url, **closed) as client:
        assert len(of(Access.PROGRAM)) >= 5
        for method, path in of(Access.PROGRAM):
            problem(await client.request(method, path), 401, "not-signed-in")
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/docs"):
            assert (await client.get(path)).status_code == 200
        desk: Desk = client.desk  # type: ignore[attr-defined]
        account = await create_account(desk.database, "Olga", Role.OPERATOR)
        await client.get(f"/sign-in/{await create_link(desk.database, account)}")
        assert (await client.get("/parking")).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
async def test_the_rest_surface_is_open_on_loopback_in_development(
    host: str, database_url: str, redis_url: str, redis: Redis
) -> None:
    async with served(database_url, redis_url, host=host) as client:
        assert (await client.get("/parking")).status_code == 200


async def test_the_rest_surface_is_closed_to_what_was_addressed_to_another_name(client: AsyncClient) -> None:
    """A page of another site may have its own name lead to this machine; a proxy says for whom it asks."""
    for headers in (
        {"Host": "evil.test"},
        {"Host": "127.0.0.1.evil.test"},
        {"Host": "evil.test:8000"},
        {"Host": ""},
        {"Host": "["},
        {"Host": "192.0.2.7"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1"},
    ):
        problem(await client.get("/parking", headers=headers), 401, "not-signed-in")
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"):
        assert (await client.get("/parking", headers={"Host": host})).status_code == 200


async def test_public_pages_answer_anybody_and_name_nobody(client: AsyncClient) -> None:
    await put_slots(client, 2)
    await client.post(RESERVE, json={"entityIdentifier": "HKR 4821", "slot": "s0"})
    # A page that shows the slot, before and after, to somebody who holds nothing.
    for route in GUARDED:
        if route.access is Access.PUBLIC and "GET" in (route.methods or ()):
            answer = await client.get(address(route), follow_redirects=True)
            assert answer.status_code < 500, route.path
            for plate in ("HKR", "4821"):
                assert plate not in answer.text, route.path
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
            assert answer.headers["x-content-type-options"] == "nosniff"
