"""Pages and static files go out compressed, where that tells nobody a secret (decisions/022)."""

import asyncio
import zlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A page of 441 slots is 170 kB: level 4 makes 23 kB of it in 0.8 ms, level 6 21 kB in 1.4 ms.
LEVEL = 4
LEAST_BYTES = 1_000
# From here on a thread does it: 5,000 slots take 10 ms, for which nobody else should wait.
IN_A_THREAD_BYTES = 64_000
COMPRESSED = ("text/html", "text/css", "text/javascript", "image/svg+xml", "application/manifest+json")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Compressed:
    """The layer that compresses pages. What is streamed or already encoded passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not takes_gzip(scope):
            await self.app(scope, receive, send)
            return
        start: Message | None = None

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                begun, start = start, None
                if _is_whole_page(begun, message):
                    message["body"] = await gzip(scope, begun, message["body"])
                await send(begun)
            await send(message)

        await self.app(scope, receive, send_compressed)


async def gzip(scope: Scope, start: Message, body: bytes) -> bytes:
    """The body as it is sent; the headers of ``start`` are made to say so."""
    headers = MutableHeaders(scope=start)
    headers.add_vary_header("Accept-Encoding")
    if may_leak(scope):
        headers.add_vary_header("Sec-Fetch-Site")
        return body
    packed = await asyncio.to_thread(pack, body) if len(body) > IN_A_THREAD_BYTES else pack(body)
    headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(packed))
    return packed


def pack(body: bytes, level: int = LEVEL) -> bytes:
    """The body in gzip's format; the same bytes for the same body."""
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


def takes_gzip(scope: Scope) -> bool:
    """Whether whoever asks can read gzip."""
    offers = Headers(scope=scope).get("accept-encoding", "").lower().split(",")
    names = {name.strip(): weight.strip() for name, _, weight in (offer.partition(";") for offer in offers)}
    return "gzip" in names and names["gzip"].replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")


def may_leak(scope: Scope) -> bool:
    """Whether the length of a compressed answer could tell a secret of its reader to somebody else.

    Pages repeat the address they were asked by, and may hold a booking's link. Who can make a browser send
    addresses of their choice, and see how long the answers are, learns that link letter by letter (BREACH).
    Other sites are such: what they start is compressed only for who brings no cookie, and so has no secret.
    """
    headers = Headers(scope=scope)
    return "cookie" in headers and headers.get("sec-fetch-site") not in ("same-origin", "none")


def _is_whole_page(start: Message, body: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return (
        headers.get("content-type", "").partition(";")[0] in COMPRESSED
        and "content-encoding" not in headers
        and start["status"] not in (204, 206, 304)
        and body["type"] == "http.response.body"
        and not body.get("more_body")
        and len(body.get("body", b"")) >= LEAST_BYTES
    )
