"""The lot and the slot that the path of a page names."""

from starlette.requests import Request
from starlette.websockets import WebSocket

from app.bookings import problems
from app.bookings.desk import Desk, run_again_on_conflict
from app.core.errors import Problem
from app.core.parts import part
from app.core.web import UNKNOWN_ADDRESS
from app.slots.layout import LaidSlot, Layout, Layouts


async def lot_in_path(request: Request) -> Layout:
    """The lot ``{lot}``. A Problem (404, 503) where there is none."""
    code = request.path_params["lot"]
    layout: Layout | None = await run_again_on_conflict(lambda: part(request, Desk).layouts.of_code(code))
    if layout is None:
        raise problems.no_such_lot(code)
    return layout


async def lot_of_socket(socket: WebSocket) -> int | None:
    """The number of the lot ``{lot}``; where there is none, the socket is closed with ``UNKNOWN_ADDRESS``."""
    lot_id = await part(socket, Layouts).id_of(socket.path_params["lot"])
    if lot_id is None:
        await socket.close(UNKNOWN_ADDRESS)
    return lot_id


def slot_in_path(request: Request, layout: Layout) -> LaidSlot:
    """The slot ``{slot}``, by its name in the lot. A Problem (404) where there is none."""
    name = request.path_params["slot"]
    found = layout.by_name.get(name)
    if found is None:
        raise Problem(
            404, "no-such-slot", "There is no such slot", f"{layout.lot.name} has no slot {name!r}."
        )
    return found
