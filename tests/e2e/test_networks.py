"""A phone without network, on another or a slow one, or asleep: nothing typed is lost, nothing old live."""

import asyncio
import contextlib
import time

import psutil
from playwright.async_api import CDPSession, Page, Playwright, expect

from tests.e2e.ages import LOST_S, STALE_S, becomes
from tests.e2e.chromium import EXECUTABLE, FLAGS
from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors, live

# The browser hears that it is online before anything can answer; then one try, and a frame.
BACK_WITHIN_S = 4.0
ASLEEP_S = 8.0
# What has come meanwhile is read before anything else, but not before the first frame is drawn.
NOTICES_MS = 150
# A phone at the edge of the network: 400 ms each way, 50 kB a second.
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
# What a page shows from one moment to the next, as it was drawn.
WATCH = """(name) => {
  window.seen = [];
  const tile = document.querySelector(`#map [data-name="${name}"]`);
  const look = () => {
    window.seen.push([Date.now(), document.documentElement.dataset.feed, tile.dataset.state]);
    requestAnimationFrame(look);
  };
  look();
}"""


def renderer_processes() -> list[psutil.Process]:
    """The processes that draw the pages of the browsers that were started here."""
    found = []
    for child in psutil.Process().children(recursive=True):
        # One may end while it is looked at.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "--type=renderer" in child.cmdline():
                found.append(child)
    return found


async def devtools(page: Page) -> CDPSession:
    return await page.context.new_cdp_session(page)


