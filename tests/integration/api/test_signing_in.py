"""Signing in and out, and what a browser's cookies are worth."""

from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from httpx2 import AsyncClient, Response

from app.accounts.access import COOKIE
from app.accounts.models import Role
from app.accounts.service import LINK_LIFE, SESSION_LIFE, create_account, create_link
from app.bookings.desk import Desk
from app.core.clock import FixedClock
from tests.integration.api.calls import put_slots

PASSWORD = "correct horse battery"
DESK = "/attendant"


def desk(client: AsyncClient) -> Desk:
    found: Desk = client.desk  # type: ignore[attr-defined]
    return found


async def sign_in(client: AsyncClient, name: str = "Ann", password: str = PASSWORD, **more: str) -> Response:
    return await client.post("/sign-in", data={"name": name, "password": password, **more})


@pytest.fixture
async def ann(timed_client: AsyncClient) -> int:
    return await create_account(desk(timed_client).database, "Ann", Role.ATTENDANT, PASSWORD)


async def test_name_and_password_sign_in_and_go_where_one_wanted(timed_client: AsyncClient, ann: int) -> None:
    answer = await sign_in(timed_client, " Ann ", next="/attendant/lots/here")
    assert (answer.status_code, answer.headers["location"]) == (303, "/attendant/lots/here")
    assert (await timed_client.get(DESK)).status_code == 200


UNFIT = [
    ("Ann", "wrong horse battery", 401),
    ("Ann", PASSWORD + " ", 401),
    ("ann", PASSWORD, 401),
    ("Bob", PASSWORD, 401),
    ("Ann\x00", PASSWORD, 401),
    ("Ann", PASSWORD + "\x00", 401),
    ("A" * 5_000, PASSWORD, 401),
    ("Ann", "p" * 500_000, 401),
    ("", PASSWORD, 422),
    ("Ann", "", 422),
    ("", "", 422),
]


async def test_what_does_not_fit_signs_nobody_in(timed_client: AsyncClient, ann: int) -> None:
    for name, password, status in UNFIT:
        answer = await sign_in(timed_client, name, password)
        assert answer.status_code == status, name
        assert "set-cookie" not in answer.headers
        if password:
            assert password not in answer.text
        assert (await timed_client.get(DESK)).status_code == 303


async def test_an_account_without_a_password_has_none_that_fits(timed_client: AsyncClient) -> None:
    await create_account(desk(timed_client).database, "Linked", Role.OPERATOR)
    for password in ("nobody", "", "None"):
        assert (await sign_in(timed_client, "Linked", password)).status_code in (401, 422)


async def test_a_link_signs_in_once_within_its_hour(
    timed_client: AsyncClient, ann: int, clock: FixedClock
) -> None:
    link = f"/sign-in/{await create_link(desk(timed_client).database, ann)}"
    first = await timed_client.get(link)
    assert (first.status_code, first.headers["location"]) == (303, DESK)
    timed_client.cookies.clear()
    second = await timed_client.get(link)
    assert (second.status_code, second.headers["location"]) == (303, "/sign-in?notice=link")
    assert "set-cookie" not in second.headers
    late = f"/sign-in/{await create_link(desk(timed_client).database, ann)}"
    clock.advance(LINK_LIFE)
    assert "set-cookie" not in (await timed_client.get(late)).headers
    assert (await timed_client.get(DESK)).status_code == 303


async def test_a_session_ends_by_itself(timed_client: AsyncClient, ann: int, clock: FixedClock) -> None:
    await sign_in(timed_client)
    clock.advance(SESSION_LIFE - timedelta(seconds=1))
    assert (await timed_client.get(DESK)).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert (await timed_client.get(DESK)).status_code == 303


async def test_signing_out_ends_the_session_on_the_server(timed_client: AsyncClient, ann: int) -> None:
    await sign_in(timed_client)
    secret = timed_client.cookies[COOKIE]
    out = await timed_client.post("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in?notice=signed-out")
    assert COOKIE not in timed_client.cookies
    kept = await timed_client.get(DESK, headers={"Cookie": f"{COOKIE}={secret}"})
    assert kept.status_code == 303
    assert (await timed_client.post("/sign-out")).status_code == 303


async def test_two_browsers_of_one_account_have_sessions_of_their_own(
    timed_client: AsyncClient, ann: int
) -> None:
    await sign_in(timed_client)
    first = timed_client.cookies[COOKIE]
    timed_client.cookies.clear()
    await sign_in(timed_client)
    await timed_client.post("/sign-out")
    other = await timed_client.get(DESK, headers={"Cookie": f"{COOKIE}={first}"})
    assert other.status_code == 200


async def test_cookies_are_out_of_reach_for_scripts_and_other_sites(
    timed_client: AsyncClient, ann: int
) -> None:
    await put_slots(timed_client, 1)
    signed_in = await sign_in(timed_client)
    form = {"entity": "HKR 4821", "start": "now", "duration": "120"}
    booked = await timed_client.post("/lots/here/slots/s0", data=form)
    seen = set()
    for answer in (signed_in, booked):
        for header in answer.headers.get_list("set-cookie"):
            for name, cookie in SimpleCookie(header).items():
                seen.add(name)
                assert cookie["httponly"] is True
                assert cookie["samesite"] == "lax"
                assert cookie["path"] == "/"
                assert int(cookie["max-age"]) > 0
    assert seen == {COOKIE, "lotline_bookings"}, booked.text[:2000]


async def test_over_https_cookies_are_for_https_only(timed_client: AsyncClient, ann: int) -> None:
    answer = await timed_client.post(
        "https://127.0.0.1:8000/sign-in", data={"name": "Ann", "password": PASSWORD}
    )
    assert SimpleCookie(answer.headers["set-cookie"])[COOKIE]["secure"] is True


SENT_FROM = [
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"}, False),
    ({"Origin": "http://evil.test"}, False),
    ({"Origin": "http://127.0.0.1:8000.evil.test"}, False),
    ({"Origin": "http://127.0.0.1:81"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8000"}, True),
    ({"Origin": "http://127.0.0.1:8000"}, True),
    ({}, True),
]


async def test_a_change_that_another_site_sends_is_refused(timed_client: AsyncClient) -> None:
    for number, (headers, passes) in enumerate(SENT_FROM):
        body = {"identifier": f"s{number}"}
        for method, address in (
            ("PUT", "/parking"),
            ("POST", "/sign-out"),
            ("POST", "/parking?action=reserve"),
        ):
            answer = await timed_client.request(method, address, json=body, headers=headers)
            assert (answer.status_code != 403) == passes, (headers, address)
        made = await timed_client.get(f"/parking?slot=s{number}")
        assert made.status_code == (200 if passes else 404)


async def test_signing_in_never_leads_to_another_site(timed_client: AsyncClient, ann: int) -> None:
    for address in ("//evil.test", "/\\evil.test", "https://evil.test", "/\t/["):
        page = await timed_client.get("/sign-in", params={"next": address})
        assert page.status_code == 200
        assert address not in page.text
        assert (await sign_in(timed_client, next=address)).headers["location"] == DESK
