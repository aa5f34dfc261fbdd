"""The way between a process and a server: it is cut, stands still or loses a reply, once, when told to."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path

from app.core.tasks import end_all

_CHUNK_BYTES = 65536
# PostgreSQL's word for a statement that is done, but for the BEGIN before it.
_STATEMENT_DONE = re.compile(rb"C\x00\x00\x00.(?!BEGIN)[A-Z]+[ 0-9]*\x00", re.DOTALL)
# redis-py introduces itself on each new connection.
_INTRODUCTION = b"$6\r\nCLIENT\r\n"


class Mishap(Enum):
    """``CUT``: a request does not arrive. ``SILENT``: neither that, nor is anybody told. ``REPLY_LOST``: it
    does arrive, and instead of its reply the connection is cut."""

    CUT = "cut"
    SILENT = "silent"
    REPLY_LOST = "reply lost"


def of_postgresql(request: bytes, reply: bytes) -> bool:
    """Whether this reply says that a statement was executed."""
    return _STATEMENT_DONE.search(reply) is not None


def of_redis(request: bytes, reply: bytes) -> bool:
    """Whether this reply is to a call of the application."""
    return _INTRODUCTION not in request


class Wire:
    """A TCP port that leads to the unix socket ``upstream``. Where it ``is_dead`` it leads nowhere, but for
    the one mishap that it is told of. ``asked`` counts what was sent, ``struck`` says whether that occurred.
    """

    def __init__(self, upstream: Path, answers: Callable[[bytes, bytes], bool]) -> None:
        self.is_dead = False
        self.asked = 0
        self.struck = False
        self.port = 0
        self._next: Mishap | None = None
        self._upstream = upstream
        self._answers = answers
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await end_all(self._tasks)

    def next(self, mishap: Mishap | None) -> None:
        """What happens to the next request, or to its reply. With ``None`` nothing does any more."""
        self._next, self.struck = mishap, False

    def cut(self) -> None:
        """Cuts every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._upstream))
        request = bytearray()
        ways = [
            asyncio.create_task(self._there(reader, server_writer, request)),
            asyncio.create_task(self._back(server_reader, writer, request)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_all(ways)
            self._writers.discard(writer)
            # Not closed but cut: whoever waits for an answer is to know at once.
            for one in (writer, server_writer):
                one.transport.abort()

    async def _there(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, request: bytearray
    ) -> None:
        while sent := await reader.read(_CHUNK_BYTES):
            self.asked += 1
            request[:] = sent
            if self._next is Mishap.SILENT:
                self._strike()
                continue
            if self._next is Mishap.CUT:
                self._strike()
                return
            if self.is_dead and self._next is None:
                return
            server.write(sent)
            await server.drain()

    async def _back(
        self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytearray
    ) -> None:
        while reply := await server.read(_CHUNK_BYTES):
            if self._next is Mishap.REPLY_LOST and self._answers(request, reply):
                self._strike()
                return
            writer.write(reply)
            await writer.drain()

    def _strike(self) -> None:
        self._next, self.struck = None, True
