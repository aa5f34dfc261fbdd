"""A turn at the desk: a plate is found, checked in, moved, paid, taken back; by keys, by thumb, together."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_works import new_lot
from tests.e2e.visitors import DESK, PHONE, Visitors, live

MOST_TABS = 60


async def at_desk(visitors: Visitors, lotline: Installation, lot: str, **options: object) -> Page:
    """A desk of a lot, signed in by a link of its own."""
    page = await visitors.new(**options)  # type: ignore[arg-type]
    await page.goto(await lotline.sign_in_link())
    await page.goto(f"/attendant/lots/{lot}")
    if options.get("java_script_enabled", True):
        await live(page)
    return page


async def status(rest: Rest, lot: str, name: str) -> str:
    return str((await rest.slot_named(name, lot))["status"])


async def tab_to(page: Page, wanted: Locator) -> None:
    """Presses Tab until it has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError(f"no way to {wanted} by Tab")


async def says(page: Page, words: str) -> None:
    """What was just done stands at the slot, and the focus is on its name: the next key is an action."""
    await expect(page.locator("#slot [role=status]")).to_contain_text(words)
    await expect(page.locator("#slot-name")).to_be_focused()


async def test_a_whole_turn_by_keys_alone_and_the_focus_is_never_lost(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S2", plate)
    desk = await at_desk(visitors, lotline, lot)

    await desk.keyboard.press("/")
    await expect(desk.locator("#search")).to_be_focused()
    await desk.keyboard.type(plate.lower()[:6], delay=20)
    await desk.keyboard.type(plate.lower()[6:], delay=20)
    await expect(desk.locator("a.hit")).to_have_count(1)
    await expect(desk.locator("#search")).to_be_focused()
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#slot-name")).to_have_text("S2")
    await expect(desk.locator("#slot-name")).to_be_focused()
    # What was found and typed is still there.
    await expect(desk.locator("#search")).to_have_value(plate.lower())
    await expect(desk.locator("a.hit")).to_have_count(1)

    await desk.keyboard.press("c")
    await says(desk, "Checked in.")
    await desk.keyboard.press("u")
    await says(desk, "Not checked in after all.")
    assert await status(rest, lot, "S2") == "reserved"
    await desk.keyboard.press("c")
    await says(desk, "Checked in.")

    await desk.keyboard.press("m")
    await expect(desk.locator("#move-to")).to_be_focused()
    await desk.keyboard.press("ControlOrMeta+a")
    await desk.keyboard.type("s5")
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#slot-name")).to_have_text("S5")
    await says(desk, "Moved here from S2.")
    await desk.keyboard.press("u")
    await says(desk, "Moved here from S5.")
    await desk.keyboard.press("m")
    await desk.keyboard.press("ControlOrMeta+a")
    await desk.keyboard.type("nowhere")
    visitors.expected = {422}
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#move-to-note")).to_contain_text("has no slot nowhere")
    await expect(desk.locator("#move-to")).to_be_focused()
    await desk.keyboard.press("ControlOrMeta+a")
    await desk.keyboard.type("S4")
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#slot-name")).to_have_text("S4")
    await says(desk, "Moved here from S2.")

    await expect(desk.locator(".owes")).to_contain_text("€1.00")
    await desk.keyboard.press("p")
    await says(desk, "€1.00 taken.")
    await expect(desk.locator(".owes")).to_have_count(0)
    await expect(desk.locator("#just-now .event").first).to_contain_text("Cash")
    await desk.keyboard.press("u")
    await says(desk, "nothing was taken")
    await expect(desk.locator(".owes")).to_contain_text("€1.00")
    await expect(desk.locator("#just-now")).to_contain_text("given back")
    await desk.keyboard.press("p")
    await says(desk, "€1.00 taken.")
    await expect(desk.locator("#slot .facts")).to_contain_text("€1.00, Cash")

    await desk.keyboard.press("r")
    await tab_to(desk, desk.locator("#do-release"))
    await desk.keyboard.press("Enter")
    await says(desk, "Released, nothing to pay.")
    assert await status(rest, lot, "S4") == "free"
    await expect(desk.locator("#just-now .event").first).to_contain_text(f"{plate}, €1.00 paid")


async def test_several_slots_are_closed_by_keys_and_a_whole_area_only_after_a_question(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot = await new_lot(rest)
    desk = await at_desk(visitors, lotline, lot)
    await desk.locator("#works-open").focus()
    await desk.keyboard.press("Enter")
    await tab_to(desk, desk.locator("#works-close"))
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works-ask")).to_contain_text("Close the whole of area A? These are 6 slots.")
    await expect(desk.locator("#works-no")).to_be_focused()
    assert {slot["status"] for slot in await rest.slots(lot)} == {"free"}
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works-ask")).to_have_count(0)
    await expect(desk.locator("#works-open")).to_be_focused()

    await desk.locator("#works-open").focus()
    await tab_to(desk, desk.locator("#works-close"))
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works-no")).to_be_focused()
    await tab_to(desk, desk.locator("#works-do"))
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works [role=status]")).to_contain_text("6 closed.")
    await expect(desk.locator("#works-open")).to_be_focused()
    await expect(desk.locator("#closed")).to_contain_text("S1 to S6")
    assert {slot["status"] for slot in await rest.slots(lot)} == {"closed"}

    # From the list of what is closed to the form that opens it.
    await desk.locator("#closed a").focus()
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works-first")).to_have_value("S1")
    await expect(desk.locator("#works-first")).to_be_focused()
    await tab_to(desk, desk.locator("#works-open-them"))
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#works [role=status]")).to_contain_text("6 opened.")
    await expect(desk.locator("#closed")).not_to_contain_text("S1")
    assert {slot["status"] for slot in await rest.slots(lot)} == {"free"}


async def test_two_desks_and_a_driver_see_each_others_changes_at_once(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    ann, ben = await at_desk(visitors, lotline, lot), await at_desk(visitors, lotline, lot)
    driver = await visitors.at(f"/lots/{lot}", PHONE)
    for desk in (ann, ben):
        await desk.click("#map [data-name=S3]", force=True)
        await expect(desk.locator("#slot-name")).to_have_text("S3")
    await ann.keyboard.press("x")
    for page in (ann, ben, driver):
        await expect(page.locator("#map [data-name=S3]")).to_have_attribute("data-state", "closed")
    await expect(ben.locator("#do-open")).to_be_visible()
    for desk in (ann, ben):
        await expect(desk.locator("#closed")).to_contain_text("S3", timeout=9000)
        await expect(desk.locator("#just-now .event").first).to_contain_text("Closed")

    # One takes back, in the row of the feed, what the other has done.
    await ben.locator("#just-now .event [data-undo]").first.click()
    await says(ben, "S3 is open.")
    # Whoever points at the feed holds it.
    await ben.mouse.move(0, 0)
    for page in (ann, ben, driver):
        await expect(page.locator("#map [data-name=S3]")).to_have_attribute("data-state", "free")
    await expect(ann.locator("#do-close")).to_be_visible()

    # The driver books what one desk looks at; both know who stands there.
    await driver.goto(f"/lots/{lot}/slots/S3")
    await driver.fill("#entity", plate)
    await driver.click("#panel-submit")
    await driver.wait_for_url("**/bookings/*")
    for desk in (ann, ben):
        await expect(desk.locator("#slot .facts")).to_contain_text(plate)
    await ann.locator("#slot-name").focus()
    await ann.keyboard.press("c")
    await says(ann, "Checked in.")
    await expect(ben.locator("#do-check-in")).to_have_count(0)
    await driver.click("#release > summary")
    await driver.click("#release-button")
    for desk in (ann, ben):
        await expect(desk.locator("#do-walk-in")).to_be_visible()
        await expect(desk.locator("#just-now .event-unpaid").first).to_contain_text("€1.00 unpaid")


async def test_a_desk_that_was_offline_says_so_does_nothing_halfway_and_comes_back(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    visitors.expected = {409}
    lot, plate, other = await new_lot(rest), new_plate(), new_plate()
    await rest.reserve(f"{lot}-S1", plate)
    desk = await at_desk(visitors, lotline, lot)
    await desk.goto(f"/attendant/lots/{lot}/slots/S1")
    await live(desk)
    await desk.locator("#slot-name").focus()

    visitors.server_may_go = True
    await desk.context.set_offline(True)
    await desk.keyboard.press("c")
    await expect(desk.locator(".toast")).to_be_visible()
    await expect(desk.locator("#do-check-in")).to_be_enabled()
    assert await status(rest, lot, "S1") == "reserved"
    await rest.reserve(f"{lot}-S4", other)
    await rest.unreserve(f"{lot}-S1", plate)

    await desk.context.set_offline(False)
    await live(desk, within_s=20)
    await expect(desk.locator("#map [data-name=S4]")).to_have_attribute(
        "data-state", "reserved", timeout=20_000
    )
    await expect(desk.locator("#do-walk-in")).to_be_visible(timeout=20_000)
    await expect(desk.locator("#just-now")).to_contain_text(other, timeout=20_000)
    await rest.unreserve(f"{lot}-S4", other)


async def test_on_a_phone_the_essentials_are_in_reach_of_a_thumb(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S2", plate)
    desk = await at_desk(visitors, lotline, lot, viewport=PHONE, has_touch=True, is_mobile=True)
    await expect(desk.locator("#search")).to_be_in_viewport()
    await desk.locator("#search").tap()
    await desk.keyboard.type(plate.lower())
    await desk.locator("a.hit").tap()
    await expect(desk.locator("#slot-name")).to_be_in_viewport()
    for pressed, words in (("#do-check-in", "Checked in."), ("#pay-cash", "€1.00 taken.")):
        button = desk.locator(pressed)
        await button.scroll_into_view_if_needed()
        size = await button.bounding_box()
        assert size is not None
        assert size["height"] >= 44
        await button.tap()
        await says(desk, words)
        await expect(desk.locator("#slot [role=status]")).to_be_in_viewport()
    await desk.locator("#slot-undo-do").tap()
    await says(desk, "nothing was taken")
    await desk.locator("#pay-terminal").tap()
    await says(desk, "€1.00 taken.")
    await desk.locator("#ask-release").tap()
    await desk.locator("#do-release").tap()
    await says(desk, "Released, nothing to pay.")
    assert await status(rest, lot, "S2") == "free"
    # The bar at the bottom leads to the parts of the page.
    await desk.locator(".desk-nav a").last.tap()
    await expect(desk.locator("#just-now .event").first).to_be_in_viewport()
    await expect(desk.locator("#just-now .event").first).to_contain_text(plate)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_without_javascript_the_essentials_work_by_forms_and_reloads(
    visitors: Visitors, lotline: Installation, rest: Rest, size: dict[str, int]
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S2", plate)
    desk = await at_desk(visitors, lotline, lot, viewport=size, java_script_enabled=False)
    await desk.fill("#search", plate.lower())
    await desk.press("#search", "Enter")
    await desk.click("a.hit")
    await expect(desk.locator("#slot-name")).to_have_text("S2")
    await expect(desk.locator("#slot-name")).to_be_in_viewport()
    said = desk.locator("#slot [role=status]")

    await desk.click("#do-check-in")
    await expect(said).to_have_text("Checked in.")
    await expect(said).to_be_in_viewport()
    await desk.click("#slot-undo-do")
    await expect(said).to_have_text("Not checked in after all.")
    await desk.click("#do-check-in")
    await desk.fill("#move-to", "S5")
    await desk.click("#do-move")
    await expect(said).to_have_text("Moved here from S2.")
    await desk.click("#pay-cash")
    await expect(said).to_have_text("€1.00 taken.")
    await desk.click("#slot-undo-do")
    await expect(said).to_contain_text("nothing was taken")
    await desk.click("#pay-cash")
    await desk.click("#ask-release")
    await desk.click("#do-release")
    await expect(said).to_have_text("Released.")
    assert await status(rest, lot, "S5") == "free"

    await desk.click("#do-close")
    await expect(said).to_have_text("S5 is closed.")
    await expect(desk.locator("#closed")).to_contain_text("S5")
    await desk.click("#do-open")
    await expect(said).to_have_text("S5 is open.")
    await desk.click("#works-open")
    await desk.click("#works-close")
    await expect(desk.locator("#works-ask")).to_be_visible()
    await desk.click("#works-do")
    await expect(desk.locator("#works [role=status]")).to_have_text("6 closed.")
    assert {slot["status"] for slot in await rest.slots(lot)} == {"closed"}
    await desk.click("#closed a")
    await desk.click("#works-open-them")
    await expect(desk.locator("#works [role=status]")).to_have_text("6 opened.")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_who_left_without_paying_is_found_and_pays_after_a_question(
    visitors: Visitors, lotline: Installation, rest: Rest, script: bool
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S2", plate)
    await rest.unreserve(f"{lot}-S2", plate)
    desk = await at_desk(visitors, lotline, lot, java_script_enabled=script)
    await desk.click("#just-now .event-unpaid")
    await expect(desk.locator("#owed li")).to_have_count(1)
    await expect(desk.locator("#plate")).to_have_value(plate)
    await expect(desk.locator("#owed button").first).to_be_hidden()
    await desk.locator("#owed summary").focus()
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#owed")).to_contain_text(f"Do you have €1.00 of {plate}?")
    await desk.keyboard.press("Tab")
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#notice")).to_contain_text("It is taken.")
    await expect(desk.locator("#owed")).to_have_count(0)
    await expect(desk.locator(".money-sums")).to_contain_text("€1.00")

    # It was a slip: the money is owed again.
    await desk.click(".desk-payments .undo button")
    await expect(desk.locator("#notice")).to_contain_text("nothing was taken")
    await expect(desk.locator("#owed li")).to_have_count(1)
    await expect(desk.locator(".money-sums")).to_contain_text("€0.00")
    await desk.goto("/attendant/money")
    await expect(desk.locator(f".money-lots li:has(a[href$='lot={lot}'])")).to_contain_text("1 unpaid")


async def test_one_attendant_reads_german_while_another_reads_english_also_what_comes_live(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    german = await at_desk(visitors, lotline, lot, locale="de-DE")
    english = await at_desk(visitors, lotline, lot, locale="en-GB")
    await expect(german.locator("html")).to_have_attribute("lang", "de")
    await expect(german.locator("#todo-title")).to_have_text("Zu tun")
    await expect(english.locator("#todo-title")).to_have_text("To do")

    await rest.reserve(f"{lot}-S1", plate)
    await expect(german.locator("#just-now .event").first).to_contain_text("Reserviert")
    await expect(english.locator("#just-now .event").first).to_contain_text("Reserved")
    for desk in (german, english):
        await desk.click("#map [data-name=S1]", force=True)
    await expect(german.locator("#slot")).to_contain_text("Reserviert, Bereich A")
    await expect(english.locator("#slot")).to_contain_text("Reserved, area A")
    await english.keyboard.press("c")
    await expect(german.locator("#slot")).to_contain_text("Belegt, Bereich A")
    await german.locator("#slot-name").focus()
    await german.keyboard.press("p")
    await expect(german.locator("#slot [role=status]")).to_have_text("1,00\xa0€ angenommen.")
    await german.keyboard.press("u")
    await expect(german.locator("#slot [role=status]")).to_contain_text("Nichts wurde angenommen")
    await german.keyboard.press("r")
    await german.click("#do-release")
    await expect(german.locator("#slot [role=status]")).to_have_text("Freigegeben, 1,00\xa0€ zu zahlen.")
    await expect(german.locator("#just-now .event").first).to_contain_text("1,00\xa0€ unbezahlt")
    await expect(english.locator("#just-now .event").first).to_contain_text("€1.00 unpaid")
    await german.keyboard.press("x")
    await expect(german.locator("#slot [role=status]")).to_have_text("S1 ist gesperrt.")
    await expect(english.locator("#just-now .event").first).to_contain_text("Closed")
    # What was chosen is kept by a form that needs no script, and counts more than the browser's wish.
    await german.click(".language button")
    await expect(german.locator("html")).to_have_attribute("lang", "en")
    await expect(german.locator("#todo-title")).to_have_text("To do")
