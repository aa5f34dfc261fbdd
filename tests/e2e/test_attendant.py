"""The attendant's desk, and what drivers see of it."""

import asyncio
import time
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.changes import DEADLINE_S, answered_at, change
from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import Visitors, live

DESK = "/attendant/lots/riverside"


async def signed_in(visitors: Visitors, lotline: Installation) -> Page:
    """A desk, signed in by a link of its own."""
    page = await visitors.new()
    await page.goto(await lotline.sign_in_link())
    await page.goto(DESK)
    await live(page)
    return page


async def watched(page: Page, name: str) -> str:
    """The selector of a slot's tile on a driver's map."""
    return f"#{await page.get_attribute(f'[data-name={name}]', 'id')}"


async def act(desk: Page, driver: Page, key: str, name: str, state: str, then: str = "") -> None:
    """Presses a key at the desk (and then a button); the driver's map shows the state at once."""
    changed = await change(driver, f"{name} {state}", await watched(driver, name), state, "data-state")
    async with desk.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await desk.keyboard.press(key)
        if then:
            await desk.click(then)
    await changed.within(DEADLINE_S, answered_at(await answered.value))


@pytest.mark.parametrize("path", ["/attendant", DESK, f"{DESK}/slots/A1", f"{DESK}/todo"])
async def test_who_is_not_signed_in_is_sent_to_the_sign_in_page(visitors: Visitors, path: str) -> None:
    page = await visitors.new()
    await page.goto(path)
    assert urlsplit(page.url).path == "/sign-in"
    await expect(page.locator("h1")).to_have_text("Sign in")


async def test_a_link_signs_in_once_and_signing_out_ends_it(
    visitors: Visitors, lotline: Installation
) -> None:
    link = await lotline.sign_in_link()
    page, second = await visitors.new(), await visitors.new()
    await page.goto(link)
    assert urlsplit(page.url).path == "/attendant"
    await second.goto(link)
    assert urlsplit(second.url).path == "/sign-in"
    await expect(second.locator("[role=alert]")).to_contain_text("no longer valid")
    await second.goto("/attendant")
    assert urlsplit(second.url).path == "/sign-in"

    await page.click(".desk-out")
    await expect(page.locator("[role=status]").first).to_contain_text("You are signed out.")
    await page.goto("/attendant")
    assert urlsplit(page.url).path == "/sign-in"


