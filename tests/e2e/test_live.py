"""What one browser does, every other one shows, without a reload."""

import random

from playwright.async_api import Page, expect

from tests.e2e.changes import DEADLINE_S, Change, answered_at, change
from tests.e2e.rest import Rest, new_plate
from tests.e2e.visitors import PHONE, WALL, Visitors

CHANGES = 50


async def figure(page: Page, selector: str) -> int:
    return int(await page.locator(selector).inner_text())


async def wall_figure(wall: Page, area: str) -> str:
    """The selector of an area's figure."""
    letters = await wall.locator("#cells .cell .plate").all_inner_texts()
    return f"#cells .cell:nth-child({letters.index(area) + 1}) .fit"


async def expected_changes(
    watcher: Page, wall: Page, area: str, position: int, state: str, by: int
) -> list[Change]:
    """The tile, the legend's figures, the sign and the wall's figure, once ``by`` more slots are free."""
    free, reserved = await figure(watcher, "#count-free"), await figure(watcher, "#count-reserved")
    sign = int(await watcher.locator(f"#sign-{area}").text_content() or "")
    place = await wall_figure(wall, area)
    shown = await figure(wall, place)
    return [
        await change(watcher, f"tile {state}", f"#s{position}", state, "data-state"),
        await change(watcher, f"list {state}", f"#l{position}", state, "data-state"),
        await change(watcher, "free in the legend", "#count-free", str(free + by)),
        await change(watcher, "reserved in the legend", "#count-reserved", str(reserved - by)),
        await change(watcher, "sign of the area", f"#sign-{area}", str(sign + by)),
        await change(wall, "figure on the wall", place, str(shown + by)),
    ]


async def test_a_booking_and_its_release_show_in_other_browsers_in_under_a_second(
    visitors: Visitors, rest: Rest
) -> None:
    slot = await rest.free_slot("B")
    driver = await visitors.at("/lots/riverside", PHONE)
    watcher = await visitors.at("/lots/riverside")
    wall = await visitors.at("/display/riverside", WALL)
    position = int((await watcher.get_attribute(f"[data-name={slot['name']}]", "id") or "")[1:])

    await driver.goto(f"/lots/riverside/slots/{slot['name']}")
    await driver.fill("#entity", new_plate())
    changes = await expected_changes(watcher, wall, "B", position, "reserved", -1)
    async with driver.expect_response(lambda answer: answer.request.method == "POST") as booked:
        await driver.click("#panel-submit")
    for one in changes:
        await one.within(DEADLINE_S, answered_at(await booked.value))

    await driver.wait_for_url("**/bookings/*")
    await driver.click("#release > summary")
    changes = await expected_changes(watcher, wall, "B", position, "free", +1)
    async with driver.expect_response(lambda answer: answer.request.method == "POST") as released:
        await driver.click("#release-button")
    for one in changes:
        await one.within(DEADLINE_S, answered_at(await released.value))
    await expect(driver.locator(".ended")).to_be_visible()


async def test_the_counts_on_the_front_page_change_without_a_reload(visitors: Visitors, rest: Rest) -> None:
    page = await visitors.at("/")
    slot, plate = await rest.free_slot("A"), new_plate()
    free = await figure(page, "#free-riverside")
    fewer = await change(page, "free on the front page", "#free-riverside", str(free - 1))
    before_s = await page.evaluate("() => Date.now() / 1000")
    await rest.reserve(slot["identifier"], plate)
    await fewer.within(DEADLINE_S, before_s)

    again = await change(page, "free on the front page", "#free-riverside", str(free))
    before_s = await page.evaluate("() => Date.now() / 1000")
    await rest.unreserve(slot["identifier"], plate)
    await again.within(DEADLINE_S, before_s)


async def test_after_many_random_changes_a_watching_page_equals_a_fresh_one(
    visitors: Visitors, rest: Rest
) -> None:
    seed = random.randrange(1_000_000)
    print(f"  seed {seed}")
    watcher = await visitors.at("/lots/riverside")
    held: dict[str, str] = {}
    await change_at_random(rest, random.Random(seed), held)
    fresh = await visitors.at("/lots/riverside")
    mark = await fresh.locator("#feed").get_attribute("data-seq")
    await expect(watcher.locator("#feed")).to_have_attribute("data-seq", mark or "none")
    # A ring around a slot that has just changed goes by itself.
    await expect(watcher.locator(".map-rings > *")).to_have_count(0)
    for part in ("#map", "#slots-list", ".lot-legend", ".lot-kinds"):
        followed, loaded = await markup(watcher, part), await markup(fresh, part)
        assert followed == loaded, f"{part} differs, seed {seed}: {first_difference(followed, loaded)}"
    for slot, plate in held.items():
        await rest.unreserve(slot, plate)


async def change_at_random(rest: Rest, chance: random.Random, held: dict[str, str]) -> None:
    """Reserves and releases; ``held`` gets what is reserved at the end."""
    free = [slot["identifier"] for slot in await rest.slots(status="free")]
    for _ in range(CHANGES):
        if held and chance.random() < 0.4:
            slot = chance.choice(sorted(held))
            await rest.unreserve(slot, held.pop(slot))
            free.append(slot)
        else:
            slot = free.pop(chance.randrange(len(free)))
            held[slot] = new_plate()
            await rest.reserve(slot, held[slot])


async def markup(page: Page, part: str) -> str:
    return str(await page.locator(part).evaluate("(node) => node.outerHTML"))


def first_difference(one: str, other: str) -> str:
    at = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return f"…{one[max(0, at - 80) : at + 80]}… against …{other[max(0, at - 80) : at + 80]}…"


async def test_the_list_says_where_an_area_has_none_left_and_takes_it_back(
    visitors: Visitors, rest: Rest
) -> None:
    await rest.put(identifier="alone-1", lot="alone", name="L1", area="L", location="by itself")
    page = await visitors.at("/lots/alone#slots-list", PHONE)
    none = page.locator(".free-none")
    await expect(none).to_be_hidden()
    plate = new_plate()
    await rest.reserve("alone-1", plate)
    await expect(none).to_be_visible()
    await page.reload()
    await expect(none).to_be_visible()
    await rest.unreserve("alone-1", plate)
    await expect(none).to_be_hidden()
    await expect(page.locator(".free-slots")).to_be_visible()
