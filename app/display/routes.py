"""The wall's addresses."""

import time
from datetime import UTC, datetime

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from app.bookings.paths import lot_in_path, lot_of_socket
from app.core.db import SqlAway
from app.core.parts import part
from app.core.templating import page, render
from app.core.words import clock
from app.display.views import (
    Arrow,
    WallCells,
    WallExtra,
    WallFigure,
    WallPremium,
    WallView,
    arrange,
    arrow_towards,
)
from app.live.hub import Hub
from app.live.picture import Picture
from app.live.sockets import serve
from app.payments.prices import Prices
from app.slots.layout import Layout
from app.slots.projections import Counts, count


async def wall(request: Request) -> Response:
    """``GET /display/{lot}``: free spaces by area, readable from fifteen metres."""
    layout = await lot_in_path(request)
    picture = await part(request, Hub).picture(layout.lot_id)
    layout = layout if picture is None else picture.layout
    view = WallView(
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        time_zone=layout.lot.time_zone,
        clock=clock(datetime.now(UTC), layout.lot.time_zone),
        feed_url=f"/ws/display/{layout.lot.code}",
        layout_version=layout.lot.layout_version,
        age_s=None if picture is None else picture.age_s(time.time()),
        cells=cells(
            layout, None if picture is None else count(picture), await premium_lines(request, layout.lot_id)
        ),
    )
    return page("display/wall.html", view)


async def feed(socket: WebSocket) -> None:
    """``/ws/display/{lot}``: the wall's cells."""
    lot_id = await lot_of_socket(socket)
    if lot_id is None:
        return
    projection = WallProjection(await premium_lines(socket, lot_id))
    await serve(socket, part(socket, Hub), [lot_id], projection)


class WallProjection:
    """A lot as a wall shows it."""

    name = "wall"
    with_states = False

    def __init__(self, premium_lines: tuple[str, ...] = ()) -> None:
        self._premium_lines = premium_lines

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        drawn = render("display/_cells.html", view=cells(picture.layout, count(picture), self._premium_lines))
        return f'<div hx-swap-oob="innerHTML:#cells">{drawn}</div>'


async def premium_lines(connection: HTTPConnection, lot_id: int) -> tuple[str, ...]:
    """What stands under the word Premium: its price, where it is known."""
    try:
        price = await part(connection, Prices).of_lot(lot_id, datetime.now(UTC), premium=True)
    except SqlAway:
        return ()
    if price is None:
        return ()
    return (f"{price.per_hour.text()} an hour" if price.kind == "time" else price.text,)


def cells(layout: Layout, counts: Counts | None, lines: tuple[str, ...] = ()) -> WallCells:
    """The figures of a lot; without counts every one is unknown. ``lines`` stand under the word Premium."""
    figures = [
        WallFigure(area.code, None if counts is None else counts.areas[area.code], _arrow(layout, area.code))
        for area in layout.areas
        if area.code in layout.middles
    ]
    premium = None
    if "premium" in layout.offers:
        free = None if counts is None else counts.premium
        premium = WallPremium(WallFigure("premium", free, _arrow(layout, "premium")), lines)
    extras = []
    if "accessible" in layout.offers:
        extras.append(WallExtra("accessible", None if counts is None else counts.accessible))
    if "charging" in layout.offers:
        extras.append(WallExtra("charging", None if counts is None else counts.charging))
    return arrange(
        figures,
        premium=premium,
        extras=extras,
        now_s=time.time(),
        whole_free=None if counts is None else counts.standard,
        closed=layout.lot.closed,
    )


def _arrow(layout: Layout, group: str) -> Arrow | None:
    """From the gate towards an area's slots, or towards the premium ones."""
    lot, there = layout.lot, layout.middles.get(group)
    if lot.gate_x is None or lot.gate_y is None or lot.gate_heading_deg is None or there is None:
        return None
    return arrow_towards((lot.gate_x, lot.gate_y), lot.gate_heading_deg, there)