async def test_a_plate_is_found_checked_in_and_released_by_keys(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    slot, plate = await rest.free_slot("B"), new_plate()
    await rest.reserve(slot["identifier"], plate)
    desk, driver = await signed_in(visitors, lotline), await visitors.at("/lots/riverside")

    await desk.keyboard.press("/")
    await desk.keyboard.type(plate.lower())
    await expect(desk.locator("a.hit")).to_have_count(1)
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#slot-name")).to_have_text(slot["name"])
    await expect(desk.locator("#slot .facts")).to_contain_text(plate)
    await desk.keyboard.press("Escape")
    await desk.locator("#slot-name").focus()

    await act(desk, driver, "c", slot["name"], "occupied")
    await expect(desk.locator("#slot")).to_contain_text("Checked in.")
    await desk.keyboard.press("r")
    await expect(desk.locator("#do-release")).to_be_visible()
    assert await rest.status(slot["identifier"]) == "occupied", "released without a question"
    await desk.keyboard.press("Escape")
    await expect(desk.locator("#do-release")).to_be_hidden()
    await act(desk, driver, "r", slot["name"], "free", then="#do-release")
    await expect(desk.locator("#slot")).to_contain_text("Released")
    await expect(desk.locator("#just-now .event").first).to_contain_text(plate)


async def test_a_slot_is_closed_opened_and_given_to_a_car_that_stands_there(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    slot, plate = await rest.free_slot("D"), new_plate()
    desk, driver = await signed_in(visitors, lotline), await visitors.at("/lots/riverside")
    await desk.goto(f"{DESK}/slots/{slot['name']}")
    await desk.locator("#slot-name").focus()

    await act(desk, driver, "x", slot["name"], "closed")
    await expect(desk.locator("#slot")).to_contain_text(f"{slot['name']} is closed.")
    await act(desk, driver, "o", slot["name"], "free")
    await expect(desk.locator("#slot")).to_contain_text("is open")

    await desk.keyboard.press("w")
    await expect(desk.locator("#walk-in-plate")).to_be_focused()
    await desk.keyboard.type(plate)
    await act(desk, driver, "Enter", slot["name"], "occupied")
    await expect(desk.locator("#slot")).to_contain_text("Booked and checked in.")
    await rest.unreserve(slot["identifier"], plate)
    # Whoever looks at a slot sees what others do to it.
    await expect(desk.locator("#do-close")).to_be_visible()


@pytest.mark.parametrize("feed_first", [True, False], ids=["feed-first", "answer-first"])
async def test_the_words_about_an_action_stay_whatever_the_feed_brings(
    visitors: Visitors, lotline: Installation, rest: Rest, feed_first: bool
) -> None:
    slot = await rest.free_slot("D")
    desk = await signed_in(visitors, lotline)
    await desk.goto(f"{DESK}/slots/{slot['name']}")
    await live(desk)
    tile = desk.locator(await watched(desk, slot["name"]))

    async def the_feed_has_come() -> None:
        """The desk has heard of its own change, and what it asked for thereupon was answered."""
        await expect(tile).to_have_attribute("data-state", "closed")
        await desk.evaluate("() => fetch(location.href)")

    async def answer(route: Route) -> None:
        done = await route.fetch()
        if feed_first:
            await the_feed_has_come()
        await route.fulfill(response=done)

    await desk.route("**/close", answer)
    await desk.click("#do-close")
    await expect(desk.locator("#do-open")).to_be_visible()
    await the_feed_has_come()
    await expect(desk.locator("#slot [role=status]")).to_have_text(f"{slot['name']} is closed.")
    await desk.click("#do-open")
    await expect(desk.locator("#slot [role=status]")).to_have_text(f"{slot['name']} is open.")


async def test_a_wrong_plate_is_named_at_the_field(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    visitors.expected = {422}
    slot, other, plate = await rest.free_slot("D"), await rest.free_slot("B"), new_plate()
    await rest.reserve(other["identifier"], plate)
    desk = await signed_in(visitors, lotline)
    await desk.goto(f"{DESK}/slots/{slot['name']}")
    await desk.fill("#walk-in-plate", plate)
    await desk.click("#do-walk-in")
    await expect(desk.locator("#walk-in-plate-note")).to_contain_text(f"{other['name']} already")
    await expect(desk.locator("#walk-in-plate")).to_have_value(plate)
    await expect(desk.locator("#walk-in-plate")).to_be_focused()
    await rest.unreserve(other["identifier"], plate)


async def test_a_page_that_is_behind_changes_nothing_and_shows_the_slot_as_it_is(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    visitors.expected = {409}
    slot, plate = await rest.free_slot("D"), new_plate()
    desk = await signed_in(visitors, lotline)
    await desk.goto(f"{DESK}/slots/{slot['name']}")
    await rest.reserve(slot["identifier"], plate)
    await expect(desk.locator("#do-check-in")).to_be_visible()
    # As if the change had come between the last frame and the press.
    await desk.locator("#act-check-in input[name=version]").evaluate("(node) => { node.value = '0'; }")
    await desk.click("#do-check-in")
    await expect(desk.locator("#slot [role=alert]")).to_contain_text("Changed meanwhile.")
    assert await rest.status(slot["identifier"]) == "reserved"
    await rest.unreserve(slot["identifier"], plate)


async def test_an_overstay_comes_into_the_queue_and_is_opened_from_it(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    slot, plate = await rest.free_slot("D"), new_plate()
    desk = await signed_in(visitors, lotline)
    until = int(time.time()) + 3
    await rest.reserve(slot["identifier"], plate, until=until)
    await expect(desk.locator("#todo")).not_to_contain_text(plate)
    await asyncio.sleep(until - time.time())
    # The queue follows the feed: something else has to happen in the lot.
    other, passing = await rest.free_slot("C"), new_plate()
    await rest.reserve(other["identifier"], passing)
    await rest.unreserve(other["identifier"], passing)
    await expect(desk.locator("#todo")).to_contain_text(plate, timeout=9000)
    await desk.locator("#slot-name").focus()
    await desk.keyboard.press("j")
    await expect(desk.locator("#slot-name")).to_have_text(slot["name"])
    await rest.unreserve(slot["identifier"], plate)
