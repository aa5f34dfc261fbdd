"""A driver without a pointer."""

from playwright.async_api import Page, expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import Visitors, live

MOST_TABS = 120
FOCUSED = "() => document.activeElement.id || document.activeElement.tagName.toLowerCase()"
IN_MAP = "() => Boolean(document.activeElement.closest('.map-view'))"


async def tab_to(page: Page, wanted: str) -> list[str]:
    """Tabs until ``wanted`` (an id) has the focus; the ids and tags that had it on the way."""
    passed: list[str] = []
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        passed.append(await page.evaluate(FOCUSED))
        assert not await page.evaluate(IN_MAP), "a slot of the map is a tab stop"
        if passed[-1] == wanted:
            return passed
    raise AssertionError(f"no way to {wanted} by Tab: {passed}")


async def test_a_slot_is_found_on_the_map_and_booked_by_keys_alone(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.at("/lots/riverside")
    await tab_to(page, "map")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight"):
        await page.keyboard.press(key)
    await expect(page.locator("[data-mark=cursor]")).to_have_count(1)
    said = await page.locator("#map [data-say]").inner_text()
    assert "free" in said.lower(), said

    await page.keyboard.press("Enter")
    await expect(page.locator("#booking-form")).to_be_visible()
    name = await page.locator("#panel-title").inner_text()
    assert name in said
    await expect(page.locator("#sheet")).to_be_focused()
    await tab_to(page, "entity")
    plate = new_plate()
    await page.keyboard.type(plate)
    await tab_to(page, "panel-submit")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/bookings/*")
    await expect(page.locator("h1")).to_have_text(name)

    passed = await tab_to(page, "release-summary")
    assert passed.count("map") <= 1
    await page.keyboard.press("Enter")
    await tab_to(page, "release-button")
    await page.keyboard.press("Enter")
    await expect(page.locator(".ended")).to_be_visible()
    assert await rest.status(f"riverside-{name}") == "free"


async def test_keys_alone_lead_from_the_start_page_over_the_map_to_the_receipt(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.at("/")
    await page.locator("a[href='/lots/riverside']").first.wait_for()
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.getAttribute('href')") == "/lots/riverside":
            break
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/lots/riverside")
    await live(page)
    await tab_to(page, "map")
    await page.keyboard.press("ArrowRight")
    said = page.locator("#map [data-say]")
    for key in ("ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight") * 10:
        # A slot of this kind may be anyone's: no glyph, no plate, and free.
        if ", free, area" in await said.inner_text():
            break
        await page.keyboard.press(key)
    await page.keyboard.press("Enter")
    await expect(page.locator("#booking-form")).to_be_visible()
    name = await page.locator("#panel-title").inner_text()
    await tab_to(page, "entity")
    await page.keyboard.type(new_plate())
    await tab_to(page, "panel-submit")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/bookings/*")
    await tab_to(page, "pay-leave")
    await page.keyboard.press("Enter")
    await expect(page.locator(".ended")).to_be_visible()
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if "/receipts/" in (await page.evaluate("() => document.activeElement.getAttribute('href')") or ""):
            break
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/receipts/*")
    assert await rest.status(f"riverside-{name}") == "free"


async def test_the_map_is_one_tab_stop_and_its_arrows_move_over_the_slots(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside")
    passed = await tab_to(page, "panel-next")
    assert passed.count("map") == 1
    await page.locator("#map").focus()
    heard = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        await page.keyboard.press(key)
        heard.add(await page.locator("#map [data-say]").inner_text())
    assert len(heard) >= 3, heard
    await page.keyboard.press("Tab")
    await expect(page.locator("[data-mark=cursor]")).to_have_count(0)


async def test_the_list_says_the_same_as_the_map_and_opens_a_slot_by_keys(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside")
    shown = {}
    for letter, place in (("s", "#map .slot"), ("l", "#slots-list li")):
        shown[letter] = await page.locator(place).evaluate_all(
            "(nodes) => nodes.map((node) => [Number(node.id.slice(1)), node.dataset.state]).sort()"
        )
    assert shown["s"] == shown["l"]
    link = page.locator("#slots-list li[data-state=free] a").first
    await page.goto("/lots/riverside#slots-list")
    await link.focus()
    name = await link.locator("b").inner_text()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_have_text(name)
    await expect(page.locator("#sheet")).to_be_focused()
