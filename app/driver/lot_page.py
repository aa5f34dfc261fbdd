"""A lot's page: its map, its list, its legend, and the panel beside them."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request

from app.bookings import problems
from app.bookings.desk import Desk
from app.bookings.queries import booking
from app.core.clock import steady_s
from app.core.db import SqlAway
from app.core.errors import Unavailable
from app.core.languages import say, say_many, sentence
from app.core.parts import part
from app.core.templating import environment
from app.driver import cookies, lots, panel
from app.driver.views import FreeList, ListedArea, ListedSlot, LotPage, NextStep, Notice, Panel
from app.driver.waiting import standing
from app.live.hub import Hub
from app.live.picture import Picture
from app.payments.prices import Prices
from app.payments.queries import tariff_in_force
from app.slots.layout import LaidSlot, Layout
from app.slots.map import signed
from app.slots.maps import LotMaps
from app.slots.models import STATE_CODES, STATES, State, public_code
from app.slots.projections import Counts, count

FREE = STATE_CODES[State.FREE]


async def picture_of(request: Request, layout: Layout) -> Picture:
    """The lot as it is now. A Problem (503) where nothing is known of it."""
    picture = await part(request, Hub).picture(layout.lot_id)
    if picture is None:
        raise Unavailable(sentence("The lot's status"))
    return picture


async def lot_page(request: Request, layout: Layout, shown: Panel | None = None) -> LotPage:
    """The page, with this panel or the one that the query asks for."""
    picture = await picture_of(request, layout)
    layout = picture.layout
    counts = count(picture)
    chosen = request.query_params.get("slot", "")
    if shown is None:
        shown = await panel_for(
            request, layout, picture, layout.by_name.get(chosen), dict(request.query_params)
        )
    lot, code = layout.lot, quote(layout.lot.code)
    prices = await _prices(request, layout)
    legends = environment().get_template("slots/_legend.html").module
    return LotPage(
        code=lot.code,
        name=lot.name,
        subtitle=", ".join(filter(None, [lot.address, _slots(len(layout.slots))])),
        hours_and_price=prices,
        nearest_url=f"/lots/{code}/nearest",
        feed_url=f"/ws/lots/{code}",
        map=await lot_map(request, layout, picture, counts, list(await mine(request, layout))),
        legend=legends.legend(counts.states),  # type: ignore[attr-defined]
        legend_attributes=legends.legend_attributes(_kinds(layout, counts)),  # type: ignore[attr-defined]
        lots=await lots.lot_list(request, "", lot.code),
        panel=shown,
        free_list=_free_list(layout, picture, counts, shown),
        any_free=counts.free > 0,
        age_s=picture.age_s(steady_s()),
    )


async def lot_map(
    request: Request, layout: Layout, picture: Picture, counts: Counts, mine: list[int]
) -> Markup:
    """The map with its states, for a driver."""
    url = f"/lots/{quote(layout.lot.code)}/slots/{{slot}}"
    wanted = request.query_params.get("level", "")
    chosen = layout.by_name.get(request.query_params.get("slot", ""))
    level = next((area.level for area in layout.areas if chosen and area.code == chosen.area_code), None)
    if level is None and re.fullmatch(r"-?\d{1,3}", wanted):
        level = int(wanted)
    return (await part(request, LotMaps).of(layout)).render(
        picture.shown, counts.signs, url, mine, level=level, free_by_level=counts.levels
    )


async def panel_for(
    request: Request,
    layout: Layout,
    picture: Picture,
    slot: LaidSlot | None,
    sent: Mapping[str, str],
    notice: Notice | None = None,
    errors: dict[str, str] | None = None,
    *,
    gone: bool = False,
) -> Panel:
    """What the sheet says of this slot, or of the lot where none is chosen."""
    counts = count(picture)
    stands = await standing(request, layout)
    hold = stands.hold if stands else None
    if slot is None and hold is not None and (slot := layout.by_id.get(hold.slot_id)) is not None:
        notice = panel.offered(slot) if stands and stands.was_offered else notice
    held = hold is not None and slot is not None and hold.slot_id == slot.id
    if layout.lot.closed and not held:
        return panel.closed(layout, await elsewhere(request, layout))
    if slot is None and stands is not None and stands.is_waiting and stands.place is not None:
        return panel.waiting(layout, stands.place.before)
    if slot is None and counts.free:
        return panel.choose(layout)
    if slot is None:
        passed = stands is not None and stands.was_passed
        return panel.full(layout, await elsewhere(request, layout), passed=passed)
    if picture.states[slot.position] != FREE and not errors and not gone and not held:
        token = (await mine(request, layout)).get(slot.position)
        if token is not None:
            return panel.mine(layout, slot, token)
        return panel.unavailable(layout, slot, picture.states[slot.position])
    desk = part(request, Desk)
    try:
        async with desk.database.look() as connection:
            area_id = next((one.id for one in layout.areas if one.code == slot.area_code), None)
            now = await desk.database.now(connection)
            tariff = await tariff_in_force(connection, layout.lot_id, area_id, now)
    except SqlAway:
        if sent.get("tried"):
            # What was typed stays where it is.
            raise
        return panel.away(layout, slot)
    frame = await desk.layouts.frame(layout.lot_id)
    rules = frame.lot if frame is not None else None
    if tariff is None:
        raise problems.no_tariff(layout.lot.code)
    shown = panel.book(layout, slot, tariff, panel.Choices.read(sent), now, errors, notice, rules)
    if held and hold is not None:
        return panel.held(shown, layout, slot, hold.until, now)
    if notice is None and stands is not None and stands.was_passed and not gone:
        shown = replace(shown, notice=panel.minute_over())
    return replace(shown, gone=gone)


async def elsewhere(request: Request, layout: Layout) -> NextStep | None:
    """Another lot that has space."""
    others = (await lots.lot_list(request, "")).rows
    found = next((one for one in others if one.code != layout.lot.code and one.state == "open"), None)
    if found is None:
        return None
    return NextStep(
        say("{lot} has {count} free.", lot=found.name, count=found.free),
        say("Go to {lot}", lot=found.name),
        found.url,
    )


def _slots(number: int) -> str:
    return say_many("{count} slot", "{count} slots", number)


def nearest_free(layout: Layout, picture: Picture) -> LaidSlot | None:
    """The nearest slot to the entrance that anyone may take: standard first, then premium."""
    free = [
        slot
        for slot in layout.by_rank
        if picture.states[slot.position] == FREE and not slot.accessible and not slot.charging
    ]
    return next((slot for slot in free if not slot.premium), free[0] if free else None)


async def _prices(request: Request, layout: Layout) -> str:
    try:
        price = await part(request, Prices).of_lot(layout.lot_id, datetime.now(UTC), premium=False)
    except SqlAway:
        price = None
    return "" if price is None else price.text


async def mine(request: Request, layout: Layout) -> dict[int, str]:
    """Positions that this browser's running bookings hold here, each with the secret of its booking.

    While SQL is away none is known.
    """
    known = cookies.reservations(request)
    if not known:
        return {}
    try:
        async with part(request, Desk).database.look() as connection:
            found = {token: await booking(connection, one) for token, one in known.items()}
    except SqlAway:
        return {}
    held = {}
    for token, one in found.items():
        if one is not None and one.running is not None and one.running.lot_id == layout.lot_id:
            slot = layout.by_id.get(one.running.slot_id)
            if slot is not None:
                held[slot.position] = token
    return held


def _kinds(layout: Layout, counts: Counts) -> dict[str, int]:
    """Only the kinds that this lot has at all."""
    return {name: figure for name, figure in counts.kinds.items() if name in layout.offers}


def _free_list(layout: Layout, picture: Picture, counts: Counts, shown: Panel) -> FreeList:
    chosen = shown.slot.name if shown.slot else ""
    code = quote(layout.lot.code)
    by_area: dict[str, list[ListedSlot]] = {area.code: [] for area in layout.areas}
    for slot in sorted(layout.slots, key=lambda slot: (len(slot.name), slot.name)):
        state = STATES[public_code(picture.states[slot.position])]
        by_area[slot.area_code].append(
            ListedSlot(
                position=slot.position,
                name=slot.name,
                state=state.value,  # type: ignore[arg-type]
                url=f"/lots/{code}/slots/{quote(slot.name, safe='')}",
                words=panel.kind_words(slot),
                chosen=slot.name == chosen,
            )
        )
    areas = {area.code: area for area in layout.areas}
    levels = {area.level for area in layout.areas}
    return FreeList(
        tuple(
            ListedArea(
                one,
                say("Level {number}", number=signed(areas[one].level))
                if len(levels) > 1
                else areas[one].name,
                counts.listed[one],
                tuple(slots),
            )
            for one, slots in by_area.items()
            if slots
        )
    )
