"""After every change of a part of a page, who uses the keyboard goes on where they were or where it leads."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.places import FULL_LOT
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors

# The element with the focus: what it is called, and whether it can be seen.
FOCUSED = """() => {
  const node = document.activeElement, box = node.getBoundingClientRect();
  const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return { id: node.id || node.tagName.toLowerCase(), seen };
}"""


async def focused(page: Page) -> str:
    """Where the focus is once nothing is under way; it is never lost and never out of sight."""
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")
    found = await page.evaluate(FOCUSED)
    assert found["id"] not in ("body", "html"), "the focus is lost"
    assert found["seen"], f"{found['id']} has the focus out of sight"
    return str(found["id"])


async def press(page: Page, selector: str, key: str = "Enter") -> None:
    await page.focus(selector)
    await page.keyboard.press(key)


async def test_in_the_panel_the_focus_is_where_one_goes_on(visitors: Visitors, rest: Rest) -> None:
    visitors.expected = {409, 422}
    page = await visitors.at("/lots/riverside", PHONE)
    await press(page, "#panel-next")
    await expect(page.locator("#booking-form")).to_be_visible()
    assert await focused(page) == "sheet"

    await press(page, "#panel-submit")
    await expect(page.locator("#entity-note")).to_be_visible()
    assert await focused(page) == "entity"

    await press(page, "#start-now", "ArrowRight")
    await expect(page.locator("#start-at")).to_be_visible()
    assert await focused(page) == "start-later"
    await press(page, "#start-later", "ArrowLeft")
    await expect(page.locator("#start-at")).to_be_hidden()
    assert await focused(page) == "start-now"

    # Somebody is faster: the next like it is held, and the same button books it.
    name = await page.locator("#panel-title").inner_text()
    await page.fill("#entity", new_plate())
    await rest.reserve(f"riverside-{name}", new_plate())
    await press(page, "#panel-submit")
    await expect(page.locator("#held-left")).to_be_visible()
    assert await focused(page) in ("panel-submit", "sheet")
    await press(page, "#let-go")
    await expect(page.locator("#held-left")).to_have_count(0)
    assert await focused(page)


async def test_in_the_line_of_a_full_lot_the_focus_stays_with_it(visitors: Visitors, rest: Rest) -> None:
    for slot in await rest.slots(FULL_LOT, status="free"):
        await rest.reserve(slot["identifier"], new_plate())
    page = await visitors.at(f"/lots/{FULL_LOT}")
    await press(page, "#wait-button")
    await expect(page.locator("#leave-button")).to_be_visible()
    assert await focused(page) in ("sheet", "leave-button")
    await press(page, "#leave-button")
    await expect(page.locator("#wait-button")).to_be_visible()
    assert await focused(page) in ("sheet", "wait-button")


@pytest.mark.parametrize("what", ["extend", "release"])
async def test_what_opens_on_a_booking_keeps_the_focus(visitors: Visitors, rest: Rest, what: str) -> None:
    page = await visitors.new(PHONE)
    slot = await rest.free_slot("D")
    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await page.fill("#entity", new_plate())
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    await press(page, f"#{what} > summary")
    await expect(page.locator(f"#{what}-button")).to_be_visible()
    before = await page.evaluate("() => document.activeElement.closest('details')?.id")
    assert before == what
    # The running part renews itself meanwhile.
    await page.evaluate("() => htmx.trigger('#running', 'lotline:changed')")
    assert await focused(page)
    assert await page.evaluate("() => document.activeElement.closest('details')?.id") == what
