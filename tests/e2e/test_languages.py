"""A driver is spoken to in one language from the first page to the receipt, and each in their own at once."""

import re
from itertools import count

from playwright.async_api import Page, expect

from app.launch import messages
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_every_page import ALL_RULES, OVERFLOW, violations
from tests.e2e.visitors import PHONE, Visitors, live

SMALL = {"width": 320, "height": 640}
WORDS = """() => [...document.querySelectorAll('body *')]
  .filter((node) => !['SCRIPT', 'NOSCRIPT', 'STYLE', 'TEMPLATE'].includes(node.tagName))
  .flatMap((node) => [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data)
    .concat(['aria-label', 'title', 'placeholder'].map((name) => node.getAttribute(name) ?? '')))
  .map((text) => text.trim().replace(/\\s+/g, ' ')).filter(Boolean)"""
_lots = count(1)


def english() -> set[str]:
    """Every whole sentence of the catalogues that German says otherwise."""
    found = set()
    for room in ("core", "driver"):
        for one in messages.read("de", room):
            if isinstance(one.id, str) and one.id and "{" not in one.id and one.string != one.id:
                found.add(one.id)
    return found


async def is_german(page: Page) -> None:
    """The page is German throughout, and nothing of it lies beside the window."""
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    assert await page.evaluate(OVERFLOW) == []
    assert english() & set(await page.evaluate(WORDS)) == set()


async def test_a_driver_books_extends_pays_and_leaves_in_german_on_the_smallest_phone(
    visitors: Visitors, rest: Rest
) -> None:
    visitors.expected = {402, 404, 422}
    page = await visitors.new(SMALL, locale="de-DE")
    await page.goto("/")
    await live(page)
    await expect(page.locator("#lot-riverside .lot-facts")).to_contain_text("ab 2,00\xa0$ / h")
    await is_german(page)
    slot, plate = await rest.free_slot("C"), new_plate()
    await page.goto("/lots/riverside#slots-list")
    await expect(page.locator(".lot-title .quiet")).to_contain_text("441 Stellplätze")
    await is_german(page)

    await page.goto(f"/lots/riverside/slots/{slot['name']}")
    await expect(page.locator("#panel-submit")).to_contain_text(f"{slot['name']} reservieren")
    await expect(page.locator("#panel-submit")).to_contain_text("4,00\xa0$")
    await page.fill("#entity", "–")
    await page.click("#panel-submit")
    await expect(page.locator("#entity-note")).to_have_text(
        "Dieses Kennzeichen enthält weder einen Buchstaben noch eine Ziffer."
    )
    await is_german(page)
    await page.fill("#entity", plate)
    await page.click("#panel-submit")
    await page.wait_for_url("**/bookings/*")
    label = page.locator("#running .figure-label").first
    await expect(label).to_have_text(re.compile(r"Reserviert seit (\w\w\. \d+\. \w+\.? )?\d\d:\d\d"))
    await is_german(page)
    await page.click("#check-in-button")
    await expect(label).to_contain_text("Geparkt seit")

    await page.click("#extend > summary")
    chosen = page.locator(".extension", has_text="2 h")
    await expect(chosen).to_contain_text("4,00\xa0$ mehr")
    await chosen.click()
    await is_german(page)
    await page.click("#extend-button")
    await expect(page.locator(".booking-end")).to_contain_text("Gebucht bis")
    await page.select_option("[name=means]", "sandbox-decline")
    await page.click("#pay-stay")
    await expect(page.locator(".banner-problem")).to_contain_text("Die Karte wurde abgelehnt.")
    await expect(page.locator(".payments-list")).to_contain_text("abgelehnt: Die Karte wurde abgelehnt")
    await page.select_option("[name=means]", "sandbox-success")
    await page.click("#pay-stay")
    await expect(page.locator("#leave-title")).to_contain_text("Bezahlt bis")
    assert await violations(page, ALL_RULES) == []
    await is_german(page)

    await page.click(".payments-list a")
    await page.wait_for_url("**/receipts/*")
    await expect(page.locator(".receipt-amount")).to_have_text("1,00\xa0$")
    paid = page.locator(".receipt-head .quiet")
    await expect(paid).to_have_text(
        re.compile(r"Bezahlt am (Mo|Di|Mi|Do|Fr|Sa|So)\. \d+\. \w+\.? \d{4} \d\d:\d\d, Karte")
    )
    await expect(page.locator(".receipt-lines tbody")).to_contain_text(
        "je angefangenem Takt", ignore_case=True
    )
    await is_german(page)
    await page.click(".receipt-back a")
    await page.click("#release-button")
    await expect(page.locator(".ended .figure-label").first).to_have_text("Beendet")
    await is_german(page)
    for path in ("/bookings", "/lots/nowhere"):
        await page.goto(path)
        await is_german(page)
    assert await rest.status(slot["identifier"]) == "free"


