"""A client of the REST surface that costs next to nothing, so that the servers have the processors."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# The server cuts what is idle for five seconds, perhaps while a request is on its way.
_IDLE_FOR_S = 2.0
# Whatever else happens between two processes is an answer.
WIRE_IS_CUT = (OSError, EOFError, TimeoutError)


class Wire:
    """HTTP/1.1 with one web process, over as many connections as requests are under way."""

    def __init__(self, base_url: str, patience_s: float = 20.0) -> None:
        self.host = urlsplit(base_url).netloc
        self._patience_s = patience_s
        self._idle: list[tuple[Connection, float]] = []

    async def post(self, target: str, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and document of the answer. Raises one of WIRE_IS_CUT where there is none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, text = await self.send("POST", target, json.dumps(body).encode(), named)
        return status, json.loads(text)

    async def get(self, target: str) -> tuple[int, dict[str, Any]]:
        """As ``post``."""
        status, text = await self.send("GET", target)
        return status, json.loads(text)

    async def send(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """As ``post``, of whatever a body may be; it is JSON where the headers do not say otherwise."""
        named = {"Content-Type": "application/json"} if body else {}
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in {**named, **(headers or {})}.items()]
        return await self._ask("\r\n".join((*lines, "", "")).encode() + body)

    def close(self) -> None:
        """Cuts the connections that nobody uses."""
        while self._idle:
            self._idle.pop()[0][1].close()

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        async with asyncio.timeout(self._patience_s):
            connection = self._living() or await self._connect()
            try:
                connection[1].write(request)
                answer = await _read(connection[0])
            except BaseException:
                connection[1].close()
                # The process may have died: the others would be cut as well.
                self.close()
                raise
        self._idle.append((connection, time.monotonic()))
        return answer

    def _living(self) -> Connection | None:
        """The connection that was used last, unless the server has closed it meanwhile, or may just now."""
        while self._idle:
            connection, used_s = self._idle.pop()
            if time.monotonic() - used_s < _IDLE_FOR_S and not connection[0].at_eof():
                return connection
            connection[1].close()
        return None

    async def _connect(self) -> Connection:
        host, _, port = self.host.rpartition(":")
        return await asyncio.open_connection(host, int(port))


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status, length = int(head.split(" ", 2)[1]), 0
    for line in head.split("\r\n"):
        if line.startswith("content-length:"):
            length = int(line.partition(":")[2])
    return status, await reader.readexactly(length)
