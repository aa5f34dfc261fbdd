"""Every page there is, each in the states in which people meet it."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import FilePayload, Page

from app.slots.demo import demo_file
from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import Visitors

FULL_LOT = "herrick-west"
AWAITED_LOT = "gate-house"


@dataclass(frozen=True)
class Place:
    """A page by its name, with the status of its answer; ``press`` is clicked there, ``key`` typed."""

    name: str
    path: str
    status: int = 200
    press: str = ""
    key: str = ""


@dataclass(frozen=True)
class Tour:
    """All places, with the cookies of a driver who has booked and of an operator."""

    places: tuple[Place, ...]
    cookies: list[dict[str, object]]

    async def visit(self, page: Page, place: Place) -> None:
        """Opens the place, presses what is to be pressed, and waits until nothing moves."""
        answer = await page.goto(place.path)
        assert answer is not None and answer.status == place.status, f"{place.name}: {answer}"
        if place.press:
            await page.click(place.press)
        if place.key:
            await page.keyboard.press(place.key)
        if place.press:
            await page.wait_for_function("() => !document.querySelector('.htmx-request')")
        await page.evaluate("() => Promise.all(document.getAnimations().map((each) => each.finished))")


async def prepare_tour(visitors: Visitors, rest: Rest, lotline: Installation) -> Tour:
    """Makes the states: bookings, an overstay, closed and taken slots, a lot without a free slot."""
    late, later = await rest.free_slot("C"), int(time.time()) + 3
    await rest.reserve(late["identifier"], new_plate(), until=later)
    for slot in await rest.slots(FULL_LOT, status="free"):
        await rest.reserve(slot["identifier"], new_plate())

    page = await visitors.new()
    booked = [await book(page, (await rest.free_slot("E"))["name"]) for _ in range(2)]
    await page.click("#release > summary")
    await page.click("#release-button")
    await page.wait_for_selector(".ended")
    await page.goto(await lotline.sign_in_link())
    closed, taken = [(await rest.slots(area="A", status="free"))[at]["name"] for at in (-1, -2)]
    desk = "/attendant/lots/riverside"
    await page.goto(f"{desk}/slots/{closed}")
    await page.click("#do-close")
    await page.wait_for_selector("#do-open")
    await page.goto(f"{desk}/slots/{taken}")
    await page.fill("#walk-in-plate", new_plate())
    await page.click("#do-walk-in")
    await page.wait_for_selector("#ask-release")

    await rest.put(identifier=f"{AWAITED_LOT}-1", lot=AWAITED_LOT, name="G1", location="behind the gate")
    await rest.put(identifier=f"{AWAITED_LOT}-2", lot=AWAITED_LOT, name="G2", location="behind the gate")
    await lotline.require_check_in(AWAITED_LOT, within_min=4)
    await rest.reserve(f"{AWAITED_LOT}-1", new_plate())

    await asyncio.sleep(later - time.time())

    free = (await rest.free_slot("D"))["name"]
    lot = "/lots/riverside"
    await page.goto("/operator/import")
    await page.set_input_files("#file", file("tour.csv", "slot,size\ntour-1,car\ntour-2,ship\n"))
    await page.click("#try")
    tried = urlsplit(page.url).path
    await page.goto("/operator/import")
    await page.set_input_files("#file", file("west.geojson", demo_file()))
    await page.click("#try")
    drawn = urlsplit(page.url).path
    await page.goto("/operator/import")
    await page.set_input_files("#file", file("gate.csv", f"slot,lot\n{AWAITED_LOT}-3,{AWAITED_LOT}\n"))
    await page.click("#try")
    await page.click("#import")
    await page.wait_for_selector("#notice")
    imported = urlsplit(page.url).path
    drivers = (
        Place("lots", "/"),
        Place("lots, nothing found", "/?q=zzzz"),
        Place("lot", lot),
        Place("lot that is full", f"/lots/{FULL_LOT}"),
        Place("line of a full lot", f"/lots/{FULL_LOT}", press="#wait-button"),
        Place("lot as a list", f"{lot}#slots-list"),
        Place("slot that is free", f"{lot}/slots/{free}"),
        Place("slot with another time", f"{lot}/slots/{free}?start=later&duration=other"),
        Place("slot with errors", f"{lot}/slots/{free}", press="#panel-submit"),
        Place("slot that is taken", f"{lot}/slots/{taken}"),
        Place("slot that is closed", f"{lot}/slots/{closed}"),
        Place("slot that one has to check in at", f"/lots/{AWAITED_LOT}/slots/G2"),
        Place("my bookings", "/bookings"),
        Place("booking", booked[0]),
        Place("booking that asks", booked[0], press="#release > summary"),
        Place("booking that is extended", booked[0], press="#extend > summary"),
        Place("booking that has ended", booked[1]),
        Place("wall", "/display/riverside"),
        Place("wall of a full lot", f"/display/{FULL_LOT}"),
        Place("wall that waits to be paired", "/display"),
        Place("sign-in", "/sign-in"),
        Place("sign-in by an old link", "/sign-in?notice=link"),
        Place("signed out", "/sign-in?notice=signed-out"),
        Place("documentation", "/docs"),
        Place("styleguide", "/styleguide"),
        Place("no connection", "/offline"),
        Place("no such address", "/nothing", 404),
        Place("no such booking", "/bookings/nothing", 404),
    )
    attendants = (
        Place("desks", "/attendant"),
        Place("desk", desk),
        Place("desk, a plate found", f"{desk}?q=TST"),
        Place("desk, no plate found", f"{desk}?q=ZZZZ"),
        Place("desk, free slot", f"{desk}/slots/{free}"),
        Place("desk, overstay", f"{desk}/slots/{late['name']}"),
        Place("desk, asking", f"{desk}/slots/{taken}", press="#ask-release"),
        Place("desk, closed slot", f"{desk}/slots/{closed}"),
        Place("desk, just checked in", f"{desk}/slots/{taken}?done=check-in"),
        Place("desk, several to open", f"{desk}/works?area=A&first=A1&last=A4"),
        Place("desk, a whole area", f"{desk}/works?area=A", press="#works-close"),
        Place("desk, somebody waits", f"/attendant/lots/{FULL_LOT}"),
        Place("desk, keys", desk, key="?"),
        Place("desk, somebody awaited", f"/attendant/lots/{AWAITED_LOT}"),
        Place("money at the desk", "/attendant/money"),
        Place("money of a lot at the desk", "/attendant/money?lot=riverside"),
        Place("money of a lot, asking", "/attendant/money?lot=riverside", press="#owed summary"),
        Place("payments", "/operator/payments"),
        Place("payments, a filter that is wrong", "/operator/payments?q=nonsense", 422),
        Place("closing of a lot without payments", "/operator/closing"),
        Place("displays", "/operator/displays"),
        Place("displays, a code that is wrong", "/operator/displays", press="#pair-button"),
        Place("operator's lots", "/operator"),
        Place("operator's lots, nothing found", "/operator?q=zzzz"),
        Place("new lot", "/operator/new-lot"),
        Place("operator's lot", "/operator/lots/riverside"),
        Place("operator's lot, closing it", "/operator/lots/riverside", press="#close > summary"),
        Place("area", "/operator/lots/riverside/areas/A"),
        Place("slot to be edited", f"/operator/lots/riverside/slots/{free}"),
        Place("import", "/operator/import"),
        Place("import, tried", tried),
        Place("import, tried, with a map", drawn),
        Place("import that is done", imported),
        Place("audit trail", "/operator/audit?check=1"),
        Place("audit trail, nothing found", "/operator/audit?who=Nobody"),
        Place("tariffs", "/operator/tariffs"),
        Place("tariff", "/operator/lots/riverside/tariff"),
        Place("tariff of an area", "/operator/lots/riverside/tariff?area=A"),
    )
    return Tour(drivers + attendants, list(await page.context.cookies()))  # type: ignore[arg-type]


def file(name: str, data: str | bytes) -> FilePayload:
    """A file as a browser sends it."""
    raw = data.encode() if isinstance(data, str) else data
    return {"name": name, "mimeType": "text/plain", "buffer": raw}


async def book(page: Page, name: str) -> str:
    """Books a slot as a driver does; the path of the booking."""
    await page.goto(f"/lots/riverside/slots/{name}")
    await page.fill("#entity", new_plate())
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    return urlsplit(page.url).path