async def test_without_a_script_a_reader_goes_to_the_other_language_and_back_on_the_same_page(
    visitors: Visitors, rest: Rest
) -> None:
    page = await visitors.new(PHONE, java_script_enabled=False, locale="de-DE")
    slot, plate = await rest.free_slot("C"), new_plate()
    booked = await rest.reserve(slot["identifier"], plate)
    await page.goto(booked["_links"]["booking"])
    here = page.url
    await expect(page.locator("#running")).to_contain_text("Jetzt zu zahlen")
    for code, words in (("en", "To pay now"), ("de", "Jetzt zu zahlen")):
        await page.click(f".site-header .language-button[value={code}]")
        await expect(page.locator("html")).to_have_attribute("lang", code)
        await expect(page.locator("#running")).to_contain_text(words)
        assert page.url == here
    await rest.unreserve(slot["identifier"], plate)


async def test_a_lost_connection_is_told_in_german_within_the_smallest_window(visitors: Visitors) -> None:
    for path in ("/", "/lots/riverside"):
        page = await visitors.at(path, SMALL, locale="de-DE")
        # In one go, since the feed says every second how it is.
        lost = "document.documentElement.dataset.feed = 'lost'; words.textContent = words.dataset.lost"
        over = (
            f"() => {{ const words = document.getElementById('feed-state'); {lost}; return ({OVERFLOW})(); }}"
        )
        assert await page.evaluate(over) == []
        assert "Verbindung verloren" in await page.locator("#feed-state").evaluate(
            "node => node.dataset.lost"
        )


async def test_a_lot_is_left_for_the_other_language_on_a_phone_too(visitors: Visitors) -> None:
    page = await visitors.at("/lots/riverside", SMALL, locale="de-DE")
    await page.click(".lot-state .language-button[value=en]")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator(".lot-title .quiet")).to_contain_text("441 slots")


async def test_the_feed_tells_each_viewer_the_same_news_in_their_own_language(
    visitors: Visitors, rest: Rest
) -> None:
    lot, plate = f"tongues-{next(_lots)}", new_plate()
    slot = f"{lot}-S1"
    await rest.put(identifier=slot, lot=lot, area="A", name="S1")
    german = await visitors.at(f"/?q={lot}", PHONE, locale="de-DE")
    other = await visitors.at(f"/?q={lot}", PHONE, locale="en-GB")
    # What is asked for again by itself would hide a feed in the wrong language.
    for page in (german, other):
        await page.route("**/lots?q=*", lambda route: route.abort())
    await rest.reserve(slot, plate)
    await expect(german.locator(f"#free-{lot}")).to_have_text("Voll")
    await expect(other.locator(f"#free-{lot}")).to_have_text("Full")
    await rest.unreserve(slot, plate)
    await expect(german.locator(f"#figures-{lot}")).to_contain_text("frei von 1")
    await expect(other.locator(f"#figures-{lot}")).to_contain_text("free of 1")
    await expect(german.locator("#feed-state")).to_have_text("Live")
