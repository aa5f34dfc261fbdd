"""The lot and the slot that the path of a page names."""

from starlette.requests import Request
from starlette.websockets import WebSocket

from app.bookings import problems
from app.bookings.desk import run_again_on_conflict
from app.core.db import SqlAway
from app.core.errors import Problem
from app.core.languages import sentence
from app.core.parts import part
from app.core.web import UNKNOWN_ADDRESS
from app.live.sockets import TRY_AGAIN_LATER
from app.slots.layout import LaidSlot, Layout, Layouts
from app.slots.memory import Memory


async def lot_in_path(request: Request) -> Layout:
    """The lot ``{lot}``. A Problem (404, 503) where there is none."""
    return await lot_called(request, request.path_params["lot"])


async def lot_called(request: Request, code: str) -> Layout:
    """The lot with this code. A Problem (404, 503) where there is none."""
    layout: Layout | None = await run_again_on_conflict(lambda: part(request, Memory).layout(code))
    if layout is None:
        raise problems.no_such_lot(code)
    return layout


async def lot_of_socket(socket: WebSocket) -> int | None:
    """The number of the lot ``{lot}``.

    Where there is none the socket is closed with ``UNKNOWN_ADDRESS``, where nobody can say so with
    ``TRY_AGAIN_LATER``.
    """
    try:
        lot_id = await part(socket, Layouts).id_of(socket.path_params["lot"])
    except SqlAway:
        await socket.close(TRY_AGAIN_LATER)
        return None
    if lot_id is None:
        await socket.close(UNKNOWN_ADDRESS)
    return lot_id


def slot_in_path(request: Request, layout: Layout) -> LaidSlot:
    """The slot ``{slot}``, by its name in the lot. A Problem (404) where there is none."""
    name = request.path_params["slot"]
    found = layout.by_name.get(name)
    if found is None:
        raise Problem(
            404,
            "no-such-slot",
            sentence("There is no such slot"),
            sentence("{lot} has no slot {name!r}.", lot=layout.lot.name, name=name),
        )
    return found
