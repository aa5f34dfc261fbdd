"""An operator makes a lot, fills it from a file, prices it and opens it; a driver books in it."""

import re
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_every_page import OVERFLOW
from tests.e2e.visitors import DESK, PHONE, Visitors

_numbers = count(1)


def table(path: Path, lot: str, slots: int, wrong: int = 0) -> Path:
    """A CSV file with slots ``A1``, ``A2``, … of a lot; the last ones have a size that there is not."""
    rows = [
        f"{lot},A,A{n},{lot}-A{n},{'ship' if n > slots - wrong else 'car'},{'yes' if n < 3 else 'no'}"
        for n in range(1, slots + 1)
    ]
    file = path / f"{lot}.csv"
    file.write_text("lot,area,name,identifier,size,premium\n" + "\n".join(rows) + "\n")
    return file


async def operator(
    visitors: Visitors, lotline: Installation, viewport: dict[str, int] = DESK, **options: object
) -> Page:
    page = await visitors.new(viewport, **options)
    await page.goto(await lotline.sign_in_link())
    await page.goto("/operator")
    return page


@pytest.mark.parametrize("size", ["desk", "phone"])
async def test_a_lot_is_made_imported_priced_and_opened_and_a_driver_books_in_it(
    visitors: Visitors, lotline: Installation, tmp_path: Path, size: str
) -> None:
    visitors.expected = {422}
    name = f"Quay {next(_numbers)}"
    code = name.lower().replace(" ", "-")
    page = await operator(visitors, lotline, DESK if size == "desk" else PHONE)

    # Made, after an error that is named where it is.
    await page.click("#new-lot")
    await page.fill("#name", name)
    await page.fill("#time_zone", "Mars/Olympus")
    await page.press("#time_zone", "Enter")
    await expect(page.locator("#time_zone")).to_be_focused()
    await expect(page.locator("#time_zone-note")).to_contain_text("such as Europe/Berlin")
    await expect(page.locator("#name")).to_have_value(name)
    await page.fill("#time_zone", "Europe/Berlin")
    await page.click("#create")
    await page.wait_for_url(f"**/operator/lots/{code}?done=created")
    assert not await page.evaluate(OVERFLOW)

    # Closed, until it is ready.
    await page.click("#close > summary")
    await page.fill("#reason", "Not open yet")
    await page.click("#close-lot")
    await expect(page.locator("#notice")).to_contain_text("closed for booking")

    # Imported, after a dry run.
    await page.click("#import-first")
    await page.set_input_files("#file", table(tmp_path, code, 40, wrong=2))
    await page.click("#try")
    await expect(page.locator("#import")).to_have_text("Import 38 slots")
    await expect(page.locator("#refused li")).to_have_count(2)
    await expect(page.locator("#refused")).to_contain_text("row 40")
    assert not await page.evaluate(OVERFLOW)
    await page.click("#import")
    await expect(page.locator("#notice")).to_contain_text("The import is done")
    await expect(page.locator(".import-figures")).to_contain_text("38")

    # Priced: the preview follows.
    await page.goto(f"/operator/lots/{code}")
    await expect(page.locator(".lot-head .lot-figure")).to_contain_text("38 slots")
    await page.locator(".lot-ways").get_by_role("link", name="Tariff").click()
    await page.fill("#band-0-price", "2.00")
    await expect(page.locator("#samples")).to_contain_text("€10.00")
    await page.click("#publish")
    await expect(page.locator("#published")).to_contain_text("is in force")

    # Opened, and booked by somebody else.
    await page.goto(f"/operator/lots/{code}")
    await page.click("#open-lot")
    await expect(page.locator("#notice")).to_contain_text("open for booking")
    driver = await visitors.new(PHONE)
    await driver.goto(f"/lots/{code}/slots/A7")
    await driver.fill("#entity", new_plate())
    await expect(driver.locator("#panel-submit")).to_contain_text("€")
    await driver.click("#panel-submit")
    await driver.wait_for_url("**/bookings/*")
    await page.goto(f"/operator/lots/{code}?q=A7")
    await expect(page.locator(".slot-table")).to_contain_text("reserved")


async def test_a_slot_is_found_as_one_types_and_edited_by_keyboard_alone(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot = f"keys-{next(_numbers)}"
    for number in range(1, 4):
        await rest.put(identifier=f"{lot}-{number}", lot=lot, area="A", name=f"A{number}")
    page = await operator(visitors, lotline)
    await page.goto(f"/operator/lots/{lot}")
    await page.focus("#q")
    await page.keyboard.type("a2")
    await expect(page.locator(".slot-table tbody tr")).to_have_count(1)
    await page.locator(".slot-table a").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/operator/lots/{lot}/slots/A2")
    await page.focus("#charging")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"done=saved"))
    await expect(page.locator(".slot-table")).to_contain_text("charging")


async def test_an_import_shows_how_far_it_is_also_without_a_script(
    visitors: Visitors, lotline: Installation, tmp_path: Path, rest: Rest
) -> None:
    lot = f"far-{next(_numbers)}"
    await rest.put(identifier=f"{lot}-first", lot=lot, area="Z", name="Z1")
    page = await operator(visitors, lotline, java_script_enabled=False)
    await page.goto("/operator/import")
    await page.set_input_files("#file", table(tmp_path, lot, 600))
    await page.click("#try")
    await page.click("#import")
    steps = []
    while await page.locator("#progress").count():
        steps.append(int(await page.locator("#progress").get_attribute("value") or 0))
        await page.reload()
    assert steps == sorted(steps)
    await expect(page.locator("#notice")).to_contain_text("The import is done")
    assert len(set(steps)) > 1, "the bar has moved"
