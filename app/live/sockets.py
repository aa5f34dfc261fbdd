"""The websocket that a page's feed element opens: server to viewer only."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from app.core.tasks import end_all
from app.live.hub import Hub
from app.live.picture import Projection

BLOCKED_S = 10.0
TRY_AGAIN_LATER = 1013
UNKNOWN_RETRY_S = 1.0


async def serve(
    socket: WebSocket,
    hub: Hub,
    lot_ids: Sequence[int],
    projection: Projection,
    ends: "asyncio.Future[int] | None" = None,
) -> None:
    """Shows these lots to one viewer until either side leaves.

    A viewer that takes no frame for ``BLOCKED_S`` is closed with 1013 and may come back; when ``ends`` is
    done, it is closed with that code.
    """
    await socket.accept()
    watchers = [asyncio.create_task(_show(socket, hub, lot_id, projection)) for lot_id in lot_ids]
    reader = asyncio.create_task(_read_until_closed(socket))
    try:
        until: list[asyncio.Future[Any]] = [reader, *watchers, *([] if ends is None else [ends])]
        await asyncio.wait(until, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_all([reader, *watchers])
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(ends.result() if ends is not None and ends.done() else TRY_AGAIN_LATER)


async def _show(socket: WebSocket, hub: Hub, lot_id: int, projection: Projection) -> None:
    while True:
        async with hub.watching(lot_id, projection) as feed:
            if feed is not None:
                number = 0
                while True:
                    await feed.news(number)
                    seen, frames = feed.number, feed.after(number)
                    for frame in frames:
                        await asyncio.wait_for(socket.send_text(frame), BLOCKED_S)
                    number = seen
        await asyncio.sleep(UNKNOWN_RETRY_S)


async def _read_until_closed(socket: WebSocket) -> None:
    """Viewers have nothing to say; reading tells when they leave."""
    while True:
        message: Mapping[str, object] = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
