"""Waiting for a slot of a full lot."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import DESK, PHONE, Visitors

LOT = "waiting-room"
Taken = tuple[str, str]


@pytest_asyncio.fixture(loop_scope="session")
async def taken(rest: Rest) -> AsyncIterator[Taken]:
    """A lot of one slot that is taken: its identifier and its plate."""
    slot, plate = f"{LOT}-1", new_plate()
    await rest.put(identifier=slot, lot=LOT, name="W1", location="by the door")
    await rest.reserve(slot, plate)
    yield slot, plate
    for one in await rest.slots(LOT):
        assert one["status"] == "free", "each test leaves the lot empty"


async def test_the_first_in_line_is_shown_the_slot_that_comes_free_and_books_it(
    visitors: Visitors, rest: Rest, taken: Taken
) -> None:
    slot, plate = taken
    first, second = await visitors.at(f"/lots/{LOT}", PHONE), await visitors.at(f"/lots/{LOT}", DESK)
    await first.click("#wait-button")
    await expect(first.locator("#panel-title")).to_have_text("You are next in line")
    await second.click("#wait-button")
    await expect(second.locator("#panel-title")).to_have_text("1 is before you")
    await rest.unreserve(slot, plate)
    await expect(first.locator("#panel-notice")).to_contain_text("It is your turn: W1 is free.")
    await expect(second.locator("#panel-title")).to_have_text("You are next in line")
    assert [one["status"] for one in await rest.slots(LOT)] == ["reserved"]
    mine = new_plate()
    await first.fill("#entity", mine)
    await first.click("#panel-submit")
    await first.wait_for_url("**/bookings/*")
    await expect(first.locator("h1")).to_have_text("W1")
    await rest.unreserve(slot, mine)
    await expect(second.locator("#panel-notice")).to_contain_text("It is your turn: W1 is free.")
    await second.click("#let-go")
    await expect(second.locator("#panel")).to_have_attribute("data-kind", "choose")


async def test_a_panel_says_something_else_as_soon_as_the_map_does(
    visitors: Visitors, rest: Rest, taken: Taken
) -> None:
    slot, plate = taken
    page, chosen = await visitors.at(f"/lots/{LOT}", PHONE), await visitors.at(f"/lots/{LOT}?slot=W1", DESK)
    await expect(page.locator("#panel")).to_have_attribute("data-kind", "full")
    await expect(chosen.locator("#panel")).to_have_attribute("data-kind", "unavailable")
    await rest.unreserve(slot, plate)
    await expect(page.locator("#panel")).to_have_attribute("data-kind", "choose")
    await expect(chosen.locator("#panel")).to_have_attribute("data-kind", "book")
    await rest.reserve(slot, plate)
    await expect(page.locator("#panel")).to_have_attribute("data-kind", "full")
    await rest.unreserve(slot, plate)


async def test_who_leaves_the_line_is_not_offered_anything(
    visitors: Visitors, rest: Rest, taken: Taken
) -> None:
    slot, plate = taken
    page = await visitors.at(f"/lots/{LOT}", PHONE)
    await page.click("#wait-button")
    await page.click("#leave-button")
    await expect(page.locator("#panel")).to_have_attribute("data-kind", "full")
    await rest.unreserve(slot, plate)
    assert [one["status"] for one in await rest.slots(LOT)] == ["free"]


async def test_without_a_script_the_line_is_a_page_that_one_loads_again(
    visitors: Visitors, rest: Rest, taken: Taken
) -> None:
    slot, plate = taken
    page = await visitors.new(PHONE, java_script_enabled=False)
    await page.goto(f"/lots/{LOT}")
    await page.click("#wait-button")
    await expect(page.locator("#panel-title")).to_have_text("You are next in line")
    await rest.unreserve(slot, plate)
    await page.reload()
    await expect(page.locator("#panel-notice")).to_contain_text("It is your turn: W1 is free.")
    mine = new_plate()
    await page.fill("#entity", mine)
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await rest.unreserve(slot, mine)
