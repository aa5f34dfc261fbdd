"""The booking panel while it is filled in."""

from playwright.async_api import expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors


async def test_an_open_panel_says_when_its_slot_is_taken_and_when_it_is_free_again(
    visitors: Visitors, rest: Rest
) -> None:
    slot, plate = await rest.free_slot("B"), new_plate()
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}", PHONE)
    await page.fill("#entity", "MINE 1")
    await rest.reserve(slot["identifier"], plate)
    await expect(page.locator("#panel-notice")).to_contain_text(f"{slot['name']} was just taken.")
    await expect(page.locator("#panel-submit")).to_have_text("Show the nearest")
    await expect(page.locator("#entity")).to_have_value("MINE 1")
    await rest.unreserve(slot["identifier"], plate)
    await expect(page.locator("#panel-submit")).to_contain_text(f"Reserve {slot['name']}")
    await expect(page.locator("#panel-notice")).to_have_count(0)
    await expect(page.locator("#entity")).to_have_value("MINE 1")


async def test_a_wrong_length_is_told_and_stays_told_and_the_plate_stays(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {422}
    slot, plate = await rest.free_slot("C"), new_plate()
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", plate)
    await page.check("#duration-other")
    await page.fill("#minutes", "abc")
    await page.click("#panel-submit")
    await expect(page.locator("#minutes-note")).to_contain_text("Give whole minutes")
    # The change of the field asks for the price, a moment later: that answer must not undo this one.
    await page.wait_for_timeout(600)
    await expect(page.locator("#minutes-note")).to_contain_text("Give whole minutes")
    await expect(page.locator("#entity")).to_have_value(plate)
    await page.fill("#minutes", "90")
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await rest.unreserve(slot["identifier"], plate)


async def test_a_later_start_shows_what_will_really_be_billed(visitors: Visitors, rest: Rest) -> None:
    slot = await rest.free_slot("C")
    page = await visitors.at(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", "LATE 1")
    await page.check("#start-later")
    latest = await page.get_attribute("#start-at", "max")
    assert latest is not None
    await page.fill("#start-at", latest)
    await page.dispatch_event("#start-at", "change")
    # Held from now, billed after half an hour: a day less that, and the two hours that were chosen.
    await expect(page.locator(".panel-after")).to_contain_text("Held for you from now on, billed from")
    await expect(page.locator("#panel-submit")).to_contain_text("$51.00")
    await expect(page.locator("#entity")).to_have_value("LATE 1")


async def test_codes_and_names_of_any_letters_are_live_and_can_be_booked(
    visitors: Visitors, rest: Rest
) -> None:
    for number in range(3):
        await rest.put(identifier=f"odd-{number}", lot="odd.lot", area="Level 2", name=f"P/{number}")
    page = await visitors.at("/lots/odd.lot")
    front = await visitors.at("/?q=odd")
    await expect(page.locator("#count-free")).to_have_text("3")
    plate = new_plate()
    await rest.reserve("odd-0", plate)
    await expect(page.locator("#count-free")).to_have_text("2")
    await expect(page.locator(".map .sign-count tspan").first).to_have_text("2")
    await expect(page.locator(".free-count b").first).to_have_text("2")
    await expect(front.locator(".lot-free")).to_have_text("2")

    await page.goto(page.url)
    await page.click("text=Show as list")
    await page.get_by_role("link", name="P/1").click()
    await page.fill("#entity", new_plate())
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await expect(page.locator("h1")).to_have_text("P/1")
