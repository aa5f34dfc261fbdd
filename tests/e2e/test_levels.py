"""A garage of three storeys: one at a time, by pointer, by keys, by link and without a script."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from app.launch import tasks
from tests.e2e.installation import Installation, start_lotline
from tests.e2e.made_up import garage
from tests.e2e.visitors import PHONE, Visitors

SHOWN = "#map .map-slots:not([hidden])"


@pytest.fixture(scope="module")
def garage_lotline(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with the garage."""
    with start_lotline(tmp_path_factory.mktemp("garage"), demo) as installation:
        yield installation


@pytest_asyncio.fixture(loop_scope="session")
async def drivers(browser: Browser, garage_lotline: Installation, tmp_path: Path) -> AsyncIterator[Visitors]:
    file = tmp_path / "garage.geojson"
    file.write_bytes(garage())
    await tasks.import_slots(
        garage_lotline.settings,
        file,
        dry_run=False,
        time_zone="UTC",
        currency="EUR",
        plates=False,
        on_progress=lambda done, total: None,
    )
    visitors = Visitors(browser, garage_lotline.base)
    yield visitors
    await visitors.leave()


async def test_a_garage_shows_one_storey_at_a_time_and_keeps_it_in_the_address(drivers: Visitors) -> None:
    page = await drivers.at("/lots/garage", PHONE)
    links = page.get_by_role("navigation", name="Levels").get_by_role("link")
    await expect(links).to_have_text([re.compile(r"48\s+free")] * 3)
    await expect(page.locator(SHOWN)).to_have_attribute("data-level", "0")
    await expect(page.locator(".map-levels [aria-current]")).to_have_count(1)

    await links.nth(2).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(SHOWN)).to_have_attribute("data-level", "-2")
    await expect(page).to_have_url(re.compile("level=-2"))
    await page.reload()
    await expect(page.locator(SHOWN)).to_have_attribute("data-level", "-2")
    await expect(page.locator(".sign:visible")).to_have_count(2)

    await page.locator("#map").focus()
    await page.keyboard.press("ArrowRight")
    name = (await page.locator("[data-say]").inner_text()).split(",")[0]
    storey = page.locator(f"#map .slot[data-name='{name}']").locator("xpath=ancestor::*[@class='map-slots']")
    await expect(storey).to_have_attribute("data-level", "-2")


async def test_the_slot_that_is_chosen_brings_its_storey(drivers: Visitors) -> None:
    page = await drivers.at("/lots/garage?level=-2")
    await page.click("#nearest")
    await expect(page.locator("#booking-form")).to_be_visible()
    name = await page.locator("#panel-title").inner_text()
    storey = page.locator(f"#map .slot[data-name='{name}']").locator("xpath=ancestor::*[@class='map-slots']")
    await expect(storey).not_to_have_attribute("hidden", "")
    await expect(page.locator(".map-levels [aria-current]")).to_have_attribute(
        "data-level", str(await storey.get_attribute("data-level"))
    )


async def test_levels_are_links_where_no_script_runs_and_the_list_names_them(drivers: Visitors) -> None:
    page = await drivers.new(PHONE, java_script_enabled=False)
    await page.goto("/lots/garage")
    await page.click(".map-levels a[data-level='-1']")
    await expect(page.locator(SHOWN)).to_have_attribute("data-level", "-1")
    await expect(page.locator(".map-levels [aria-current]")).to_have_attribute("data-level", "-1")
    await page.goto("/lots/garage#slots-list")
    await expect(page.locator(".free-title").first).to_contain_text("Level −2")


async def test_a_lot_on_the_ground_has_no_levels(drivers: Visitors) -> None:
    page = await drivers.at("/lots/riverside?level=-7")
    await expect(page.locator(".map-levels")).to_have_count(0)
    await expect(page.locator(SHOWN)).to_have_count(1)
