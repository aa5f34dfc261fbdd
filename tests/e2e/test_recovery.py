"""The web process stops answering, or dies: nothing is wrong in silence, and all comes back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, expect

from app.core.redis import connect
from tests.e2e.ages import LOST_S, SLACK_S, STALE_S, becomes
from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, WALL, Visitors, live

BACK_WITHIN_S = 15.0


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, shaky_lotline: Installation) -> AsyncIterator[Visitors]:
    visitors = Visitors(browser, shaky_lotline.base)
    visitors.server_may_go = True
    yield visitors
    await visitors.leave()


@pytest_asyncio.fixture(loop_scope="session")
async def rest(playwright: Playwright, shaky_lotline: Installation) -> AsyncIterator[Rest]:
    client = await playwright.request.new_context(base_url=shaky_lotline.base)
    yield Rest(client)
    await client.dispose()


async def tiles(page: Page) -> list[str]:
    """The states on the map, by position."""
    found = await page.locator("#map .slot").evaluate_all(
        "(nodes) => nodes.map((node) => [Number(node.id.slice(1)), node.dataset.state])"
    )
    return [state for _, state in sorted(found)]


async def test_frozen_server_a_wall_says_so_at_six_seconds_is_blank_at_thirty_and_comes_back_by_itself(
    visitors: Visitors, shaky_lotline: Installation, rest: Rest
) -> None:
    wall = await visitors.at("/display/riverside", WALL)
    driver = await visitors.at("/lots/riverside", PHONE)
    await expect(wall.locator("html")).to_have_attribute("data-wall", "live")
    figures = await wall.locator("#cells .figure").all_inner_texts()

    shaky_lotline.freeze_web()
    frozen_s = time.monotonic()
    try:
        await becomes(wall, "wall", "stale", frozen_s, STALE_S)
        await becomes(driver, "feed", "stale", frozen_s, STALE_S)
        await expect(wall.locator("#age")).to_contain_text("No update for")
        await expect(driver.locator("[data-shown=stale]")).to_be_visible()
        assert await wall.locator("#cells .figure").all_inner_texts() == figures
        await expect(wall.locator("#cells .figure").first).to_be_visible()

        await becomes(wall, "wall", "lost", frozen_s, LOST_S)
        await becomes(driver, "feed", "lost", frozen_s, LOST_S)
        for figure in await wall.locator("#cells .figure, #cells .rest b").all():
            await expect(figure).to_be_hidden()
        await expect(wall.locator("#message")).to_contain_text("not up to date")
        await expect(wall.locator("#age")).to_contain_text("Last picture")
        await expect(driver.locator("[data-shown=lost]")).to_be_visible()
    finally:
        shaky_lotline.thaw_web()
    await live(driver, BACK_WITHIN_S)
    await live(wall, BACK_WITHIN_S)
    await expect(wall.locator("html")).to_have_attribute("data-wall", "live")
    await expect(wall.locator("#cells .figure").first).to_be_visible()
    await expect(wall.locator("#message")).to_be_hidden()

    slot, plate = await rest.free_slot("B"), new_plate()
    await rest.reserve(slot["identifier"], plate)
    await expect(driver.locator(f"[data-name={slot['name']}]")).to_have_attribute("data-state", "reserved")


async def test_after_a_crash_the_pages_are_live_again_by_themselves_and_equal_sql(
    visitors: Visitors, shaky_lotline: Installation, rest: Rest
) -> None:
    driver, front = await visitors.at("/lots/riverside"), await visitors.at("/")
    wall = await visitors.at("/display/riverside", WALL)
    held = [(slot["identifier"], new_plate()) for slot in (await rest.slots(status="free"))[40:46]]
    for page in (driver, front, wall):
        await page.evaluate("() => { window.neverReloaded = true; }")
    for identifier, plate in held[:3]:
        await rest.reserve(identifier, plate)
    shaky_lotline.kill_web()
    await asyncio.to_thread(shaky_lotline.start_web)
    for identifier, plate in held[3:]:
        await rest.reserve(identifier, plate)
    for page in (driver, front, wall):
        await expect(page.locator("html")).to_have_attribute(
            "data-feed", "live", timeout=BACK_WITHIN_S * 1000
        )

    truth = shaky_lotline.states_in_sql("riverside")
    await expect(driver.locator("#map .slot[data-state=reserved]")).to_have_count(
        truth.count("reserved"), timeout=BACK_WITHIN_S * 1000
    )
    assert await tiles(driver) == truth
    await expect(driver.locator("#count-free")).to_have_text(str(truth.count("free")))
    await expect(front.locator("#free-riverside")).to_have_text(str(truth.count("free")))

    # Not only a last picture: what happens now comes as well.
    identifier, plate = held[0]
    await rest.unreserve(identifier, plate)
    await expect(driver.locator("#count-free")).to_have_text(str(truth.count("free") + 1))
    await expect(front.locator("#free-riverside")).to_have_text(str(truth.count("free") + 1))
    for page in (driver, front, wall):
        assert await page.evaluate("() => window.neverReloaded"), f"{page.url} was loaded again"


async def test_redis_is_emptied_and_lists_and_walls_go_on_as_maps_do(
    visitors: Visitors, shaky_lotline: Installation, rest: Rest
) -> None:
    """Another life of the status: what is shown from then on has another epoch."""
    driver, front = await visitors.at("/lots/riverside"), await visitors.at("/")
    wall = await visitors.at("/display/riverside", WALL)
    for page in (driver, front, wall):
        await page.evaluate("() => { window.neverReloaded = true; }")
    before = await driver.get_attribute("#feed", "data-seq")
    redis = connect(shaky_lotline.settings.redis_url)
    await redis.flushall()
    await redis.aclose()
    slot, plate = await rest.free_slot("B"), new_plate()
    await rest.reserve(slot["identifier"], plate)
    free = str(shaky_lotline.states_in_sql("riverside").count("free"))
    await expect(driver.locator("#count-free")).to_have_text(free, timeout=BACK_WITHIN_S * 1000)
    await expect(front.locator("#free-riverside")).to_have_text(free, timeout=BACK_WITHIN_S * 1000)
    # Longer than a page may say nothing of a feed that it does not understand.
    await driver.wait_for_timeout((STALE_S + SLACK_S) * 1000)
    for page in (driver, front, wall):
        await live(page, BACK_WITHIN_S)
        assert await page.evaluate("() => window.neverReloaded"), f"{page.url} was loaded again"
    after = await driver.get_attribute("#feed", "data-seq")
    assert before is not None
    assert after is not None
    assert before.split(":")[0] != after.split(":")[0]


async def test_a_new_outline_makes_an_open_map_load_itself_again(
    visitors: Visitors, shaky_lotline: Installation, rest: Rest
) -> None:
    driver = await visitors.at("/lots/stadium-east")
    (first,) = [slot for slot in await rest.slots("stadium-east") if slot["name"] == "A1"]
    await rest.put(
        identifier="stadium-east-new", lot="stadium-east", area="A", name="A999", location=first["location"]
    )
    await expect(driver.locator("#slots-list").get_by_text("A999")).to_have_count(1, timeout=8000)
    await live(driver)
