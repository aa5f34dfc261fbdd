"""The wire between a browser and a server: it can stall without closing, and be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from app.core.tasks import end_all

_CHUNK_BYTES = 65536


class Wire:
    """A TCP proxy on a port of its own. While it is stalled it takes connections and forwards nothing."""

    def __init__(self, port: int) -> None:
        self.base = ""
        self._upstream = port
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """Listens for as long as the block lasts."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.cut()
            server.close()
            await end_all(list(self._tasks))

    def stall(self) -> None:
        """What is sent from now on arrives when the wire is mended, all of it."""
        self._flows.clear()

    def cut(self) -> None:
        """Ends every connection, and each new one at once."""
        self._is_cut = True
        for one in self._writers:
            one.transport.abort()

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        await self._flows.wait()
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        ways = [asyncio.create_task(self._forward(*way)) for way in ((reader, there), (back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= {writer, there}
            for one in (writer, there):
                one.transport.abort()
            await end_all(ways)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while sent := await reader.read(_CHUNK_BYTES):
                await self._flows.wait()
                writer.write(sent)
                await writer.drain()
