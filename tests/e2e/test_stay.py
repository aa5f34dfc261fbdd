"""A booking while it runs: a gate reads its code, its holder stays longer, and is warned in time."""

import re

from playwright.async_api import Page, expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors


async def book(page: Page, rest: Rest, duration: str = "60") -> tuple[str, str]:
    """Books a slot as a driver does; its identifier and the plate."""
    slot, plate = await rest.free_slot("C"), new_plate()
    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", plate)
    await page.locator(f".segment:has(#duration-{duration})").click()
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    return slot["identifier"], plate


async def test_a_gate_reads_the_code_and_the_holders_page_shows_it_by_itself(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    await expect(page.locator(".pass-code svg")).to_be_visible()
    await expect(page.locator("#running .figure-label").first).to_contain_text("Reserved since")
    # What the code holds is the address of this very page.
    link = await page.get_attribute("#copy-link", "data-copy")
    assert link == page.url
    arrived = await rest.check_in(booking=link)
    assert arrived["slot"] == slot
    await expect(page.locator("#running .figure-label").first).to_contain_text("Parked since")
    assert await rest.status(slot) == "occupied"
    assert (await rest.check_in(booking=link))["arrivedAt"] == arrived["arrivedAt"]
    await rest.unreserve(slot, plate)


async def test_the_holder_says_that_the_car_is_there(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    await page.click("#check-in-button")
    await expect(page.locator("#running .figure-label").first).to_contain_text("Parked since")
    await expect(page.locator("#check-in-button")).to_have_count(0)
    await rest.unreserve(slot, plate)


async def test_an_extension_says_its_price_before_it_is_taken(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    await page.click("#extend > summary")
    chosen = page.locator(".extension", has_text="2 h")
    await expect(chosen).to_contain_text("$4.00 more")
    until = re.search(r"until (?:\w+ \d+ \w+ )?(\d\d:\d\d)", await chosen.inner_text())
    assert until is not None
    await chosen.click()
    await page.click("#extend-button")
    await expect(page.locator(".booking-end")).to_contain_text(until[1])
    await rest.unreserve(slot, plate)


async def test_who_extends_what_another_tab_has_extended_is_told(visitors: Visitors, rest: Rest) -> None:
    visitors.expected = {409}
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    other = await page.context.new_page()
    await other.goto(page.url)
    for one in (other, page):
        await one.click("#extend > summary")
        await one.click("#extend-button")
    await expect(page.locator(".banner-problem")).to_contain_text("The booking has changed.")
    await rest.unreserve(slot, plate)


async def test_the_end_that_comes_near_is_told(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.new(PHONE, java_script_enabled=False)
    slot, plate = await rest.free_slot("C"), new_plate()
    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", plate)
    await page.locator(".segment:has(#duration-other)").click()
    await page.fill("#minutes", "9")
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await expect(page.locator("#warning")).to_contain_text(re.compile(r"Ends in [89] min\."))
    await page.click("#extend > summary")
    await page.click("#extend-button")
    await expect(page.locator("#warning")).to_have_count(0)
    await rest.unreserve(slot["identifier"], plate)
