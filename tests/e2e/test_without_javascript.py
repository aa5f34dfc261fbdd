"""The driver's way with scripts turned off: a reload in the place of the push."""

from playwright.async_api import expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import DESK, PHONE, Visitors


async def test_without_javascript_a_slot_is_found_booked_and_released(visitors: Visitors, rest: Rest) -> None:
    slot, plate = await rest.free_slot("B"), new_plate()
    page = await visitors.new(PHONE, java_script_enabled=False)
    await page.goto("/")
    await page.click("#lot-link-riverside")
    await page.click(".to-list")
    await page.click(f".free-slot:has(b:text-is('{slot['name']}'))")
    await expect(page.locator("#panel-title")).to_have_text(slot["name"])
    await page.fill("#entity", plate)
    await page.click("#panel-submit")
    await expect(page.locator("h1")).to_have_text(slot["name"])
    assert await rest.status(slot["identifier"]) == "reserved"

    await page.click("#release > summary")
    await page.click("#release-button")
    await expect(page.locator(".ended")).to_be_visible()
    assert await rest.status(slot["identifier"]) == "free"
    await page.goto("/bookings")
    await expect(page.locator(".booking-row")).to_contain_text(slot["name"])


async def test_without_javascript_a_driver_finds_a_slot_books_arrives_extends_pays_and_has_a_receipt(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.new(PHONE, java_script_enabled=False)
    plate = new_plate()
    await page.goto("/")
    await page.fill("#q", "riverside")
    await page.press("#q", "Enter")
    await page.click("#lot-link-riverside")
    await page.click("#panel-next")
    slot = await page.locator("#panel-title").inner_text()
    await page.fill("#entity", plate)
    await page.click("#panel-submit")
    await expect(page.locator("h1")).to_have_text(slot)
    await page.click("#check-in-button")
    await expect(page.locator("#running .figure-label").first).to_contain_text("Parked since")

    await page.click("#extend > summary")
    await page.locator(".extension", has_text="1 h").click()
    await page.click("#extend-button")
    await page.select_option("[name=means]", "sandbox-success")
    await page.click("#pay-stay")
    await expect(page.locator("#leave-title")).to_contain_text("Paid until")
    # What is paid ends in calm words, with one button: nothing asks whether it is meant.
    await expect(page.locator("#release-summary")).to_have_count(0)
    await page.click(".payments-list a")
    await expect(page.locator(".receipt-issuer")).to_contain_text("Riverside")
    await page.click(".receipt-back a")
    await page.click("#release-button")
    await expect(page.locator(".ended")).to_be_visible()
    assert await rest.status(f"riverside-{slot}") == "free"


async def test_without_javascript_a_wrong_field_is_named_on_a_page_that_keeps_the_rest(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {422}
    slot = await rest.free_slot("B")
    page = await visitors.new(DESK, java_script_enabled=False)
    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", " - ")
    await page.check("#duration-60", force=True)
    await page.click("#panel-submit")
    await expect(page.locator("#entity")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#entity-note")).to_be_visible()
    await expect(page.locator("#duration-60")).to_be_checked()


async def test_without_javascript_the_slower_driver_books_the_offered_slot(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {409}
    slot, faster, slower = await rest.free_slot("B"), new_plate(), new_plate()
    page = await visitors.new(PHONE, java_script_enabled=False)
    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await rest.reserve(slot["identifier"], faster)
    await page.fill("#entity", slower)
    await page.click("#panel-submit")
    await expect(page.locator("#panel-notice")).to_contain_text("was just taken")
    offered = await page.locator("#panel-title").inner_text()
    await page.click("#panel-submit")
    await expect(page.locator("h1")).to_have_text(offered)
    await rest.unreserve(slot["identifier"], faster)
    await rest.unreserve(f"riverside-{offered}", slower)
