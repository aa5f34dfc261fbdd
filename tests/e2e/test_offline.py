"""A server that can't be reached: the browser shows a page of ours, and what was wanted as soon as it can."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.installation import Installation
from tests.e2e.visitors import PHONE, WALL, Visitors

BACK_WITHIN_MS = 15_000
WORKER_IS_READY = "() => navigator.serviceWorker.ready.then((found) => found.active.state === 'activated')"


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, shaky_lotline: Installation) -> AsyncIterator[Visitors]:
    visitors = Visitors(browser, shaky_lotline.base)
    visitors.server_may_go = True
    yield visitors
    await visitors.leave()


async def at_home(page: Page, path: str) -> None:
    """The page was there once, and its browser keeps what it needs without a connection."""
    await page.goto(path)
    await page.wait_for_function(WORKER_IS_READY)


@pytest.mark.parametrize("language", ["en", "de"])
async def test_without_a_server_a_page_says_so_and_what_was_wanted_comes_by_itself(
    visitors: Visitors, shaky_lotline: Installation, language: str
) -> None:
    words = {"en": "No connection to the server", "de": "Keine Verbindung zum Server"}[language]
    phone = await visitors.new(PHONE, locale=language)
    wall = await visitors.new(WALL, locale=language)
    await at_home(phone, "/")
    await at_home(wall, "/display/riverside")
    shaky_lotline.kill_web()
    await phone.goto("/bookings")
    await wall.reload()
    for page in (phone, wall):
        await expect(page.locator("h1")).to_have_text(words)
        assert await page.evaluate("() => getComputedStyle(document.querySelector('h1')).fontSize") != "16px"
    await expect(phone.locator("html")).to_have_attribute("lang", language)
    assert phone.url.endswith("/bookings")
    # A wall has nobody who could press a button.
    await expect(wall.locator(".button")).to_be_hidden()

    await asyncio.to_thread(shaky_lotline.start_web)
    await expect(wall.locator("#cells .figure").first).to_be_visible(timeout=BACK_WITHIN_MS)
    await expect(phone.locator(".site-nav [aria-current]")).to_be_visible(timeout=BACK_WITHIN_MS)
    assert phone.url.endswith("/bookings")


async def test_the_page_that_is_kept_names_nobody(visitors: Visitors) -> None:
    page = await visitors.new(PHONE)
    await at_home(page, "/")
    kept = await page.evaluate(
        "() => caches.match('/offline', { ignoreSearch: true }).then((found) => found.text())"
    )
    addresses = await page.evaluate(
        "async () => (await (await caches.open((await caches.keys())[0])).keys()).map((one) => one.url)"
    )
    assert "/bookings/" not in kept
    assert all("/offline?language=" in one or "/static/" in one for one in addresses), addresses
