"""Who may use a route. Every route says it; one that says nothing can't be made here."""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from app.accounts.models import Role
from app.accounts.service import SignedIn
from app.accounts.sessions import Sessions
from app.core.errors import Problem
from app.core.ids import read_signed_id
from app.core.languages import sentence
from app.core.parts import part
from app.settings import DEFAULT_PORT, Settings

COOKIE = "lotline_session"
Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]


class Access(StrEnum):
    """Whom a route is for."""

    PUBLIC = "public"
    HOLDER = "holder"  # of the booking's secret, which stands in the path as {token}
    PROGRAM = "program"  # the REST surface: open on loopback in development, else for who is signed in
    HERE = "here"  # who sits at this machine, in development; nobody else, whoever is signed in
    ATTENDANT = "attendant"
    OPERATOR = "operator"


class SigningKey(bytes):
    """The key that signs the links of bookings."""


class GuardedRoute(Route):
    """A route with its access; it leaves its path in the scope, for logs that must not name secrets."""

    def __init__(
        self, path: str, endpoint: Handler, access: Access, methods: Sequence[str] = ("GET",)
    ) -> None:
        self.access = access
        super().__init__(path, _guarded(endpoint, access), methods=list(methods), name=endpoint.__name__)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route_path"] = self.path
        await super().handle(scope, receive, send)


class GuardedSocket(WebSocketRoute):
    """A websocket route with its access."""

    def __init__(self, path: str, endpoint: SocketHandler, access: Access) -> None:
        self.access = access
        super().__init__(path, _guarded_socket(endpoint, access), name=endpoint.__name__)


def cookie_name(connection: HTTPConnection, base: str) -> str:
    """The cookie's name here. Browsers keep cookies by host, not by port: two copies must not share them."""
    port = part(connection, Settings).port
    return base if port == DEFAULT_PORT else f"{base}_{port}"


async def who(connection: HTTPConnection) -> SignedIn | None:
    """Who is signed in, if anyone. SqlAway where only SQL could say it."""
    secret = connection.cookies.get(cookie_name(connection, COOKIE))
    return await part(connection, Sessions).of(secret) if secret else None


def account(request: Request) -> SignedIn:
    """Who is signed in, on a route that demands it."""
    found: SignedIn = request.state.account
    return found


def reservation(request: Request) -> str:
    """The booking whose secret the path holds, on a route for holders."""
    found: str = request.state.reservation
    return found


def _guarded(endpoint: Handler, access: Access) -> Handler:
    async def guarded(request: Request) -> Response:
        refusal = await _refusal(request, access)
        return refusal if refusal is not None else await endpoint(request)

    guarded.__name__ = endpoint.__name__
    return guarded


def _guarded_socket(endpoint: SocketHandler, access: Access) -> SocketHandler:
    async def guarded(socket: WebSocket) -> None:
        if access is Access.PUBLIC:
            await endpoint(socket)
            return
        found = await who(socket)
        if found is None or not _may(found, access):
            await socket.close(4401)
            return
        await endpoint(socket)

    guarded.__name__ = endpoint.__name__
    return guarded


async def _refusal(request: Request, access: Access) -> Response | None:
    """The answer to somebody who may not, or ``None``."""
    if access is Access.PUBLIC:
        return None
    if access is Access.HOLDER:
        found = read_signed_id(part(request, SigningKey), request.path_params["token"])
        if found is None:
            raise Problem(
                404,
                "no-such-booking",
                sentence("This link leads to no booking"),
                sentence("Check that it is whole."),
            )
        request.state.reservation = found
        return None
    if access is Access.HERE and not is_here(request):
        raise Problem(404, "no-such-address", sentence("Not Found"))
    if access in (Access.PROGRAM, Access.HERE) and is_here(request):
        return None
    person = await who(request)
    if person is None:
        return _sign_in_first(request, access)
    if not _may(person, access):
        raise Problem(
            403, "not-allowed", sentence("Your account may not do this"), sentence("Ask an operator.")
        )
    request.state.account = person
    return None


def _may(person: SignedIn, access: Access) -> bool:
    return access is not Access.OPERATOR or person.role is Role.OPERATOR


def is_here(request: Request) -> bool:
    """Whether whoever sends this sits at this machine, and it is one to develop on."""
    return _is_open(part(request, Settings)) and _comes_from_here(request)


def _is_open(settings: Settings) -> bool:
    return settings.profile == "development" and _is_loopback(settings.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _comes_from_here(request: Request) -> bool:
    """Whether the request was addressed to this machine itself, not to a proxy or to another's name."""
    headers = request.headers
    if "forwarded" in headers or "x-forwarded-for" in headers or "x-forwarded-host" in headers:
        return False
    try:
        return _is_loopback(urlsplit("//" + headers.get("host", "")).hostname or "")
    except ValueError:
        return False


def _sign_in_first(request: Request, access: Access) -> Response:
    if access is Access.PROGRAM:
        raise Problem(
            401,
            "not-signed-in",
            sentence("Sign in first"),
            sentence("This surface is open on loopback only."),
        )
    where = "/sign-in?next=" + quote(request.scope["path"] if request.method == "GET" else "/attendant")
    if request.headers.get("HX-Request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)
