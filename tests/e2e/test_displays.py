"""A screen is paired, moved and revoked without anybody touching it, and survives what happens to it."""

import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.installation import Installation
from tests.e2e.visitors import DESK, PHONE, WALL, Visitors, live

BY_ITSELF_MS = 10_000


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, shaky_lotline: Installation) -> AsyncIterator[Visitors]:
    visitors = Visitors(browser, shaky_lotline.base)
    visitors.server_may_go = True
    yield visitors
    await visitors.leave()


async def code_on(screen: Page) -> str:
    await expect(screen.locator(".pairing-code")).to_have_text(re.compile("^[0-9A-Z]{3}-[0-9A-Z]{3}$"))
    return await screen.inner_text(".pairing-code")


async def operator_of(visitors: Visitors, lotline: Installation, size: dict[str, int] = DESK) -> Page:
    page = await visitors.new(size)
    await page.goto(await lotline.sign_in_link())
    await page.goto("/operator/displays")
    return page


async def pair(operator: Page, code: str, name: str, language: str = "") -> None:
    await operator.fill("#pair-code", code)
    await operator.fill("#pair-name", name)
    await operator.select_option("#pair-lot", "riverside")
    await operator.select_option("#pair-language", language)
    await operator.click("#pair-button")


async def test_a_screen_is_paired_moved_and_revoked_and_nobody_touches_it(
    visitors: Visitors, shaky_lotline: Installation
) -> None:
    visitors.expected = {422}
    screen = await visitors.new(WALL)
    await screen.goto("/display")
    code = await code_on(screen)
    operator = await operator_of(visitors, shaky_lotline)

    await pair(operator, "AAAAAA", "Hall")
    await expect(operator.locator("#pair-code")).to_be_focused()
    await expect(operator.locator("#pair-code-note")).to_contain_text("No screen shows this code.")
    await expect(operator.locator("#pair-name")).to_have_value("Hall")
    await pair(operator, code.lower(), "Hall", "de")
    await expect(operator.locator("#notice")).to_contain_text("Hall is paired.")
    await expect(screen.locator("#cells .figure").first).to_be_visible(timeout=BY_ITSELF_MS)
    await live(screen)
    await expect(screen.locator("html")).to_have_attribute("lang", "de")
    await expect(screen.locator("#age")).to_contain_text("Dieses Bild ist")
    await expect(operator.locator(".display-seen")).to_have_text("Connected", timeout=20_000)

    await screen.reload()
    await live(screen)
    # The server is another one; so is the browser, with the cookies of the old one.
    shaky_lotline.kill_web()
    shaky_lotline.start_web()
    later = await visitors.new(WALL)
    await later.context.add_cookies(await screen.context.cookies())  # type: ignore[arg-type]
    await screen.context.close()
    await later.goto("/display")
    await live(later)
    await expect(later.locator("h1")).to_contain_text("Riverside")

    await operator.locator(".display-row summary").first.click()
    await operator.select_option("[id^=d][id$=-lot]", "stadium-east")
    await operator.locator("[id^=save-]").click()
    await expect(operator.locator("#notice")).to_contain_text("Hall is changed.")
    await expect(later.locator("h1")).to_contain_text("Stadium East", timeout=BY_ITSELF_MS)
    await live(later)

    await operator.locator("[id^=ask-revoke-]").click()
    await operator.locator("[id^=revoke-]").click()
    await expect(operator.locator("#notice")).to_contain_text("The display is revoked.")
    fresh = await code_on(later)
    assert fresh != code
    await expect(later.locator("#cells")).to_have_count(0)


async def test_a_display_is_paired_by_keyboard_on_a_phone(
    visitors: Visitors, shaky_lotline: Installation
) -> None:
    screen = await visitors.new(WALL)
    await screen.goto("/display")
    code = await code_on(screen)
    operator = await operator_of(visitors, shaky_lotline, PHONE)
    await operator.focus("#pair-code")
    for typed in (code, "Gate", "River", ""):
        await operator.keyboard.type(typed)
        await operator.keyboard.press("Tab")
    await expect(operator.locator("#pair-button")).to_be_focused()
    await operator.keyboard.press("Enter")
    await expect(operator.locator("#notice")).to_contain_text("Gate is paired.")
    await expect(screen.locator("h1")).to_contain_text("Riverside", timeout=BY_ITSELF_MS)


async def test_a_screen_without_its_server_does_not_show_a_code_that_may_have_changed(
    visitors: Visitors, shaky_lotline: Installation
) -> None:
    screen = await visitors.new(WALL)
    await screen.goto("/display")
    await code_on(screen)
    shaky_lotline.freeze_web()
    try:
        await expect(screen.locator("#away")).to_be_visible(timeout=20_000)
        await expect(screen.locator(".pairing-code")).to_be_hidden()
    finally:
        shaky_lotline.thaw_web()
    await expect(screen.locator(".pairing-code")).to_be_visible(timeout=BY_ITSELF_MS)
    # That it gave up waiting is what the browser says of a server that stands still.
    visitors.complaints = [one for one in visitors.complaints if "htmx:error: timeout" not in one]
