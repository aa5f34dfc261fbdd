"""Two drivers, one slot."""

import re

from playwright.async_api import expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors


async def test_the_slower_driver_is_offered_the_nearest_slot_like_it_and_books_it_with_one_more_press(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {409}
    slot = await rest.free_slot("B")
    path = f"/lots/riverside/slots/{slot['name']}"
    first, second = await visitors.at(path, PHONE), await visitors.at(path, PHONE)
    first_plate, second_plate = new_plate(), new_plate()
    await second.fill("#entity", second_plate)

    await first.fill("#entity", first_plate)
    await first.click("#panel-submit")
    await first.wait_for_url("**/bookings/*")

    await second.click("#panel-submit")
    notice = second.locator("#panel-notice")
    await expect(notice).to_contain_text("is the nearest like it, held for you for 60 s.")
    await expect(notice).to_contain_text(f"{slot['name']} was just taken.")
    await expect(notice).to_be_in_viewport()
    offered = await second.locator("#panel-title").inner_text()
    assert offered != slot["name"]
    await expect(notice).to_contain_text(f"{offered} is the nearest like it")
    await expect(second.locator("#held-left")).to_have_text(re.compile(r"^[1-5]?\d s$"))
    assert await rest.status((await rest.slot_named(offered))["identifier"]) == "reserved"
    await expect(second.locator("#entity")).to_have_value(second_plate)
    other = await rest.slot_named(offered)
    assert (other["size"], other["premium"], other["charging"]) == (slot["size"], False, False)

    await second.click("#panel-submit")
    await second.wait_for_url("**/bookings/*")
    await expect(second.locator("h1")).to_have_text(offered)
    assert await rest.status(slot["identifier"]) == "reserved"
    assert await rest.status(other["identifier"]) == "reserved"
    await rest.unreserve(slot["identifier"], first_plate)
    await rest.unreserve(other["identifier"], second_plate)


async def test_who_lets_the_held_slot_go_frees_it_at_once(visitors: Visitors, rest: Rest) -> None:
    visitors.expected = {409}
    slot, plate = await rest.free_slot("B"), new_plate()
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}", PHONE)
    # Between the panel's look and the press, as if both pressed at once.
    await page.evaluate("document.getElementById('panel').dataset.held = ''")
    await rest.reserve(slot["identifier"], plate)
    await page.fill("#entity", new_plate())
    await page.click("#panel-submit")
    await page.wait_for_selector("#held-left")
    offered = await rest.slot_named(await page.locator("#panel-title").inner_text())
    assert await rest.status(offered["identifier"]) == "reserved"
    # It is found again by who loads the page anew.
    await page.goto("/lots/riverside")
    await expect(page.locator("#panel-title")).to_have_text(offered["name"])
    await page.click("#let-go")
    await expect(page.locator("#panel")).to_have_attribute("data-kind", "choose")
    assert await rest.status(offered["identifier"]) == "free"
    await rest.unreserve(slot["identifier"], plate)


async def test_a_slot_that_is_reserved_has_no_form_and_a_forged_one_is_refused(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {409}
    slot, plate = await rest.free_slot("B"), new_plate()
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}")
    await rest.reserve(slot["identifier"], plate)
    late = await visitors.at(f"/lots/riverside/slots/{slot['name']}")
    await expect(late.locator("#panel")).to_contain_text("is reserved")
    await expect(late.locator("#panel-submit")).to_have_count(0)

    answer = await page.evaluate(
        """async (path) => {
          const body = new URLSearchParams({ entity: 'FORGED 1', duration: '60', start: 'now' });
          return (await fetch(path, { method: 'POST', body, headers: { Accept: 'text/html' } })).status;
        }""",
        f"/lots/riverside/slots/{slot['name']}",
    )
    assert answer == 409
    await rest.unreserve(slot["identifier"], plate)


async def test_a_plate_that_has_a_booking_is_told_so_at_the_field(visitors: Visitors, rest: Rest) -> None:
    visitors.expected = {409}
    slot, other, plate = await rest.free_slot("B"), await rest.free_slot("C"), new_plate()
    await rest.reserve(slot["identifier"], plate)
    page = await visitors.at(f"/lots/riverside/slots/{other['name']}")
    await page.fill("#entity", plate)
    await page.click("#panel-submit")
    await expect(page.locator("#entity-note")).to_contain_text("has a booking already")
    await expect(page.locator("#entity")).to_be_focused()
    await expect(page.locator("#entity")).to_have_attribute("aria-invalid", "true")
    await rest.unreserve(slot["identifier"], plate)


async def test_pressed_twice_the_button_books_once(visitors: Visitors, rest: Rest) -> None:
    slot, plate = await rest.free_slot("C"), new_plate()
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", plate)
    await page.dblclick("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await expect(page.locator("h1")).to_have_text(slot["name"])
    await page.goto("/bookings")
    await expect(page.locator(".booking-row")).to_have_count(1)
    await rest.unreserve(slot["identifier"], plate)
