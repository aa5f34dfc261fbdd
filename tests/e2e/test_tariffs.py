"""An operator sets prices: the preview follows, and a driver's panel shows what was published."""

import re
from itertools import count

import pytest
from playwright.async_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_every_page import ALL_RULES, COLOUR_RULES, OVERFLOW, violations
from tests.e2e.visitors import DESK, PHONE, Visitors

_lots = count(1)
FIRST_STAY = "#samples .sample:has(h3:has-text('10:05'))"


async def new_lot(rest: Rest) -> str:
    """The code of a lot that no other test uses, with two standard slots and a premium one."""
    code = f"priced-{next(_lots)}"
    for number in (1, 2, 3):
        await rest.put(
            identifier=f"{code}-S{number}", lot=code, area="A", name=f"S{number}", premium=number == 3
        )
    return code


async def operator(
    visitors: Visitors, lotline: Installation, viewport: dict[str, int] = DESK, **options: object
) -> Page:
    page = await visitors.new(viewport, **options)
    await page.goto(await lotline.sign_in_link())
    return page


async def test_a_price_is_edited_the_preview_follows_and_drivers_see_what_is_published(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    booked = await rest.reserve(f"{lot}-S2", plate)
    page = await operator(visitors, lotline)
    await page.get_by_role("link", name="Tariffs").click()
    await page.click(f"a[href='/operator/lots/{lot}/tariff']")
    await expect(page.locator(FIRST_STAY)).to_contain_text("€5.00")

    await page.fill("#band-0-price", "1.40")
    await expect(page.locator(f"{FIRST_STAY} .sample-total")).to_have_text(re.compile(r"now €5\.00\s+€7\.00"))
    await page.fill("#band-0-days", "Mon to Fri")
    await page.fill("#band-0-from", "07:00")
    await expect(page.locator("#week")).to_contain_text("standard: Sat, Sun 00:00 to 24:00")
    # Focus and what was typed survive the answer.
    await expect(page.locator("#band-0-from")).to_be_focused()
    await page.fill("#band-0-to", "19:00")
    await page.click("#add-band")
    await expect(page.locator("#band-2-name")).to_be_focused()
    await expect(page.locator("#band-0-price")).to_have_value("1.40")
    for part, text in (("name", "Otherwise"), ("days", "Mon to Fri"), ("from", "19:00"), ("to", "7:00")):
        await page.fill(f"#band-2-{part}", text)
    await page.select_option("#band-2-how", "free")
    await page.select_option("#band-2-slots", "standard")
    await expect(page.locator("#swatch-2 .tone-free")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/tariff$"))

    # With the keyboard alone.
    await page.fill("#grace", "soon")
    await expect(page.locator(".samples-wrong a")).to_have_text("Free when you leave within")
    await page.fill("#grace", "10")
    await expect(page.locator(".samples-wrong")).to_have_count(0)
    await page.fill("#stay_from", "2027-02-01T08:00")
    await page.fill("#stay_to", "2027-02-01T08:30")
    await page.click("#add-stay")
    own = page.locator("#samples .sample:has(h3:has-text('1 Feb'))")
    await expect(own).to_contain_text("€1.40")
    await page.fill("#band-0-price", "2.40")
    await expect(own).to_contain_text("€2.40")
    await own.get_by_role("button", name="Remove").click()
    await expect(own).to_have_count(0)

    await page.focus("#publish")
    await page.keyboard.press("Enter")
    await expect(page.locator("#published")).to_contain_text("Version 2 is in force.")
    await expect(page.locator("#band-0-price")).to_have_value("€2.40")
    driver = await visitors.at(f"/lots/{lot}/slots/S3")
    await expect(driver.locator("#panel")).to_contain_text("€1.50")
    costs = await rest.price(f"{lot}-S1", 1_801_465_200, 1_801_467_000)
    assert costs["amount"] == "2.40"
    so_far = await rest.price_of(booked["reservation"])
    assert so_far["lines"][0]["amount"] == "1.00"


async def test_a_drivers_panel_shows_the_new_price(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot = await new_lot(rest)
    driver = await visitors.at(f"/lots/{lot}/slots/S1")
    await expect(driver.locator("#panel")).to_contain_text("€1.00 per started 30 min")
    page = await operator(visitors, lotline)
    await page.goto(f"/operator/lots/{lot}/tariff")
    await page.fill("#band-0-price", "3.20")
    await page.dblclick("#publish")
    await expect(page.locator("#published")).to_contain_text("Version 2 is in force.")
    await driver.reload()
    await expect(driver.locator("#panel")).to_contain_text("€3.20 per started 30 min")


async def test_without_javascript_a_tariff_is_edited_and_published(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    visitors.expected = {422}
    lot = await new_lot(rest)
    page = await operator(visitors, lotline, PHONE, java_script_enabled=False)
    await page.goto(f"/operator/lots/{lot}/tariff")
    await page.fill("#band-0-price", "1.40")
    await page.get_by_role("button", name="Reckon again").click()
    await expect(page.locator(FIRST_STAY)).to_contain_text("€7.00")
    await page.click("#add-band")
    await expect(page.locator("#band-2-name")).to_be_visible()
    await page.click("#remove-1")
    await expect(page.locator("#band-1-name")).to_have_count(0)
    await expect(page.locator("#week")).to_contain_text("premium: every day 00:00 to 24:00")
    await page.fill("#grace", "soon")
    await page.click("#publish")
    await expect(page.locator("#refused")).to_contain_text("One field is wrong.")
    await expect(page.locator("#grace")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#grace")).to_be_focused()
    await expect(page.locator("#band-0-price")).to_have_value("1.40")
    await page.fill("#grace", "10 min")
    await page.click("#publish")
    await expect(page.locator("#published")).to_contain_text("Version 2 is in force.")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_the_operators_pages_break_no_rule_of_wcag_and_fit_the_window(
    visitors: Visitors, lotline: Installation, rest: Rest, size: dict[str, int]
) -> None:
    visitors.expected = {422}
    lot = await new_lot(rest)
    page = await operator(visitors, lotline, size, reduced_motion="reduce")
    found = []

    async def judge(name: str) -> None:
        for theme, rules in (("light", ALL_RULES), ("dark", COLOUR_RULES)):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found.extend(f"{name}, {theme}: {one}" for one in await violations(page, rules))
        if over := await page.evaluate(OVERFLOW):
            found.append(f"{name}: {over}")

    await page.goto("/operator/tariffs")
    await judge("list")
    await page.goto(f"/operator/lots/{lot}/tariff")
    await judge("form")
    await page.click(".week-words summary")
    await page.click(".others summary")
    await page.click("#add-stay")
    await expect(page.locator(".sample-drop")).to_be_visible()
    await page.fill("#band-0-days", "Mon")
    await page.fill("#grace", "soon")
    await expect(page.locator(".samples-wrong")).to_be_visible()
    await judge("form with a gap and a stay")
    await page.click("#publish")
    await expect(page.locator("#refused")).to_be_visible()
    await judge("form with errors")
    await page.set_viewport_size({"width": 320, "height": 568})
    await judge("form with errors, narrow")
    assert not found, "\n".join(found)
