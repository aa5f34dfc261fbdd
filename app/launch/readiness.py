"""Asks a web process over HTTP whether it is ready."""

import asyncio
import json
import re

_ANSWER_WITHIN_S = 5.0
_ANSWER_LIMIT_BYTES = 65536
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


def url(host: str, port: int) -> str:
    """The address at which a browser on this machine reaches a server that listens on ``host``."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"


async def is_ready(host: str, port: int, path: str = "/readyz") -> bool:
    """True where the server answers 200 at ``path``."""
    return (await _answer(host, port, path))[0] == 200


async def parts_away(host: str, port: int) -> frozenset[str]:
    """The parts that the server's ``/readyz`` calls away: "redis", or none where it does not say."""
    _, body = await _answer(host, port, "/readyz")
    try:
        checks = json.loads(body)["checks"]
        return frozenset(name for name, state in checks.items() if state == "away")
    except (ValueError, LookupError, TypeError, AttributeError):
        return frozenset()


async def _answer(host: str, port: int, path: str) -> tuple[int, bytes]:
    """Status and body; 0 where there is no answer in time."""
    try:
        return await asyncio.wait_for(_asked(host, port, path), _ANSWER_WITHIN_S)
    except (OSError, TimeoutError):
        return 0, b""


async def _asked(host: str, port: int, path: str) -> tuple[int, bytes]:
    reachable = url(host, port).removeprefix("http://").rpartition(":")[0].strip("[]")
    reader, writer = await asyncio.open_connection(reachable, port)
    try:
        host_header = url(host, port).removeprefix("http://")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host_header}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read(_ANSWER_LIMIT_BYTES)
        while more := await reader.read(_ANSWER_LIMIT_BYTES - len(answer)):
            answer += more
        match = _STATUS.match(answer)
        return int(match[1]) if match else 0, answer.partition(b"\r\n\r\n")[2]
    finally:
        writer.close()
