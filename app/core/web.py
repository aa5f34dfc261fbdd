"""What every request passes: limits, headers, one way to answer a problem, a log line and a metric."""

import logging
import os
import time
import uuid
from collections.abc import Callable
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import metrics
from app.core.compression import pack, takes_gzip
from app.core.errors import Problem
from app.core.languages import sentence

log = structlog.get_logger()

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
LARGEST_BODY_BYTES = 1_000_000
# Files are sent to these; whoever may not is refused before the body is read.
LARGER_BODIES = {"/operator/import": 17 * 1024 * 1024}
# Nothing is sent under it: the word of nginx, in metrics alone.
CLIENT_HAS_GONE = 499
# A websocket has no 404; codes from 4000 on are the application's own.
UNKNOWN_ADDRESS = 4404
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def origin_of(request: Request) -> str:
    """This installation's address as its caller has it: https://host."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


class Doorway:
    """The outermost layer: refuses other sites' requests, adds headers, counts, logs what is slow or broken.

    A log line names the route, never the path: the path of a booking is its secret.
    """

    def __init__(self, app: ASGIApp, on_fault: Callable[[Request, Exception], Response]) -> None:
        self.app = app
        self._on_fault = on_fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and (_holds_nul(scope) or _is_foreign(scope)):
            await send({"type": "websocket.close", "code": UNKNOWN_ADDRESS})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        request_id = uuid.uuid4().hex[:12]

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-Id"] = request_id
            await send(message)

        received_bytes = 0
        largest_bytes = LARGER_BODIES.get(scope["path"], LARGEST_BODY_BYTES)

        async def receive_within_limit() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > largest_bytes:
                raise Problem(
                    413,
                    "body-too-large",
                    sentence("The body is too large"),
                    sentence("Send at most {most} bytes.", most=largest_bytes),
                )
            return message

        structlog.contextvars.bind_contextvars(request=request_id)
        try:
            if refusal := _refusal(scope):
                await problem_response(refusal)(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive_within_limit, send_with_headers)
        except ClientDisconnect:
            # Whoever asked has gone before the question was whole: nobody waits for an answer.
            status = CLIENT_HAS_GONE
        except Exception as error:
            log.exception("request.fault", route=scope.get("route_path", "unknown"))
            if status:
                raise
            await self._on_fault(Request(scope), error)(scope, receive, send_with_headers)
        finally:
            route = scope.get("route_path", "unknown")
            took_s = time.perf_counter() - began
            metrics.REQUESTS.labels(route, str(status)).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(took_s)
            if status >= 500:
                # What is refused for want of a part is no fault of this process.
                level = logging.WARNING if status == 503 else logging.ERROR
                took_ms = round(took_s * 1000, 1)
                log.log(level, "request.failed", route=route, status=status, took_ms=took_ms)
            structlog.contextvars.unbind_contextvars("request")


def _refusal(scope: Scope) -> Problem | None:
    """Why a request is not even looked at."""
    if comes_from_another_site(scope):
        return Problem(
            403, "another-site", sentence("Another site sent this request"), sentence("Open the page here.")
        )
    if _holds_nul(scope):
        return Problem(
            400,
            "nul-byte",
            sentence("The address holds a NUL byte"),
            sentence("No name has one: leave it out."),
        )
    return None


def _holds_nul(scope: Scope) -> bool:
    """SQLite takes a NUL byte for a letter, PostgreSQL for a fault."""
    return "\x00" in scope["path"] or b"%00" in scope["query_string"]


def comes_from_another_site(scope: Scope) -> bool:
    """Whether a browser says that a page of another site sends this change in its user's name.

    Programs send neither header and carry no cookie, so they pass.
    """
    return scope["method"] not in _SAFE_METHODS and _is_foreign(scope)


def _is_foreign(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host")
    except ValueError:
        return True


def problem_response(problem: Problem) -> Response:
    """The problem as ``application/problem+json``."""
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    return JSONResponse(
        problem.document(), problem.status, headers=headers, media_type="application/problem+json"
    )


def wants_html(request: Request) -> bool:
    """Whether a person reads the answer rather than a program."""
    return "text/html" in request.headers.get("accept", "")


class Assets(StaticFiles):
    """Static files under an address that names their version: cached for ever, compressed once."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        packed = packed_file(Path(full_path)) if takes_gzip(scope) and status_code == 200 else None
        if packed is None:
            response = super().file_response(full_path, stat_result, scope, status_code)
        else:
            response = Response(packed, media_type=guess_type(full_path)[0])
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


@cache
def packed_file(path: Path) -> bytes | None:
    """A static file as small as it goes, or ``None`` where that saves nothing. It is kept."""
    whole = path.read_bytes()
    packed = pack(whole, level=9)
    return packed if len(packed) < 0.9 * len(whole) else None
