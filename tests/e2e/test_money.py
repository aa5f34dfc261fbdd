"""An operator finds a payment, gives a part of it back, closes the day and prints it."""

import re
from itertools import count

import pytest
from playwright.async_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_every_page import ALL_RULES, COLOUR_RULES, OVERFLOW, violations
from tests.e2e.test_tariffs import operator
from tests.e2e.visitors import DESK, PHONE, Visitors

_lots = count(1)


async def paid_at_the_desk(page: Page, rest: Rest) -> tuple[str, str]:
    """Takes cash for a booking of a new lot: the lot's code, and the amount as it is shown."""
    code = f"paid-{next(_lots)}"
    await rest.put(identifier=f"{code}-S1", lot=code, area="A", name="S1")
    await rest.reserve(f"{code}-S1", new_plate())
    await page.goto(f"/attendant/lots/{code}/slots/S1")
    await page.get_by_role("button", name="Cash").click()
    await expect(page.locator("#slot-panel")).to_contain_text("taken.")
    return code, "€1.00"


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_a_payment_is_found_given_back_and_the_day_is_closed_and_printed(
    visitors: Visitors, lotline: Installation, rest: Rest, script: bool
) -> None:
    visitors.expected = {422}
    desk = await operator(visitors, lotline, DESK)
    lot, amount = await paid_at_the_desk(desk, rest)
    page = await operator(visitors, lotline, DESK, java_script_enabled=script)
    await page.goto("/operator/tariffs")
    await page.get_by_role("link", name="Payments").click()
    await page.select_option("#lot", lot)
    if not script:
        await page.get_by_role("button", name="Show").click()
    await expect(page.locator(".pay-row")).to_have_count(1)
    await expect(page).to_have_url(re.compile(f"lot={lot}"))
    await expect(page.locator(".pay-row")).to_contain_text(amount)
    await page.fill("#q", "nonsense")
    await page.press("#q", "Enter")
    await expect(page.locator("#q-note")).to_contain_text("Give a plate, a receipt's number")
    await page.fill("#q", "")
    await page.press("#q", "Enter")
    await page.click(".pay-when a")

    # With the keyboard alone.
    await expect(page.locator("h1")).to_have_text(amount)
    await page.fill("#refund-amount", "5")
    await page.fill("#refund-reason", "a broken gate")
    await page.press("#refund-reason", "Enter")
    await expect(page.locator("#refund-amount-note")).to_contain_text("No more than €1.00 is left")
    await expect(page.locator("#refund-amount")).to_be_focused()
    await page.fill("#refund-amount", "0.40")
    await page.press("#refund-amount", "Enter")
    await expect(page.locator("#refund-give")).to_have_text("Give back €0.40")
    await expect(page.locator("#refund-give")).to_be_focused()
    await page.dblclick("#refund-give")
    await expect(page.locator("#notice")).to_contain_text("€0.40 given back.")
    await expect(page.locator("#refunds li")).to_have_count(1)
    await expect(page.locator("#refund-amount")).to_have_value("0.60")

    await page.get_by_role("link", name="Closing").click()
    await page.select_option("#lot", lot)
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("h1")).to_have_text(lot.replace("-", " ").capitalize())
    await expect(page.locator(".sums .total")).to_contain_text("€0.60")
    await expect(page.locator(".check")).to_contain_text("agrees with the ledger")
    await page.fill("#counted-EUR", "0.50")
    await page.click("#ask-close")
    await page.dblclick("#close-day")
    await expect(page.locator(".closing-by")).to_contain_text("Closed by")
    await expect(page.locator("#drawer")).to_contain_text("€0.10 too little")
    await expect(page.locator("#close-day")).to_have_count(0)
    await page.emulate_media(media="print")
    await expect(page.locator(".closing-choice")).to_be_hidden()
    await expect(page.locator("header.site-header")).to_be_hidden()
    printed = await page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 1


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_the_pages_of_money_break_no_rule_of_wcag_and_fit_the_window(
    visitors: Visitors, lotline: Installation, rest: Rest, size: dict[str, int]
) -> None:
    visitors.expected = {422}
    page = await operator(visitors, lotline, size, reduced_motion="reduce")
    lot, _ = await paid_at_the_desk(page, rest)
    found = []

    async def judge(name: str) -> None:
        for theme, rules in (("light", ALL_RULES), ("dark", COLOUR_RULES)):
            await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found.extend(f"{name}, {theme}: {one}" for one in await violations(page, rules))
        if over := await page.evaluate(OVERFLOW):
            found.append(f"{name}: {over}")

    await page.goto(f"/operator/payments?lot={lot}")
    await judge("list")
    await page.click(".pay-when a")
    await expect(page.locator("#refund-ask")).to_be_visible()
    await judge("payment")
    await page.click("#refund-ask")
    await expect(page.locator("#refund-reason-note")).to_contain_text("Say why")
    await judge("payment, wrong")
    await page.fill("#refund-reason", "a broken gate")
    await page.fill("#refund-amount", "0.10")
    await page.click("#refund-ask")
    await expect(page.locator("#refund-give")).to_be_visible()
    await judge("payment, asking")
    await page.click("#refund-give")
    await expect(page.locator("#refunds")).to_be_visible()
    await judge("payment, given back")
    await page.goto("/operator/payments?q=nonsense&state=lost&day=x")
    await judge("list, wrong")
    await page.goto("/operator/payments?state=expired")
    await judge("list, empty")
    await page.goto(f"/operator/closing?lot={lot}")
    await judge("closing")
    await page.click("#ask-close")
    await page.click("#close-day")
    await expect(page.locator(".field-error").first).to_be_visible()
    await judge("closing, wrong")
    await page.fill("#counted-EUR", "7")
    await page.click("#close-day")
    await expect(page.locator(".closing-by")).to_be_visible()
    await judge("closing, closed")
    await page.goto(f"/operator/closing?lot={lot}&day=2999-01-01")
    await judge("closing, a day to come")
    await page.goto(f"/attendant/money?lot={lot}")
    await judge("money at the desk")
    await page.set_viewport_size({"width": 320, "height": 568})
    for path in ("/operator/payments", f"/operator/closing?lot={lot}", f"/attendant/money?lot={lot}"):
        await page.goto(path)
        await judge(f"{path}, narrow")
    assert not found, "\n".join(found)
