"""What goes out compressed, and what must not."""

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from app.core.compression import Compressed, pack
from app.core.web import Assets

PAGE = "<p>free</p>" * 20_000


async def whole(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"Vary": "Cookie"})


async def short(request: Request) -> HTMLResponse:
    return HTMLResponse("<p>free</p>")


async def document(request: Request) -> JSONResponse:
    return JSONResponse({"free": PAGE})


async def streamed(request: Request) -> StreamingResponse:
    return StreamingResponse(iter([PAGE[:5000], PAGE[5000:]]), media_type="text/html")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "map.js").write_text("let slots = [];\n" * 400)
    (tmp_path / "dot.png").write_bytes(bytes(range(256)) * 4)
    pages = [Route(f"/{one.__name__}", one) for one in (whole, short, document, streamed)]
    static = Mount("/static", Assets(directory=tmp_path))
    return TestClient(Starlette(routes=[*pages, static], middleware=[Middleware(Compressed)]))


def test_a_page_is_compressed_for_who_can_read_it_and_caches_are_told(client: TestClient) -> None:
    answer = client.get("/whole", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert answer.text == PAGE
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) < len(PAGE) / 20
    assert answer.headers["Vary"] == "Cookie, Accept-Encoding"


@pytest.mark.parametrize("offer", ["", "identity", "gzip;q=0", "br"])
def test_who_cannot_read_gzip_gets_the_page_as_it_is(client: TestClient, offer: str) -> None:
    answer = client.get("/whole", headers={"Accept-Encoding": offer})
    assert (answer.text, "Content-Encoding" in answer.headers) == (PAGE, False)


@pytest.mark.parametrize("path", ["/short", "/document", "/streamed"])
def test_what_is_short_no_page_or_streamed_is_left_alone(client: TestClient, path: str) -> None:
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("site", "cookie", "is_compressed"),
    [
        ("cross-site", "session=x", False),
        ("same-site", "session=x", False),
        (None, "session=x", False),
        ("same-origin", "session=x", True),
        ("none", "session=x", True),
        ("cross-site", None, True),
    ],
)
def test_a_page_for_a_cookie_that_another_site_asked_for_is_not_compressed(
    client: TestClient, site: str | None, cookie: str | None, is_compressed: bool
) -> None:
    headers = {"Accept-Encoding": "gzip"}
    headers |= {"Sec-Fetch-Site": site} if site else {}
    headers |= {"Cookie": cookie} if cookie else {}
    answer = client.get("/whole", headers=headers)
    assert ("Content-Encoding" in answer.headers) is is_compressed
    assert ("Sec-Fetch-Site" in answer.headers["Vary"]) is not is_compressed
    assert answer.text == PAGE


def test_static_files_are_compressed_once_where_that_saves_something(client: TestClient) -> None:
    script = client.get("/static/map.js", headers={"Accept-Encoding": "gzip"})
    assert script.headers["Content-Encoding"] == "gzip"
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.text.startswith("let slots")
    plain = client.get("/static/map.js", headers={"Accept-Encoding": "identity"})
    assert (plain.text, "Content-Encoding" in plain.headers) == (script.text, False)
    assert plain.headers["Vary"] == script.headers["Vary"] == "Accept-Encoding"
    picture = client.get("/static/dot.png", headers={"Accept-Encoding": "gzip"})
    assert "immutable" in picture.headers["Cache-Control"]


def test_what_is_packed_is_gzip_and_the_same_every_time() -> None:
    assert gzip.decompress(pack(PAGE.encode())).decode() == PAGE
    assert pack(PAGE.encode()) == pack(PAGE.encode())
