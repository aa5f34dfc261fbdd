"""The map under fingers, a wheel and keys, and as a screen reader is told of it."""

import asyncio
import re
import time
from itertools import pairwise
from typing import Any

from playwright.async_api import CDPSession, Page, expect

from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, Visitors

AT_REST = "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => done()), 260))"
SCALE = """() => {
  const { a, b, e } = document.querySelector('.map-world').transform.baseVal.consolidate().matrix;
  return { a, b, e };
}"""
OUT_OF_VIEW = """() => {
  const map = document.getElementById('map').getBoundingClientRect();
  return [...document.querySelectorAll('#map .slot')].filter((tile) => {
    const box = tile.getBoundingClientRect();
    return box.left < map.left || box.right > map.right || box.top < map.top || box.bottom > map.bottom;
  }).length;
}"""
QUIET_S = 5.0
HEARD = """() => {
  window.heard = [];
  for (const node of document.querySelectorAll('[role=status], [aria-live]'))
    new MutationObserver(() => window.heard.push([performance.now(), node.textContent.trim()]))
      .observe(node, { childList: true, characterData: true, subtree: true });
}"""


async def px_per_m(page: Page) -> float:
    await page.evaluate(AT_REST)
    matrix = await page.evaluate(SCALE)
    return float((matrix["a"] ** 2 + matrix["b"] ** 2) ** 0.5)


async def middle(page: Page) -> tuple[float, float]:
    box = await page.locator("#map").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def pinch(session: CDPSession, at: tuple[float, float], first: float, last: float) -> None:
    """Two fingers, ``first`` pixels apart and at the end ``last``."""

    def fingers(gap: float) -> list[dict[str, float]]:
        return [{"x": at[0] + side * gap / 2, "y": at[1], "id": n} for n, side in enumerate((-1, 1))]

    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers(first)})
    for step in range(1, 11):
        points = fingers(first + (last - first) * step / 10)
        await session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


async def test_two_fingers_zoom_and_one_finger_drags(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside", PHONE, has_touch=True, is_mobile=True)
    session = await page.context.new_cdp_session(page)
    before, at = await px_per_m(page), await middle(page)
    await pinch(session, at, 80, 240)
    near = await px_per_m(page)
    assert 2 < near / before < 4
    assert await page.locator("[data-mark=selected]").count() == 0
    await pinch(session, at, 240, 80)
    assert await px_per_m(page) < near / 2

    was = await page.evaluate(SCALE)
    for kind, x in (("touchStart", at[0]), ("touchMove", at[0] + 30), ("touchMove", at[0] + 60)):
        await session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": at[1], "id": 1}]}
        )
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    await page.evaluate(AT_REST)
    assert abs((await page.evaluate(SCALE))["e"] - was["e"] - 60) < 2
    assert await page.locator(".map-view").evaluate("(view) => view.style.transform") == ""


async def test_a_tap_after_zooming_takes_the_slot_under_the_finger(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside", PHONE, has_touch=True, is_mobile=True)
    session = await page.context.new_cdp_session(page)
    await pinch(session, await middle(page), 60, 220)
    await page.evaluate(AT_REST)
    x, y = await middle(page)
    name = await page.evaluate(
        """([x, y]) => [...document.querySelectorAll('#map .slot[data-state=free]')]
             .map((tile) => [tile.dataset.name, tile.getBoundingClientRect()])
             .map(([name, box]) => [name, Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y),
                                    box.x + box.width / 2, box.y + box.height / 2])
             .sort((a, b) => a[1] - b[1])[0]""",
        [x, y],
    )
    await page.touchscreen.tap(name[2], name[3])
    await expect(page.locator("#panel-title")).to_have_text(name[0])


async def test_wheel_buttons_and_keys_zoom_and_zero_shows_the_whole_lot(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside")
    first = await px_per_m(page)
    await page.mouse.move(*await middle(page))
    await page.mouse.wheel(0, -400)
    wheeled = await px_per_m(page)
    assert wheeled > 1.5 * first
    await page.click("[data-zoom-by='1.5']")
    assert await px_per_m(page) > 1.3 * wheeled
    await expect(page.locator("#map .slot-number").first).to_be_attached()
    await page.locator("#map").focus()
    await page.keyboard.press("-")
    assert abs(await px_per_m(page) / wheeled - 1) < 0.05
    await page.keyboard.press("0")
    await page.evaluate(AT_REST)
    assert await page.evaluate(OUT_OF_VIEW) == 0
    await page.click("[data-fit]")
    assert abs(await px_per_m(page) / first - 1) < 0.02, "once more, and it is as at first"


async def tree(page: Page) -> list[dict[str, Any]]:
    """The nodes that a screen reader is told of."""
    session = await page.context.new_cdp_session(page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    await session.detach()
    return [node for node in nodes if not node.get("ignored")]


def value(node: dict[str, Any], what: str) -> str:
    return str(node.get(what, {}).get("value", ""))


async def test_a_screen_reader_is_told_of_one_map_and_of_the_list_and_not_of_its_tiles(
    visitors: Visitors,
) -> None:
    page = await visitors.at("/lots/riverside")
    nodes = await tree(page)
    (the_map,) = [node for node in nodes if value(node, "role") == "application"]
    assert value(the_map, "name") == "Map of Riverside"
    assert "Arrow keys" in value(the_map, "description") and "list" in value(the_map, "description")
    roles = {one["name"]: one["value"].get("value") for one in the_map["properties"]}
    assert roles["roledescription"] == "map" and roles["focusable"]
    links = {value(node, "name"): node for node in nodes if value(node, "role") == "link"}
    assert "Show as list" in links
    by_id = {node["nodeId"]: node for node in nodes}
    under, open_ = [], list(the_map.get("childIds", []))
    while open_:
        if node := by_id.get(open_.pop()):
            under.append(node)
            open_ += node.get("childIds", [])
    buttons = {value(node, "name") for node in under if value(node, "role") == "button"}
    assert {"Zoom in", "Zoom out", "Show the whole lot"} <= buttons
    assert len(under) < 60, "the tiles are not in the tree one by one"

    await page.locator("#map").focus()
    await page.keyboard.press("ArrowRight")
    spoken = [value(node, "name") for node in await tree(page) if value(node, "role") == "StaticText"]
    here = await page.locator("#map [data-say]").inner_text()
    assert re.fullmatch(r"\w+, (free|reserved|taken|closed)(, [a-z]+)*, area \w+", here)
    assert here in spoken


async def test_changes_are_said_as_counts_politely_and_at_most_every_five_seconds(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.at("/lots/riverside")
    wall = await visitors.at("/display/riverside")
    await page.evaluate(HEARD)
    await wall.evaluate(HEARD)
    taken = []
    began = time.monotonic()
    while time.monotonic() - began < 2 * QUIET_S + 1:
        slot, plate = (await rest.free_slot("C"))["identifier"], new_plate()
        await rest.reserve(slot, plate)
        taken.append((slot, plate))
        await asyncio.sleep(0.4)
    heard = await page.evaluate("() => window.heard")
    for slot, plate in taken:
        await rest.unreserve(slot, plate)
    assert 1 <= len(heard) <= 3, heard
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(heard)]
    assert all(gap >= 1000 * QUIET_S - 50 for gap in gaps), heard
    for _, said in heard:
        assert re.fullmatch(r"\d+ Free, \d+ Reserved, \d+ Taken, \d+ Closed", said)
    assert await wall.evaluate("() => window.heard") == []
