"""The wall's addresses: a preview of each lot's for everybody, and the screens that are paired."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from app.accounts.access import cookie_name
from app.accounts.addresses import address_digest
from app.bookings.paths import lot_called, lot_in_path, lot_of_socket
from app.core.clock import steady_s
from app.core.db import Database, SqlAway
from app.core.errors import Problem
from app.core.ids import digest, new_secret
from app.core.languages import language, speaking
from app.core.parts import part
from app.core.templating import page
from app.core.web import origin_of
from app.core.words import clock
from app.display import pairing
from app.display.cells import WallProjection, cells
from app.display.pairing import Screen
from app.display.premium_price import PremiumPrices
from app.display.presence import CHANGED, Displays
from app.display.views import CodeView, WallView
from app.live.hub import Hub
from app.live.sockets import TRY_AGAIN_LATER, serve
from app.slots.layout import Layout
from app.slots.projections import count

COOKIE = "lotline_display"
# The longest that browsers keep one; every visit begins it anew.
COOKIE_LIFE = timedelta(days=400)
LONGEST_SECRET = 64


async def wall(request: Request) -> Response:
    """``GET /display/{lot}``: free spaces by area, readable from fifteen metres."""
    layout = await lot_in_path(request)
    return await _wall(request, layout, f"/ws/display/{layout.lot.code}")


async def screen(request: Request) -> Response:
    """``GET /display``: the wall of the lot with which this screen is paired, else a code to pair it by."""
    secret = _secret(request)
    try:
        shows = await part(request, Displays).of(secret) if secret else None
        if shows is None:
            return page("display/pairing.html", CodeView())
        with _speaking(shows):
            layout = await lot_called(request, shows.lot_code)
            response = await _wall(request, layout, "/ws/display")
    except SqlAway:
        # The page asks again by itself, and becomes the wall as soon as somebody can say which.
        return page("display/pairing.html", CodeView(), 503)
    except Problem as problem:
        if problem.status != 503:
            raise
        return page("display/pairing.html", CodeView(), 503)
    _remember(request, response, secret)
    return response


async def code(request: Request) -> Response:
    """``POST /display/code``: the code of this screen, for its page, which asks every two seconds."""
    secret = _secret(request) or new_secret()
    if await part(request, Displays).of(secret) is not None:
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    try:
        found = await pairing.code_of(part(request, Database), digest(secret), address_digest(request))
        left_min = max(1, ceil(found.left.total_seconds() / 60))
        view = CodeView(found.shown, left_min, f"{origin_of(request)}/operator/displays")
    except Problem as problem:
        view = CodeView(problem=problem.title, advice=problem.detail)
    response = page("display/_code.html", view)
    _remember(request, response, secret)
    return response


async def feed(socket: WebSocket) -> None:
    """``/ws/display/{lot}``: the wall's cells."""
    lot_id = await lot_of_socket(socket)
    if lot_id is None:
        return
    prices = part(socket, PremiumPrices)
    async with prices.shown(lot_id):
        await serve(socket, part(socket, Hub), [lot_id], WallProjection(partial(prices.lines, lot_id)))


async def screen_feed(socket: WebSocket) -> None:
    """``/ws/display``: the cells of the lot with which this screen is paired, until that changes."""
    displays, secret = part(socket, Displays), _secret(socket)
    try:
        shows = await displays.of(secret) if secret else None
    except SqlAway:
        await socket.close(TRY_AGAIN_LATER)
        return
    if shows is None:
        # Accepted first: of a handshake that is refused a page is not told why.
        await socket.accept()
        await socket.close(CHANGED)
        return
    prices, lot_id = part(socket, PremiumPrices), shows.lot_id
    with _speaking(shows), displays.connected(shows) as ends:
        async with prices.shown(lot_id):
            projection = WallProjection(partial(prices.lines, lot_id))
            await serve(socket, part(socket, Hub), [lot_id], projection, ends)


async def _wall(request: Request, layout: Layout, feed_url: str) -> Response:
    picture = await part(request, Hub).picture(layout.lot_id)
    layout = layout if picture is None else picture.layout
    counts = None if picture is None else count(picture)
    prices = part(request, PremiumPrices)
    await prices.read(layout.lot_id)
    view = WallView(
        lot_code=layout.lot.code,
        lot_name=layout.lot.name,
        time_zone=layout.lot.time_zone,
        clock=clock(datetime.now(UTC), layout.lot.time_zone),
        feed_url=feed_url,
        layout_version=layout.lot.layout_version,
        age_s=None if picture is None else picture.age_s(steady_s()),
        cells=cells(layout, counts, prices.lines(layout.lot_id)),
    )
    return page("display/wall.html", view)


@contextlib.contextmanager
def _speaking(shows: Screen) -> Iterator[None]:
    """The language of the pairing, else the browser's."""
    with speaking(shows.language or language()):
        yield


def _secret(connection: HTTPConnection) -> str:
    secret = connection.cookies.get(cookie_name(connection, COOKIE), "")
    return secret if 32 <= len(secret) <= LONGEST_SECRET else ""


def _remember(request: Request, response: Response, secret: str) -> None:
    """Leaves the secret with the screen, where no script reads it."""
    response.set_cookie(
        cookie_name(request, COOKIE),
        secret,
        max_age=int(COOKIE_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
