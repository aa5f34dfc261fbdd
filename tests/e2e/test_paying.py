"""A driver pays by card, in a real browser: declined, then paid; asked by the bank; also without a script.

And pays less with a code, given on the page or at the desk.
"""

import json
import re
from itertools import count

import pytest
from playwright.async_api import Page, expect

from app.launch import tasks
from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_every_page import ALL_RULES, OVERFLOW, violations
from tests.e2e.test_stay import book
from tests.e2e.visitors import DESK, PHONE, Visitors

_lots = count(1)
OFFERS = [
    {"kind": "per-increment", "price_minor": 200, "increment_s": 1800, "per_s": 1800},
    {"kind": "offer", "code": "CINEMA", "percent_bp": 2500},
    {"kind": "offer", "code": "SHOP", "amount_minor": 100},
]


async def choose(page: Page, card: str) -> None:
    await page.select_option("[name=means]", card)


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
    await expect(page.locator(".receipt-issuer")).to_have_text("RiversideCollege Road, Columbus")
    await page.emulate_media(media="print")
    await expect(page.locator(".no-print:visible")).to_have_count(0)
    printed = await page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) == 1


async def test_paying_stays_in_reach_on_a_phone_and_covers_nothing_that_has_the_focus(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.new(PHONE)
    slot, plate = await book(page, rest)
    pay = page.locator("#pay-leave")
    await expect(pay).to_be_in_viewport(ratio=1)
    bar = await page.locator(".pay-first").bounding_box()
    assert bar is not None and bar["width"] == PHONE["width"]
    hidden = []
    await page.focus("[name=means]")
    passed = 0
    # To the page's end, where the browser's own controls follow.
    while await page.locator("main :focus").count():
        passed += 1
        box = await page.locator(":focus").bounding_box()
        bar = await page.locator(".pay-first").bounding_box()
        assert box is not None and bar is not None
        is_paying = await page.locator(".pay-first :focus").count()
        if not is_paying and box["y"] < bar["y"] + bar["height"] and bar["y"] < box["y"] + box["height"]:
            hidden.append(await page.locator(":focus").evaluate("node => node.outerHTML"))
        await page.keyboard.press("Tab")
    assert hidden == []
    assert passed > 4
    await rest.unreserve(slot, plate)


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
    await page.wait_for_url(f"{here}?paying=done")
    await expect(page.locator(".booking-words > .banner")).to_contain_text(
        "paid" if says_yes else "was not paid"
    )
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


async def lot_with_offers(rest: Rest, lotline: Installation) -> str:
    """The code of a lot that no other test uses, with offers that have codes."""
    lot = f"offers-{next(_lots)}"
    for number in (1, 2):
        await rest.put(identifier=f"{lot}-S{number}", lot=lot, area="A", name=f"S{number}")
    await tasks.set_tariff(lotline.settings, lot, None, json.dumps(OFFERS), None)
    return lot


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_a_code_is_refused_in_place_then_another_one_takes_its_share_off(
    visitors: Visitors, rest: Rest, lotline: Installation, script: bool
) -> None:
    visitors.expected = {422}
    lot, plate = await lot_with_offers(rest, lotline), new_plate()
    booked = await rest.reserve(f"{lot}-S1", plate)
    page = await visitors.new(PHONE, java_script_enabled=script)
    await page.goto(booked["_links"]["booking"])
    await expect(page.locator("#pay-leave")).to_have_text("Pay €2.00 and leave")
    await page.click("#codes-ask")
    await page.fill("#code", "theatre")
    await page.press("#code", "Enter")
    await expect(page.locator("#code-note")).to_have_text("“theatre” is no code of an offer here.")
    await expect(page.locator("#code")).to_have_value("theatre")
    await expect(page.locator("#code")).to_be_focused()
    if script:
        assert await violations(page, ALL_RULES) == []
        assert await page.evaluate(OVERFLOW) == []
    await page.fill("#code", "cinema")
    await page.click("#code-button")
    await expect(page.locator(".codes-given")).to_contain_text("CINEMA")
    await expect(page.locator("#running .fee-lines")).to_contain_text("Offer CINEMA")
    await expect(page.locator("#pay-leave")).to_have_text("Pay €1.50 and leave")
    if script:
        assert await violations(page, ALL_RULES) == []
        assert await page.evaluate(OVERFLOW) == []
    await rest.unreserve(f"{lot}-S1", plate)


async def test_a_stay_is_validated_at_the_desk_by_keys_alone(
    visitors: Visitors, rest: Rest, lotline: Installation
) -> None:
    visitors.expected = {422}
    lot, plate = await lot_with_offers(rest, lotline), new_plate()
    await rest.reserve(f"{lot}-S1", plate)
    page = await visitors.new(DESK)
    await page.goto(await lotline.sign_in_link())
    await page.goto(f"/attendant/lots/{lot}/slots/S1")
    await expect(page.locator(".owes")).to_contain_text("€2.00")
    await page.keyboard.press("v")
    await expect(page.locator("#validate-code")).to_be_focused()
    await page.keyboard.type("shops")
    await page.keyboard.press("Enter")
    await expect(page.locator("#validate-code-note")).to_have_text("“shops” is no code of an offer here.")
    await expect(page.locator("#validate-code")).to_be_focused()
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Enter")
    await expect(page.locator(".slot-card .banner")).to_contain_text("Validated with SHOP.")
    await expect(page.locator(".owes")).to_contain_text("€1.00")
    await rest.unreserve(f"{lot}-S1", plate)
