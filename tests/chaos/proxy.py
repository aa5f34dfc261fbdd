"""A TCP proxy that loses replies: the request arrives, and then the connection is cut instead of answered."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from app.core.tasks import end_all

_CHUNK_BYTES = 65536
# What PostgreSQL answers to a COMMIT, and to nothing else.
_COMMITTED = b"COMMIT\x00"


def any_reply(reply: bytes) -> bool:
    return True


def reply_to_commit(reply: bytes) -> bool:
    """Of PostgreSQL."""
    return _COMMITTED in reply


class LossyProxy:
    """While ``is_lossy``, loses a share of the replies that ``loses`` picks.

    What comes unasked, as on a channel, is no reply.
    """

    def __init__(self, upstream: Path, share: float, loses: Callable[[bytes], bool], source: random.Random):
        self.is_lossy = False
        self.lost = 0
        self.port = 0
        self._upstream = upstream
        self._share = share
        self._loses = loses
        self._source = source
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["LossyProxy"]:
        """Listens on a port of its own for as long as the block lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await end_all(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._upstream))
        except OSError:
            writer.close()
            return
        asked = asyncio.Event()
        ways = [
            asyncio.create_task(self._forward_requests(reader, server_writer, asked)),
            asyncio.create_task(self._forward_replies(server_reader, writer, asked)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Not closed but cut: whoever waits for an answer is to know at once.
            for one in (writer, server_writer):
                one.transport.abort()
            await end_all(ways)

    @staticmethod
    async def _forward_requests(
        reader: asyncio.StreamReader, server: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while request := await reader.read(_CHUNK_BYTES):
            asked.set()
            server.write(request)
            await server.drain()

    async def _forward_replies(
        self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while reply := await server.read(_CHUNK_BYTES):
            if asked.is_set() and self.is_lossy and self._is_lost(reply):
                self.lost += 1
                return
            asked.clear()
            writer.write(reply)
            await writer.drain()

    def _is_lost(self, reply: bytes) -> bool:
        return self._loses(reply) and self._source.random() < self._share
