"""The websocket as a browser opens it, over the whole application."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from app.core.redis import connect
from app.main import create_app
from app.settings import Settings


@pytest.fixture
def browser(tmp_path: Path, sqlite_template: Path, redis_url: str) -> Iterator[TestClient]:
    shutil.copy(sqlite_template, tmp_path / "lotline.db")
    given = {"DATABASE_URL": f"sqlite:///{tmp_path / 'lotline.db'}", "REDIS_URL": redis_url}
    with TestClient(create_app(Settings.from_environment(given)), base_url="http://localhost") as client:
        assert client.portal is not None

        async def flush() -> None:
            redis = connect(redis_url)
            await redis.flushall()
            await redis.aclose()

        client.portal.call(flush)
        for name in ("s0", "s1", "s2"):
            assert client.put("/parking", json={"identifier": name, "lot": "here"}).status_code == 201
        yield client


def until(socket: WebSocketTestSession, *fields: str) -> dict[str, Any]:
    """The next frame with one of these fields; the suite's time limit ends a wait for nothing."""
    while True:
        frame: dict[str, Any] = json.loads(socket.receive_text())
        if any(field in frame for field in fields):
            return frame


def test_a_viewer_gets_all_of_it_and_then_what_changes(browser: TestClient) -> None:
    with browser.websocket_connect("/ws/lots/here") as socket:
        first = until(socket, "states")
        assert first["states"] == "000"
        browser.post("/parking?action=reserve", json={"entityIdentifier": "HKR 4821", "slot": "s1"})
        changed = until(socket, "tiles")
        assert changed["tiles"] == [1, 1]
        assert changed["layout"] == first["layout"]
        assert int(changed["seq"].split(":")[1]) > int(first["seq"].split(":")[1])
        assert "HKR" not in json.dumps(changed)


def test_a_wall_and_a_list_get_words_and_no_map(browser: TestClient) -> None:
    for address in ("/ws/display/here", "/ws/lots?codes=here,none"):
        with browser.websocket_connect(address) as socket:
            first = until(socket, "content")
            assert "states" not in first
            assert "hx-swap-oob" in first["content"]


def test_a_lot_that_does_not_exist_is_closed_with_a_code_of_its_own(browser: TestClient) -> None:
    for address in ("/ws/lots/none", "/ws/display/none", "/ws/lots/%00"):
        with pytest.raises(WebSocketDisconnect) as closed, browser.websocket_connect(address) as socket:
            socket.receive_text()
        assert closed.value.code in (4404, 1000)


def test_what_a_viewer_says_changes_nothing(browser: TestClient) -> None:
    with browser.websocket_connect("/ws/lots/here") as socket:
        until(socket, "states")
        for text in ("{}", "nonsense", '{"action": "reserve"}'):
            socket.send_text(text)
        socket.send_bytes(b"\x00\xff")
        browser.post("/parking?action=reserve", json={"entityIdentifier": "A 1", "slot": "s0"})
        # Where the machine has much to do, the change may come with all the others.
        frame = until(socket, "tiles", "states")
        assert frame.get("tiles") == [0, 1] or frame["states"] == "100"


def test_a_page_of_another_site_sees_nothing(browser: TestClient) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        headers = {"Origin": origin}
        with (
            pytest.raises(WebSocketDisconnect),
            browser.websocket_connect("/ws/lots/here", headers=headers) as socket,
        ):
            socket.receive_text()
    with browser.websocket_connect("/ws/lots/here", headers={"Origin": "http://testserver"}) as socket:
        until(socket, "states")
