"""`lotline serve` with a stand-in for the application: a page, and a websocket that answers what it hears."""

import sys
import types

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from app.launch.serve import serve
from app.settings import Settings


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def address(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.client.host if request.client else "")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


def create_app() -> Starlette:
    return Starlette(routes=[Route("/", page), Route("/address", address), WebSocketRoute("/echo", echo)])


stand_in = types.ModuleType("app.main")
stand_in.create_app = create_app  # type: ignore[attr-defined]
sys.modules["app.main"] = stand_in
sys.exit(serve(Settings.of_process()))