async def test_a_phone_without_network_says_so_keeps_what_is_typed_and_is_live_again_at_once(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.server_may_go = True
    slot, other = (await rest.slots(area="C", status="free"))[:2]
    phone = await visitors.at(f"/lots/riverside/slots/{slot['name']}", PHONE)
    plate = new_plate()
    await phone.fill("#entity", plate)
    # What is offline is the network below: sockets that are open stay so and say nothing more.
    network = await devtools(phone)
    await network.send("Network.enable")
    await network.send("Network.emulateNetworkConditions", {**SLOW, "offline": True})
    began_s = time.monotonic()

    await phone.click("#panel-submit")
    toast = phone.locator(".toast-problem")
    await expect(toast).to_contain_text("No answer from the server.")
    await expect(toast).to_contain_text("not made twice")
    await expect(phone.locator("#entity")).to_have_value(plate)
    await rest.reserve(other["identifier"], new_plate())
    await becomes(phone, "feed", "stale", began_s, STALE_S)
    await expect(phone.locator("[data-shown=stale]")).to_be_visible()

    await network.send("Network.emulateNetworkConditions", {**SLOW, "offline": False, "latency": 0})
    await live(phone, BACK_WITHIN_S)
    await expect(phone.locator(f"[data-name={other['name']}]")).to_have_attribute("data-state", "reserved")
    await expect(phone.locator("#entity")).to_have_value(plate)
    await phone.click("#panel-submit")
    await phone.wait_for_url("**/bookings/*")
    assert await rest.status(slot["identifier"]) == "reserved"


async def test_a_phone_that_changes_networks_does_not_wait_for_its_dead_socket(
    visitors: Visitors, rest: Rest
) -> None:
    """The old connection just stops; the browser says that it is online, and nothing else."""
    phone = await visitors.new(PHONE)
    dead = []

    def relay(route) -> None:  # type: ignore[no-untyped-def]
        server = route.connect_to_server()
        number = len(dead)
        dead.append(False)
        server.on_message(lambda message: None if dead[number] else route.send(message))

    await phone.route_web_socket("**/ws/**", relay)
    await phone.goto("/lots/riverside")
    await live(phone)
    dead[0] = True
    slot = await rest.free_slot("B")
    await rest.reserve(slot["identifier"], new_plate())
    await phone.wait_for_function("() => Number(document.documentElement.dataset.feedAge) >= 3")
    await phone.evaluate("() => dispatchEvent(new Event('online'))")
    await expect(phone.locator(f"[data-name={slot['name']}]")).to_have_attribute("data-state", "reserved")
    await live(phone, BACK_WITHIN_S)
    assert len(dead) == 2


async def test_a_tab_that_slept_never_shows_as_live_what_it_showed_before(
    playwright: Playwright, lotline: Installation, rest: Rest
) -> None:
    others = {one.pid for one in renderer_processes()}
    browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
    try:
        phone = await browser.new_page(base_url=lotline.base, viewport=PHONE)
        await phone.goto("/lots/riverside")
        await live(phone)
        slot = await rest.free_slot("B")
        await phone.evaluate(WATCH, slot["name"])
        renderers = [one for one in renderer_processes() if one.pid not in others]
        assert renderers
        for renderer in renderers:
            renderer.suspend()
        slept_ms = time.time() * 1000
        await rest.reserve(slot["identifier"], new_plate())
        await asyncio.sleep(ASLEEP_S)
        woken_ms = time.time() * 1000
        for renderer in renderers:
            renderer.resume()
        await expect(phone.locator(f"[data-name={slot['name']}]")).to_have_attribute("data-state", "reserved")
        await live(phone, BACK_WITHIN_S)
        await phone.wait_for_function(
            "(ms) => window.seen.some(([at]) => at > ms)", arg=woken_ms + NOTICES_MS
        )
        seen = await phone.evaluate("() => window.seen")
    finally:
        await browser.close()
    assert not [at_ms for at_ms, *_ in seen if slept_ms + 500 < at_ms < woken_ms], "it did not sleep"
    after = [[state, tile] for at_ms, state, tile in seen if at_ms > woken_ms + NOTICES_MS]
    assert ["live", "free"] not in after
    assert after[-1] == ["live", "reserved"]


async def test_a_computer_that_was_suspended_knows_how_old_its_picture_is(visitors: Visitors) -> None:
    """In its sleep the browser's own counter stands still; the clock on the wall does not."""
    page = await visitors.new(PHONE)
    await page.add_init_script(
        "(() => { const now = Date.now; window.slept = 0; Date.now = () => now() + window.slept; })()"
    )
    silent = False

    def relay(route) -> None:  # type: ignore[no-untyped-def]
        server = route.connect_to_server()
        server.on_message(lambda message: None if silent else route.send(message))

    await page.route_web_socket("**/ws/**", relay)
    await page.goto("/lots/riverside")
    await live(page)
    silent = True
    began_s = time.monotonic()
    await page.evaluate("() => { window.slept = 3_600_000; }")
    await page.wait_for_function(
        "() => document.documentElement.dataset.feed === 'lost'", timeout=(LOST_S - 1) * 1000
    )
    assert time.monotonic() - began_s < STALE_S
    silent = False
    await live(page, BACK_WITHIN_S)
    age_s = int(await page.locator("html").get_attribute("data-feed-age") or "-1")
    assert 0 <= age_s < STALE_S


async def test_on_a_slow_network_a_slot_is_found_and_booked(visitors: Visitors, rest: Rest) -> None:
    phone = await visitors.new(PHONE)
    phone.set_default_timeout(20_000)
    network = await devtools(phone)
    await network.send("Network.enable")
    await network.send("Network.emulateNetworkConditions", SLOW)
    began_s = time.monotonic()
    await phone.goto("/lots/riverside")
    await phone.wait_for_selector("#map .slot")
    print(f"  the map is there after {time.monotonic() - began_s:.1f} s")
    await live(phone, 15)
    slot = await rest.free_slot("D")
    await phone.goto(f"/lots/riverside/slots/{slot['name']}")
    await phone.fill("#entity", new_plate())
    await phone.click("#panel-submit")
    # While it takes its time the button can't be pressed a second time.
    await expect(phone.locator("#panel-submit")).to_be_disabled()
    await phone.wait_for_url("**/bookings/*")
    assert await rest.status(slot["identifier"]) == "reserved"
