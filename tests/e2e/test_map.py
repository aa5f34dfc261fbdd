"""What a map must not do while it is looked at."""

import pytest

from tests.e2e.visitors import Visitors

NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
CHIPS_OVER_SIGNS = """() => {
  const boxes = (query) => [...document.querySelectorAll(query)]
    .map((node) => [node.textContent.trim(), node.getBoundingClientRect()]);
  const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return boxes('.map-chip').flatMap(([chip, a]) =>
    boxes('#map .sign:not(.is-out)').filter(([, b]) => over(a, b)).map(([sign]) => `${chip} over ${sign}`));
}"""


async def test_the_chip_of_an_area_out_of_view_covers_no_sign(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside")
    box = await page.locator(".map-view").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    seen = 0
    await page.mouse.move(x, y)
    await page.mouse.down()
    for by in (*range(0, -320, -40), *range(-320, 320, 40)):
        await page.mouse.move(x + by / 2, y + by)
        await page.evaluate(NEXT_FRAME)
        assert await page.evaluate(CHIPS_OVER_SIGNS) == [], f"dragged by {by} px"
        seen += await page.locator(".map-chip").count()
    await page.mouse.up()
    assert seen


@pytest.mark.parametrize("width", [320, 390])
async def test_on_a_phone_no_control_covers_the_name_of_the_maps_source(
    visitors: Visitors, width: int
) -> None:
    page = await visitors.at("/lots/riverside", {"width": width, "height": 844})
    source = await page.locator(".map-attribution").bounding_box()
    assert source is not None
    for control in await page.locator(".lot-actions .button:visible, .map-controls:visible").all():
        box = await control.bounding_box()
        assert box is not None
        above = box["y"] + box["height"] <= source["y"]
        beside = box["x"] + box["width"] <= source["x"]
        assert above or beside, await control.inner_text()
