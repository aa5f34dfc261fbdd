"""One lot as an operator sees it, with its areas and slots; and the pages of an area and of a slot."""

import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from app.accounts.access import account
from app.bookings import problems
from app.core.db import Database
from app.core.languages import say, say_many
from app.core.parts import part
from app.live.hub import Hub
from app.live.picture import Picture
from app.operator import lot_views as views
from app.operator.home_page import figures, needs_of, tariff_said
from app.operator.lot_forms import CURRENCIES, form_of, zones
from app.operator.money_views import Option, filled
from app.operator.views import tariff_url
from app.payments.paying import Cashier
from app.payments.queries import versions_in_force
from app.slots.edits import AreaDetails
from app.slots.importers.values import in_natural_order
from app.slots.layout import LaidSlot, Layout
from app.slots.models import Area

ROWS = 50
KINDS = ("premium", "accessible", "charging")
_TONES = ("free", "reserved", "taken", "closed")


async def lot_page(
    request: Request,
    layout: Layout,
    form: views.LotForm | None = None,
    add: views.AddForm | None = None,
    **said: Any,
) -> views.LotPage:
    """The page with a form as it was typed, else as the lot is."""
    lot = layout.lot
    cashier = part(request, Cashier)
    async with part(request, Database).look() as connection:
        now = await cashier.database.now(connection)
        tariff = (await versions_in_force(connection, [layout.lot_id], now)).get((layout.lot_id, None))
        needs = (await needs_of(connection, cashier, [lot], now))[layout.lot_id]
    picture = await part(request, Hub).picture(layout.lot_id)
    figure, of, _ = figures(lot, picture)
    if tariff is None:
        needs.insert(0, views.Attention(say("It has no tariff"), tariff_url(lot.code)))
    return views.LotPage(
        operator=account(request).name,
        code=lot.code,
        name=lot.name,
        address=lot.address,
        figure=figure,
        of=of,
        is_closed=lot.closed,
        tariff=tariff_said(tariff),
        attention=tuple(needs),
        form=form or form_of(lot),
        zones=zones(),
        currencies=CURRENCIES,
        areas=tuple(_area_row(layout, area, picture) for area in layout.areas),
        table=_table(request, layout, picture),
        add=add or _next_added(layout),
        sizes=views.size_options(),
        idempotency_key=uuid.uuid4().hex,
        **said,
    )


def _next_added(layout: Layout) -> views.AddForm:
    """The fields begin behind the last slot of the last area."""
    if not layout.areas:
        return views.AddForm()
    code = layout.areas[-1].code
    numbers = [
        int(slot.name.removeprefix(code))
        for slot in layout.slots
        if slot.name.startswith(code) and slot.name.removeprefix(code).isdecimal()
    ]
    return views.AddForm(area=code, prefix=code, first=str(max(numbers, default=0) + 1))


def _area_row(layout: Layout, area: Area, picture: Picture | None) -> views.AreaRow:
    slots = [slot for slot in layout.slots if slot.area_code == area.code]
    free = sum(_code(picture, slot) == 0 for slot in slots)
    words = views.kind_words()
    counts = {kind: sum(getattr(slot, kind) for slot in slots) for kind in KINDS}
    kinds = [f"{n} {words[kind]}" for kind, n in counts.items() if n]
    name = area.name if area.name != f"Area {area.code}" else ""
    return views.AreaRow(
        code=area.code,
        name=name,
        url=views.area_url(layout.lot.code, area.code),
        slots=say_many("{count} slot", "{count} slots", len(slots)),
        free="" if picture is None else say("{count} free", count=free),
        kinds=", ".join(kinds),
    )


