"""The database goes away: open pages say how old they are, new ones open, all come back by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.ages import LOST_S, SLACK_S, STALE_S, becomes
from tests.e2e.installation import Installation, start_lotline
from tests.e2e.rest import new_plate
from tests.e2e.visitors import DESK, PHONE, WALL, Visitors, live
from tests.integration.outages import LockedFile

BACK_WITHIN_S = 6.0
LOT = "/lots/riverside"


@pytest.fixture
def lotline(demo: Path, tmp_path: Path) -> Iterator[Installation]:
    """An installation of its own: it logs that SQL is away."""
    with start_lotline(tmp_path, demo) as installation:
        yield installation


@pytest.fixture
def database(lotline: Installation) -> Iterator[LockedFile]:
    """Its database, which another process may lock."""
    file = LockedFile(lotline.settings.data_dir / "lotline.db")
    yield file
    file.unlock()


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, lotline: Installation) -> AsyncIterator[Visitors]:
    visitors = Visitors(browser, lotline.base)
    # What can only be asked of SQL is asked again in the background until it answers.
    visitors.expected = {503}
    yield visitors
    await visitors.leave()


async def age_s(page: Page) -> float:
    return float(await page.evaluate("() => Number(document.documentElement.dataset.feedAge)"))


async def test_pages_stay_say_how_old_they_are_and_come_back_by_themselves(
    visitors: Visitors, lotline: Installation, database: LockedFile
) -> None:
    driver, front = await visitors.at(f"{LOT}/nearest", PHONE), await visitors.at("/")
    wall = await visitors.at("/display/riverside", WALL)
    desk = await visitors.new(DESK)
    await desk.goto(await lotline.sign_in_link())
    await desk.goto("/attendant/lots/riverside")
    await live(desk)
    open_pages = (driver, front, wall, desk)
    for page in open_pages:
        await page.evaluate("() => { window.neverReloaded = true; }")
    plate = new_plate()
    await driver.fill("input[name=entity]", plate)
    states = await driver.locator("#map .slot").evaluate_all("(all) => all.map((one) => one.dataset.state)")

    await asyncio.to_thread(database.lock)
    away_s = time.monotonic()
    for page in (driver, front, desk):
        await becomes(page, "feed", "stale", away_s, STALE_S)
        await expect(page.locator("[data-shown=stale]")).to_contain_text("No update for")
    await becomes(wall, "wall", "stale", away_s, STALE_S)
    assert states == await driver.locator("#map .slot").evaluate_all(
        "(all) => all.map((one) => one.dataset.state)"
    )

    # What was typed stays, and what can't be done is said where it was asked.
    await driver.click("#panel-submit")
    await expect(driver.locator("#toasts")).to_contain_text("cannot be done for the moment")
    await expect(driver.locator("input[name=entity]")).to_have_value(plate)

    # Whoever comes now sees the lot as well, and at once how old it is.
    late = await visitors.new(PHONE)
    answer = await late.goto(f"{LOT}?slot=D1")
    assert answer is not None
    assert answer.status == 200
    assert await late.get_attribute("html", "data-feed") in ("stale", "lost")
    assert abs(await age_s(late) - (time.monotonic() - away_s)) < SLACK_S + 2.0
    await expect(late.locator("#panel")).to_contain_text("Booking is not possible for the moment.")
    await expect(late.locator("[data-shown=stale]")).to_be_visible()

    await becomes(wall, "wall", "lost", away_s, LOST_S)
    await expect(wall.locator("#message")).to_be_visible()
    for figure in await wall.locator("#cells .figure").all():
        await expect(figure).to_be_hidden()
    await becomes(driver, "feed", "lost", away_s, LOST_S)
    await expect(driver.locator("[data-shown=lost]")).to_contain_text("No update since")
    blank = await visitors.new(WALL)
    await blank.goto("/display/riverside")
    await expect(blank.locator("#message")).to_be_visible()
    late_desk = await desk.context.new_page()
    await late_desk.goto("/attendant/lots/riverside/slots/D1")
    await expect(late_desk.locator("#slot-panel")).to_contain_text("Only the state is known.")
    await expect(late_desk.locator("#todo")).to_contain_text("Not known")

    await asyncio.to_thread(database.unlock)
    back_s = time.monotonic()
    for page in (*open_pages, late, blank, late_desk):
        await live(page, BACK_WITHIN_S)
    print(f"  all live {time.monotonic() - back_s:.1f} s after SQL was back")
    await expect(wall.locator("#cells .figure").first).to_be_visible()
    await expect(blank.locator("#message")).to_be_hidden()
    await expect(late.locator("#panel")).to_have_attribute("data-kind", "book", timeout=BACK_WITHIN_S * 1000)
    await expect(late_desk.locator("#todo")).to_contain_text("Nothing to do", timeout=BACK_WITHIN_S * 1000)
    await expect(late_desk.locator("#do-walk-in")).to_be_visible(timeout=BACK_WITHIN_S * 1000)
    await expect(driver.locator("input[name=entity]")).to_have_value(plate)
    await driver.click("#panel-submit")
    await driver.wait_for_url("**/bookings/*")
    for page in (front, wall, desk):
        assert await page.evaluate("() => window.neverReloaded"), f"{page.url} was loaded again"


async def test_without_a_script_a_page_says_how_old_it_is(visitors: Visitors, database: LockedFile) -> None:
    before = await visitors.new(PHONE, java_script_enabled=False)
    await before.goto(LOT)
    await expect(before.locator("[data-shown=stale]")).to_be_hidden()
    await asyncio.to_thread(database.lock)
    began_s = time.monotonic()
    while await before.locator("[data-shown=stale]").is_hidden():
        assert time.monotonic() - began_s < STALE_S + SLACK_S
        await asyncio.sleep(0.5)
        await before.goto(LOT)
    await expect(before.locator("[data-shown=stale]")).to_contain_text("No update for")
    assert time.monotonic() - began_s > STALE_S - SLACK_S
