"""The attendant's pages as a whole: the lots to choose from, and the desk of one."""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request

from app.accounts.access import account
from app.accounts.models import Role
from app.attendant import lists, views
from app.attendant.just_now import just_now
from app.attendant.slot_panel import slot_panel
from app.attendant.slot_views import SlotPanel
from app.bookings import queries as bookings
from app.bookings.desk import Desk
from app.core import words
from app.core.clock import steady_s
from app.core.db import SqlAway
from app.core.ids import new_id
from app.core.parts import part
from app.core.templating import environment
from app.live.hub import Hub
from app.slots import queries as slots
from app.slots.layout import LaidSlot, Layout
from app.slots.maps import LotMaps
from app.slots.memory import Memory
from app.slots.projections import count

MOST_LOTS = 50
Part = TypeVar("Part")


async def home(request: Request) -> views.HomePage:
    """The lots to choose from."""
    desk = part(request, Desk)
    late: dict[int | None, int] = {}
    try:
        async with desk.database.look() as connection:
            now = await desk.database.now(connection)
            found = await slots.lots(connection, limit=MOST_LOTS)
            for lot in found:
                overdue = await bookings.overdue(connection, lot.id or 0, now, lists.MOST_TASKS)
                late[lot.id] = len(overdue)
    except SqlAway:
        found = part(request, Memory).lots("", MOST_LOTS)
    rows, ages = [], []
    for lot in found:
        picture = await part(request, Hub).picture(lot.id or 0)
        counts = count(picture) if picture else None
        age_s = picture.age_s(steady_s()) if picture else None
        if age_s is not None:
            ages.append(age_s)
        rows.append(
            views.LotRow(
                code=lot.code,
                name=lot.name,
                address=lot.address,
                free=None if counts is None else counts.free,
                reserved=None if counts is None else counts.reserved,
                occupied=None if counts is None else counts.occupied,
                closed=None if counts is None else counts.closed,
                to_do=late.get(lot.id, 0),
            )
        )
    person = account(request)
    is_operator = person.role is Role.OPERATOR
    return views.HomePage(person.name, tuple(rows), max(ages, default=None), is_operator)


async def lot_page(
    request: Request,
    layout: Layout,
    slot: LaidSlot | None,
    panel: SlotPanel | None = None,
    works_: views.Works | None = None,
) -> views.LotPage:
    """The desk of one lot, with this slot chosen."""
    picture = await part(request, Hub).picture(layout.lot_id)
    layout = picture.layout if picture else layout
    states = picture.shown if picture else bytes(len(layout.slots))
    counts = count(picture) if picture else None
    signs = counts.signs if counts else {}
    code = quote(layout.lot.code)
    lot_map = await part(request, LotMaps).of(layout)
    shown_map = lot_map.render(
        states,
        signs,
        f"/attendant/lots/{code}/slots/{{slot}}",
        pick="any",
        free_by_level=counts.levels if counts else {},
    )
    legends = environment().get_template("slots/_legend.html").module
    numbers = counts.states if counts else dict.fromkeys(("free", "reserved", "occupied", "closed"), "–")
    if slot is not None and panel is None:
        panel = await slot_panel(request, layout, slot)
    typed = request.query_params.get("q", "")
    return views.LotPage(
        code=layout.lot.code,
        name=layout.lot.name,
        attendant=account(request).name,
        time_zone=layout.lot.time_zone,
        clock=words.clock(datetime.now(UTC), layout.lot.time_zone),
        now_s=time.time(),
        feed_url=f"/ws/lots/{code}",
        map=shown_map,
        legend=legends.legend(numbers),  # type: ignore[attr-defined]
        results=await _known(lists.results(request, layout, typed)) or views.Results(),
        todo=await _known(lists.todo(request, layout)),
        arriving=await _known(lists.arriving(request, layout)),
        waiting=await _known(lists.waiting(request, layout)),
        closed=await _known(lists.closed(request, layout)),
        just_now=await _known(just_now(request, layout)),
        slot=panel,
        works=works_ or works(layout),
        age_s=picture.age_s(steady_s()) if picture else None,
        stylesheets=("css/map.css",),
        scripts=("js/map.js",),
    )


def works(layout: Layout, **said: Any) -> views.Works:
    """Closing and opening several slots. ``said`` are fields of the view."""
    return views.Works(
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        closed=layout.lot.closed,
        areas=tuple(area.code for area in layout.areas),
        idempotency_key=new_id(),
        **said,
    )


async def _known(asked: Awaitable[Part]) -> Part | None:
    """What SQL says; nothing while it is away."""
    try:
        return await asked
    except SqlAway:
        return None