def _table(request: Request, layout: Layout, picture: Picture | None) -> views.SlotTable:
    asked = request.query_params
    query, area = asked.get("q", "").strip()[:64], asked.get("area", "")[:32]
    wanted = query.casefold()
    found = [
        slot
        for slot in layout.slots
        if (not area or slot.area_code == area)
        and (not wanted or wanted in slot.name.casefold() or wanted in slot.identifier.casefold())
    ]
    found.sort(key=lambda slot: in_natural_order(slot.name))
    pages = max(1, -(-len(found) // ROWS))
    text = asked.get("page", "1")
    number = min(max(int(text), 1), pages) if text.isascii() and text.isdigit() and len(text) < 7 else 1
    begin = (number - 1) * ROWS
    shown = found[begin : begin + ROWS]
    url = views.lot_url(layout.lot.code)

    def at(page: int) -> str:
        return filled(url, q=query, area=area, page=str(page)) + "#slots"

    said = (
        say("{first} to {last} of {total}", first=begin + 1, last=begin + len(shown), total=f"{len(found):,}")
        if shown
        else ""
    )
    return views.SlotTable(
        query=query,
        area=area,
        areas=(
            Option("", say("All areas")),
            *(Option(one.code, say("Area {area}", area=one.code)) for one in layout.areas),
        ),
        rows=tuple(_slot_row(layout, slot, picture) for slot in shown),
        said=said,
        previous_url=at(number - 1) if number > 1 else "",
        next_url=at(number + 1) if number < pages else "",
    )


def _slot_row(layout: Layout, slot: LaidSlot, picture: Picture | None) -> views.SlotRow:
    code = _code(picture, slot)
    words = views.kind_words()
    return views.SlotRow(
        name=slot.name,
        url=views.slot_url(layout.lot.code, slot.name),
        area=slot.area_code,
        size=views.size_words()[slot.size],
        kinds=", ".join(words[kind] for kind in KINDS if getattr(slot, kind)),
        state="" if code is None else views.state_words()[code],
        tone="" if code is None else _TONES[code],
    )


def _code(picture: Picture | None, slot: LaidSlot) -> int | None:
    """The public code of its state, ``None`` where that is not known."""
    if picture is None or slot.position >= len(picture.shown):
        return None
    return int(picture.shown[slot.position])


def area_of(request: Request, layout: Layout) -> Area:
    """The area ``{area}``. A Problem (404) where there is none."""
    code = request.path_params["area"]
    found = next((area for area in layout.areas if area.code == code), None)
    if found is None:
        raise problems.no_such_area(layout.lot.code, code)
    return found


def area_page(
    request: Request,
    layout: Layout,
    area: Area,
    typed: Mapping[str, str] | None = None,
    **said: Any,
) -> views.AreaPage:
    """The page of an area, with what was typed."""
    slots = [slot for slot in layout.slots if slot.area_code == area.code]
    words = views.kind_words()
    now = {}
    for kind in KINDS:
        count = sum(getattr(slot, kind) for slot in slots)
        now[kind] = say("{count} of {total} now", count=count, total=len(slots))
    return views.AreaPage(
        operator=account(request).name,
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        code=area.code,
        name=area.name if typed is None else typed.get("name", ""),
        level=str(area.level) if typed is None else typed.get("level", ""),
        premium=area.premium if typed is None else typed.get("premium") == "1",
        seen=AreaDetails.of(area).tag if typed is None else typed.get("seen", ""),
        slots=say_many("{count} slot", "{count} slots", len(slots)),
        choices={kind: (typed or {}).get(f"all_{kind}", "same") for kind in KINDS},
        kinds=words,
        now=now,
        **said,
    )


def slot_page(
    request: Request,
    layout: Layout,
    slot: LaidSlot,
    state: str,
    typed: Mapping[str, str] | None = None,
    **said: Any,
) -> views.SlotPage:
    """The page of a slot, with what was typed."""
    fields: dict[str, Any]
    if typed is None:
        fields = {"name": slot.name, "area": slot.area_code, "size": str(slot.size)}
        fields |= {kind: getattr(slot, kind) for kind in KINDS} | {"revision": str(slot.revision)}
    else:
        fields = {name: typed.get(name, "") for name in ("name", "area", "size", "revision")}
        fields |= {kind: typed.get(kind) == "1" for kind in KINDS}
    return views.SlotPage(
        operator=account(request).name,
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        slot=slot.name,
        identifier=slot.identifier,
        state=state,
        areas=tuple(area.code for area in layout.areas),
        sizes=views.size_options(),
        **fields,
        **said,
    )


async def state_of(request: Request, layout: Layout, slot: LaidSlot) -> str:
    """What the slot is now, empty where that is not known."""
    code = _code(await part(request, Hub).picture(layout.lot_id), slot)
    return "" if code is None else views.state_words()[code]
