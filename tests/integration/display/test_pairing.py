"""Screens and operators over the whole application: codes, pairing, moving, revoking."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from redis.asyncio import Redis
from sqlalchemy import select

from app.accounts.access import Access, GuardedRoute
from app.accounts.models import Role
from app.accounts.service import create_account
from app.audit.models import AuditEntry
from app.bookings.desk import Desk
from app.bookings.opening import import_lots
from app.core.clock import FixedClock
from app.display import pairing
from app.display.pairing import CODE_LIFE, LETTERS, MOST_OF_ADDRESS, MOST_WRONG, WRONG_WITHIN, as_stored
from app.display.presence import CHANGED, Displays
from app.display.routes import COOKIE
from app.main import routes
from app.slots.importers.plan import ImportPlan
from tests.integration.api.conftest import ADDRESS, served
from tests.integration.lots import lot_plan

PASSWORD = "correct horse battery"
PERSON = {"Accept": "text/html"}
_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]


class House:
    """An application with two lots, an operator who is signed in, and screens."""

    def __init__(self, operator: AsyncClient, clock: FixedClock) -> None:
        self.operator = operator
        self.clock = clock
        self.app = operator.app  # type: ignore[attr-defined]
        self.desk: Desk = operator.desk  # type: ignore[attr-defined]

    def browser(self, **headers: str) -> AsyncClient:
        """One without cookies."""
        return AsyncClient(transport=ASGITransport(self.app), base_url=ADDRESS, headers=PERSON | headers)

    async def pair(self, code: str, name: str = "Hall", lot: str = "here", language: str = "") -> Response:
        form = {"code": code, "name": name, "lot": lot, "language": language}
        return await self.operator.post("/operator/displays", data=form)

    async def audit(self) -> list[tuple[str, str, str, str]]:
        async with self.desk.database.look() as connection:
            rows = await connection.execute(
                select(_ENTRY.c.who, _ENTRY.c.act, _ENTRY.c.subject, _ENTRY.c.detail).order_by(_ENTRY.c.id)
            )
            return [tuple(row) for row in rows]  # type: ignore[misc]


@pytest.fixture
async def house(database_url: str, redis_url: str, redis: Redis, clock: FixedClock) -> AsyncIterator[House]:
    async with served(database_url, redis_url, clock) as client:
        found = House(client, clock)
        lots = ImportPlan((lot_plan("here"), lot_plan("there")), ())
        await import_lots(found.desk, lots)
        await create_account(found.desk.database, "Ola", Role.OPERATOR, PASSWORD)
        await create_account(found.desk.database, "Ann", Role.ATTENDANT, PASSWORD)
        client.headers["Accept"] = "text/html"
        await client.post("/sign-in", data={"name": "Ola", "password": PASSWORD})
        yield found


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 6, 1, 11, 50, tzinfo=UTC))


async def code_on(screen: AsyncClient) -> str:
    """What the screen shows."""
    answer = await screen.post("/display/code", headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer.text
    found = re.search(r'class="pairing-code"[^>]*>([^<]+)<', answer.text)
    assert found, answer.text
    return found[1]


async def test_a_screen_becomes_the_wall_of_the_lot_that_an_operator_names(house: House) -> None:
    screen = house.browser()
    assert "Pair this display" in (await screen.get("/display")).text
    code = await code_on(screen)
    assert re.fullmatch(f"[{LETTERS}]{{3}}-[{LETTERS}]{{3}}", code)
    answer = await house.pair(f" {code.lower().replace('-', ' ')} ", " Hall ")
    assert answer.status_code == 303
    told = await screen.post("/display/code", headers={"HX-Request": "true"})
    assert (told.status_code, told.headers["HX-Refresh"]) == (204, "true")
    wall = await screen.get("/display")
    assert "Here, free spaces" in wall.text
    assert 'hx-ws:connect="/ws/display"' in wall.text
    assert "httponly" in wall.headers["set-cookie"].lower()
    page = (await house.operator.get(answer.headers["location"])).text
    assert "Hall is paired." in page
    assert "Paired Mon 1 Jun 2026 13:50 by Ola" in page
    subject = re.search(r'id="display-(\d+)"', page)
    assert subject
    assert (await house.audit())[-1] == (
        "Ola",
        "pair-display",
        f"display {subject[1]}",
        '{"language":"","lot":"here","name":"Hall"}',
    )


async def test_a_code_holds_for_fifteen_minutes_and_the_screen_then_has_another(house: House) -> None:
    screen = house.browser()
    code = await code_on(screen)
    assert await code_on(screen) == code
    house.clock.advance(CODE_LIFE - timedelta(seconds=1))
    assert await code_on(screen) == code
    house.clock.advance(timedelta(seconds=1))
    assert (await house.pair(code)).status_code == 422
    fresh = await code_on(screen)
    assert fresh != code
    assert (await house.pair(fresh)).status_code == 303


async def test_a_code_is_used_up_by_one_pairing(house: House) -> None:
    screen = house.browser()
    code = await code_on(screen)
    answers = await asyncio.gather(*(house.pair(code, f"Hall {number}") for number in range(4)))
    assert sorted(one.status_code for one in answers) == [303, 422, 422, 422]
    assert len(await pairing.displays(house.desk.database)) == 1


async def test_every_wrong_field_is_named_and_what_was_typed_stays(house: House) -> None:
    answer = await house.pair("AAA-AAA", "", "nowhere", "xx")
    assert answer.status_code == 422
    for said in ("No screen shows this code.", "Give the display a name", "Choose a lot.", "Choose one of"):
        assert said in answer.text
    assert 'value="AAA-AAA"' in answer.text
    assert "Enter the code that the screen shows." in (await house.pair("")).text
    long = await house.pair(await code_on(house.browser()), "x" * 81)
    assert "Use at most 80 characters." in long.text


async def test_a_session_may_enter_a_few_wrong_codes_in_a_minute(house: House) -> None:
    code = await code_on(house.browser())
    for _ in range(MOST_WRONG):
        assert (await house.pair("AAA-AAA")).status_code == 422
    refused = await house.pair(code)
    assert refused.status_code == 429
    assert "Too many wrong codes" in refused.text
    # Another session is another person.
    async with house.browser() as other:
        await other.post("/sign-in", data={"name": "Ola", "password": PASSWORD})
        form = {"code": "AAA-AAA", "name": "Hall", "lot": "here"}
        assert (await other.post("/operator/displays", data=form)).status_code == 422
    house.clock.advance(WRONG_WITHIN)
    assert (await house.pair(code)).status_code == 303
    assert [act for _, act, _, _ in await house.audit()].count("wrong-display-code") == MOST_WRONG + 1


async def test_tries_at_once_are_counted_as_well(house: House) -> None:
    answers = await asyncio.gather(*(house.pair("AAA-AAA") for _ in range(4 * MOST_WRONG)))
    assert [one.status_code for one in answers].count(422) == MOST_WRONG


async def test_one_address_cannot_use_the_codes_up(house: House) -> None:
    for _ in range(MOST_OF_ADDRESS):
        await code_on(house.browser())
    answer = await house.browser().post("/display/code")
    assert "Too many screens wait to be paired" in answer.text
    house.clock.advance(CODE_LIFE)
    await code_on(house.browser())


async def paired(house: House, language: str = "", **headers: str) -> tuple[AsyncClient, int]:
    screen = house.browser(**headers)
    assert (await house.pair(await code_on(screen), "Hall", "here", language)).status_code == 303
    (display,) = await pairing.displays(house.desk.database)
    return screen, display.id


async def test_a_display_that_is_moved_shows_the_other_lot(house: House) -> None:
    screen, number = await paired(house)
    form = {"name": "Gate", "lot": "there", "language": "de"}
    answer = await house.operator.post(f"/operator/displays/{number}", data=form)
    assert answer.status_code == 303
    wall = await screen.get("/display")
    assert 'lang="de"' in wall.text
    assert "There" in wall.text
    assert (await house.audit())[-1][1:] == (
        "move-display",
        f"display {number}",
        '{"before":{"language":"","lot":"here","name":"Hall"},"language":"de","lot":"there","name":"Gate"}',
    )
    wrong = await house.operator.post(f"/operator/displays/{number}", data=form | {"name": " "})
    assert wrong.status_code == 422
    assert "Give the display a name" in wrong.text
    gone = await house.operator.post("/operator/displays/4711", data=form)
    assert gone.status_code == 404


async def test_a_wall_speaks_the_language_of_its_pairing_else_that_of_its_browser(house: House) -> None:
    screen, number = await paired(house, **{"Accept-Language": "de"})
    assert 'lang="de"' in (await screen.get("/display")).text
    form = {"name": "Hall", "lot": "here", "language": "en"}
    await house.operator.post(f"/operator/displays/{number}", data=form)
    assert 'lang="en"' in (await screen.get("/display")).text


async def test_a_display_that_is_revoked_shows_a_new_code(house: House) -> None:
    screen, number = await paired(house)
    before = (await house.audit())[-1]
    answer = await house.operator.post(f"/operator/displays/{number}/revoke")
    assert answer.status_code == 303
    assert "Pair this display" in (await screen.get("/display")).text
    code = await code_on(screen)
    assert (await house.audit())[-1] == ("Ola", "revoke-display", before[2], before[3])
    assert "no longer paired" in (await house.operator.post(f"/operator/displays/{number}/revoke")).text
    assert (await house.pair(code)).status_code == 303


@pytest.mark.parametrize("act", ["moved", "revoked"])
async def test_a_connected_screen_is_told_within_seconds(house: House, act: str) -> None:
    screen, number = await paired(house)
    displays: Displays = house.app.state.parts.get(Displays)
    secret = screen.cookies[f"{COOKIE}"]
    shows = await displays.of(secret)
    assert shows is not None
    with displays.connected(shows) as ends:
        await asyncio.sleep(0)
        if act == "moved":
            await house.operator.post(
                f"/operator/displays/{number}", data={"name": "Hall", "lot": "there", "language": ""}
            )
        else:
            await house.operator.post(f"/operator/displays/{number}/revoke")
        assert await asyncio.wait_for(ends, 5.0) == CHANGED


async def test_operators_see_when_a_display_was_connected_last(house: House) -> None:
    screen, number = await paired(house)
    displays: Displays = house.app.state.parts.get(Displays)
    shows = await displays.of(screen.cookies[COOKIE])
    assert shows is not None
    assert "Connecting" in (await house.operator.get("/operator/displays/seen")).text
    with displays.connected(shows):
        await until_seen(house)
    assert "Connected" in (await house.operator.get("/operator/displays")).text
    house.clock.advance(timedelta(hours=3))
    page = (await house.operator.get("/operator/displays/seen")).text
    assert f'id="seen-{number}"' in page
    assert "Last seen 13:50, 3 h ago" in page
    metrics = (await house.operator.get("/metrics")).text
    assert 'lotline_displays{state="away"} 1.0' in metrics


async def until_seen(house: House) -> None:
    for _ in range(100):
        (one,) = await pairing.displays(house.desk.database)
        if one.last_seen_at is not None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not seen")


async def test_the_cookie_of_a_display_opens_nothing_but_the_wall(house: House) -> None:
    screen, number = await paired(house)
    opened = []
    for route in routes():
        if not isinstance(route, GuardedRoute) or route.access not in (Access.OPERATOR, Access.ATTENDANT):
            continue
        path = re.sub(r"\{display\}", str(number), re.sub(r"\{(?!display)[^}]+\}", "here", route.path))
        for method in sorted(set(route.methods or ()) - {"HEAD"}):
            answer = await screen.request(method, path, headers={"Sec-Fetch-Site": "same-origin"})
            if answer.status_code != 303 or not answer.headers["location"].startswith("/sign-in"):
                opened.append((method, path, answer.status_code))
    assert opened == []
    # Nor is it a session by another name.
    secret = screen.cookies[COOKIE]
    async with house.browser() as other:
        answer = await other.get("/operator/displays", headers={"Cookie": f"lotline_session={secret}"})
        assert answer.status_code == 303


async def test_only_operators_may_pair(house: House) -> None:
    code = await code_on(house.browser())
    async with house.browser() as attendant:
        await attendant.post("/sign-in", data={"name": "Ann", "password": PASSWORD})
        form = {"code": code, "name": "Hall", "lot": "here"}
        assert (await attendant.post("/operator/displays", data=form)).status_code == 403
    assert await pairing.displays(house.desk.database) == []


async def test_the_secret_is_nowhere_in_sql(house: House) -> None:
    screen, _ = await paired(house)
    secret = screen.cookies[COOKIE]
    waiting = house.browser()
    await code_on(waiting)
    async with house.desk.database.look() as connection:
        for table in (pairing._DISPLAY, pairing._CODE):
            for row in await connection.execute(select(table)):
                assert secret not in map(str, row)
                assert waiting.cookies[COOKIE] not in map(str, row)


def test_what_people_type_between_the_letters_does_not_matter() -> None:
    assert {as_stored(typed) for typed in ("K7M-2QD", " k7m 2qd", "k7m2qd", "K7M–2QD.")} == {"K7M2QD"}
