"""What an attendant closes, opens, moves and deletes, and what drivers and walls see of it."""

from itertools import count

from playwright.async_api import Page, expect

from tests.e2e.installation import Installation
from tests.e2e.rest import Rest, new_plate
from tests.e2e.test_attendant import signed_in
from tests.e2e.visitors import Visitors

_lots = count(1)


async def new_lot(rest: Rest, slots: int = 6) -> str:
    """The code of a lot that no other test uses, with slots S1, S2, … in area A."""
    code = f"works-{next(_lots)}"
    for number in range(1, slots + 1):
        await rest.put(identifier=f"{code}-S{number}", lot=code, area="A", name=f"S{number}")
    return code


async def on_map(page: Page) -> dict[str, str]:
    """The state of each tile, by the name of its slot."""
    return await page.evaluate(  # type: ignore[no-any-return]
        "() => Object.fromEntries([...document.querySelectorAll('#map [data-name]')]"
        ".map((tile) => [tile.dataset.name, tile.dataset.state]))"
    )


async def map_is_true(page: Page, rest: Rest, lot: str) -> None:
    """The page comes to show what SQL has, slot by slot."""
    wanted = {slot["name"]: slot["status"] for slot in await rest.slots(lot)}
    # A page that shows another layout loads itself again, at most once in five seconds.
    await expect(page.locator("#map [data-name]")).to_have_count(len(wanted), timeout=9000)
    for name, state in wanted.items():
        await expect(page.locator(f"#map [data-name={name}]")).to_have_attribute("data-state", state)
    assert await on_map(page) == wanted


async def test_a_booking_is_moved_by_keys_and_its_driver_sees_it(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S1", plate)
    desk, driver = await signed_in(visitors, lotline), await visitors.at(f"/lots/{lot}")
    await desk.goto(f"/attendant/lots/{lot}/slots/S1")
    await expect(desk.locator("#move-to")).to_have_value("S2")
    await desk.locator("#slot-name").focus()
    await desk.keyboard.press("m")
    await expect(desk.locator("#move-to")).to_be_focused()
    await desk.fill("#move-to", "s4")
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#slot-name")).to_have_text("S4")
    await expect(desk.locator("#slot [role=status]")).to_have_text("Moved here from S1.")
    assert desk.url.endswith("/slots/S4")
    await expect(desk.locator("#just-now .event").first).to_contain_text(f"{plate}, from S1")
    await map_is_true(driver, rest, lot)
    # The gate still knows the slot that the driver was told.
    ended = await rest.unreserve(f"{lot}-S1", plate)
    assert f"{lot}-S4" in str(ended)
    await map_is_true(driver, rest, lot)


async def test_a_row_and_a_lot_are_closed_and_opened_and_the_wall_says_so(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S2", plate)
    desk, driver = await signed_in(visitors, lotline), await visitors.at(f"/lots/{lot}")
    wall = await visitors.at(f"/display/{lot}")
    await desk.goto(f"/attendant/lots/{lot}")
    await desk.click("#works-open")
    await desk.fill("#works-first", "S1")
    await desk.fill("#works-last", "S3")
    await desk.click("#works-close")
    await expect(desk.locator("#works [role=status]")).to_contain_text("2 closed. 1 will close when")
    await map_is_true(driver, rest, lot)

    await desk.click("#works-lot-ask > summary")
    await desk.click("#works-lot-do")
    await expect(desk.locator("#works [role=status]")).to_contain_text("is closed.")
    await expect(wall.locator("#cells .cell").first).to_have_attribute("data-value", "closed")
    await map_is_true(desk, rest, lot)
    await desk.goto(f"/attendant/lots/{lot}")
    await desk.click("#works-open")
    await desk.click("#works-lot-ask > summary")
    await desk.click("#works-lot-do")
    await expect(desk.locator("#works [role=status]")).to_contain_text("is open.")
    await expect(wall.locator("#cells .cell").first).to_have_attribute("data-value", "free")
    states = {slot["name"]: slot["status"] for slot in await rest.slots(lot)}
    assert states == dict(zip(states, ["closed", "reserved", "closed", "free", "free", "free"], strict=True))


async def test_a_slot_entered_by_mistake_is_deleted_after_a_question_and_every_map_is_true(
    visitors: Visitors, lotline: Installation, rest: Rest
) -> None:
    lot, plate = await new_lot(rest), new_plate()
    await rest.reserve(f"{lot}-S5", plate)
    desk, driver = await signed_in(visitors, lotline), await visitors.at(f"/lots/{lot}")
    await desk.goto(f"/attendant/lots/{lot}/slots/S2")
    await desk.locator("#slot-name").focus()
    await desk.keyboard.press("d")
    await expect(desk.locator("#do-delete")).to_be_visible()
    await desk.click("#do-delete")
    await desk.wait_for_url(f"**/attendant/lots/{lot}")
    await map_is_true(driver, rest, lot)
    await map_is_true(desk, rest, lot)
    await rest.unreserve(f"{lot}-S5", plate)
    await rest.reserve(f"{lot}-S6", plate)
    await map_is_true(driver, rest, lot)
