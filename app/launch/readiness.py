"""Asks a web process over HTTP whether it is ready."""

import asyncio
import re

_ANSWER_WITHIN_S = 5.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


def url(host: str, port: int) -> str:
    """The address at which a browser on this machine reaches a server that listens on ``host``."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


async def is_ready(host: str, port: int, path: str = "/readyz") -> bool:
    """True where the server answers 200 at ``path``."""
    try:
        return await asyncio.wait_for(_status(host, port, path), _ANSWER_WITHIN_S) == 200
    except (OSError, TimeoutError):
        return False


async def _status(host: str, port: int, path: str) -> int:
    reachable = url(host, port).removeprefix("http://").rpartition(":")[0].strip("[]")
    reader, writer = await asyncio.open_connection(reachable, port)
    try:
        host_header = url(host, port).removeprefix("http://")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host_header}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        match = _STATUS.match(await reader.readline())
        return int(match[1]) if match else 0
    finally:
        writer.close()
