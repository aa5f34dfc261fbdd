"""A driver pays by card, in a real browser: declined, then paid; asked by the bank; also without a script."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.rest import Rest
from tests.e2e.test_stay import book
from tests.e2e.visitors import DESK, PHONE, Visitors


async def choose(page: Page, card: str) -> None:
    await page.check(f"[name=means][value={card}]")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_a_card_is_declined_then_another_one_pays_and_the_receipt_is_printed(
    visitors: Visitors, rest: Rest, script: bool
) -> None:
    visitors.expected = {402}
    page = await visitors.new(PHONE, java_script_enabled=script)
    slot, _ = await book(page, rest)
    await expect(page.locator("#pay-leave")).to_have_text("Pay $1.00 and leave")
    await choose(page, "sandbox-decline")
    await page.click("#pay-stay")
    await expect(page.locator(".banner-problem")).to_contain_text("The card was declined")
    assert await rest.status(slot) == "reserved"
    await choose(page, "sandbox-success")
    await page.click("#pay-leave")
    await expect(page.locator(".ended .figure-label").first).to_contain_text("Released")
    assert await rest.status(slot) == "free"
    rows = page.locator(".payments-list li")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("paid")
    await expect(rows.last).to_contain_text("declined: The card was declined")
    await expect(page.locator("#pay")).to_have_count(0)
    await page.click(".payments-list a")
    await page.wait_for_url("**/receipts/*")
    await expect(page.locator(".receipt-amount")).to_have_text("$1.00")
    await expect(page.locator(".receipt-code svg")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.locator(".no-print")).to_be_hidden()
    printed = await page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 1


@pytest.mark.parametrize("says_yes", [True, False], ids=["confirmed", "refused"])
async def test_a_bank_asks_and_the_payer_comes_back(visitors: Visitors, rest: Rest, says_yes: bool) -> None:
    page = await visitors.new(DESK)
    slot, plate = await book(page, rest)
    here = page.url
    await choose(page, "sandbox-3d")
    await page.click("#pay-stay")
    await page.wait_for_url("**/payments/sandbox/*")
    await expect(page.locator("h1")).to_have_text("$1.00")
    await page.click("#sandbox-confirm" if says_yes else "#sandbox-refuse")
    await page.wait_for_url(here)
    note = "paid" if says_yes else "declined"
    await expect(page.locator(".payments-list li")).to_contain_text(note)
    await expect(page.locator("#pay")).to_have_count(0 if says_yes else 1)
    await rest.unreserve(slot, plate)


async def test_who_presses_twice_pays_once(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    other = await page.context.new_page()
    await other.goto(page.url)
    for one in (page, other):
        await choose(one, "sandbox-success")
        await one.click("#pay-stay")
        await expect(one.locator(".payments-list li")).to_have_count(1)
    await rest.unreserve(slot, plate)
