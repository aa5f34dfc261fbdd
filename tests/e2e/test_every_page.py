"""What holds on every page: WCAG 2.2 AA by axe in both themes, no scrolling sideways, a silent console."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Playwright

from tests.e2e.installation import Installation
from tests.e2e.places import Tour, prepare_tour
from tests.e2e.rest import Rest
from tests.e2e.visitors import DESK, PHONE, Visitors

ALL_RULES = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
COLOUR_RULES = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
WIDTHS = {320: 568, 390: 844, 768: 1024, 1440: 900}
OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
  if (needed <= wide && document.body.scrollWidth <= wide) return [];
  const over = [...document.body.querySelectorAll('*')]
    .filter((node) => node.getBoundingClientRect().right > wide + 1);
  return [needed, ...over.slice(0, 5).map((node) => node.outerHTML.slice(0, 120))];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tour(playwright: Playwright, browser: Browser, lotline: Installation) -> AsyncIterator[Tour]:
    client = await playwright.request.new_context(base_url=lotline.base)
    visitors = Visitors(browser, lotline.base)
    yield await prepare_tour(visitors, Rest(client), lotline)
    await client.dispose()
    await visitors.leave()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_no_page_breaks_a_rule_of_wcag_in_light_or_dark(
    visitors: Visitors, tour: Tour, size: dict[str, int]
) -> None:
    visitors.expected = {404, 422}
    page = await visitors.new(size, color_scheme="light", reduced_motion="reduce")
    await page.context.add_cookies(tour.cookies)  # type: ignore[arg-type]
    found = []
    for place in tour.places:
        await page.emulate_media(color_scheme="light")
        await tour.visit(page, place)
        found += [f"{place.name}, light: {one}" for one in await violations(page, ALL_RULES)]
        # A theme is nothing but other colours.
        await page.emulate_media(color_scheme="dark")
        found += [f"{place.name}, dark: {one}" for one in await violations(page, COLOUR_RULES)]
    assert not found, "\n".join(found)


async def violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """The rules that the page breaks, each with the first places."""
    results = await Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    return [
        f"{rule['id']} ({rule['help']}), {len(rule['nodes'])} places: "
        + "; ".join(f"{node['html'][:120]} {node['failureSummary'][:200]}" for node in rule["nodes"][:2])
        for rule in results.response["violations"]
    ]


@pytest.mark.parametrize("width", WIDTHS)
async def test_no_page_is_wider_than_the_window(visitors: Visitors, tour: Tour, width: int) -> None:
    visitors.expected = {404, 422}
    page = await visitors.new({"width": width, "height": WIDTHS[width]})
    await page.context.add_cookies(tour.cookies)  # type: ignore[arg-type]
    found = []
    for place in tour.places:
        await tour.visit(page, place)
        if over := await page.evaluate(OVERFLOW):
            found.append(f"{place.name}: {over}")
    assert not found, "\n".join(found)
