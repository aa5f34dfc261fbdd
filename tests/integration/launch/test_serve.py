"""`lotline serve`: the settings of the web server that can be seen from outside, and its end."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from app.launch.readiness import is_ready
from tests.integration.launch.run_process import free_port, wait_until

_STAND_IN = Path(__file__).parent / "stand_in_serve.py"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A web process that is ready, and its port."""
    port = free_port()
    env = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "LOTLINE_DATA": str(tmp_path)}
    process = subprocess.Popen([sys.executable, _STAND_IN], stderr=subprocess.PIPE, env=env)
    wait_until(lambda: asyncio.run(is_ready("127.0.0.1", port, "/")), "the web process answers")
    yield process, port
    process.kill()
    process.communicate()


def end(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    process.terminate()
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


async def test_it_ends_cleanly_and_tells_open_sockets_to_come_back(
    web: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, port = web
    async with connect(f"ws://127.0.0.1:{port}/echo") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
        ended = asyncio.create_task(asyncio.to_thread(end, process))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    # 1012, service restart: the feed connects again. After 1000 it would not.
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert await ended == (0, b"")


async def test_sockets_are_not_compressed_and_take_no_long_messages(
    web: tuple["subprocess.Popen[bytes]", int],
) -> None:
    _, port = web
    async with connect(f"ws://127.0.0.1:{port}/echo") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await socket.send("x" * 4096)
        assert await socket.recv() == "x" * 4096
        await socket.send("x" * 4097)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_who_says_more_than_a_viewer_has_to_is_cut_off_and_nobody_waits_for_it(
    web: tuple["subprocess.Popen[bytes]", int],
) -> None:
    _, port = web
    async with connect(f"ws://127.0.0.1:{port}/echo") as socket:
        # Empty pings, which a client must mask.
        socket.transport.write(bytes.fromhex("898000000000") * 100_000)
        assert await is_ready("127.0.0.1", port, "/")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    async with connect(f"ws://127.0.0.1:{port}/echo") as socket:
        for _ in range(50):
            await (await socket.ping())


async def test_nobody_is_taken_for_a_proxy_who_is_not_named(
    web: tuple["subprocess.Popen[bytes]", int],
) -> None:
    _, port = web
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /address HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 8.8.8.8\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.endswith(b"127.0.0.1")


async def test_an_answer_does_not_say_which_server_gave_it(
    web: tuple["subprocess.Popen[bytes]", int],
) -> None:
    _, port = web
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.endswith(b"here")
    assert b"\r\nserver:" not in answer.lower()
