"""The websocket of a web process, as viewers may use it: they listen, and say next to nothing."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.core.clock import monotonic_s

# Its first request with its cookies, then an answer to the server's ping now and then. A single read may hold
# tens of thousands of empty frames, and is worked through in one go: everybody else would wait.
SAYS_AT_ONCE_BYTES = 32_768
SAYS_BYTES_PER_S = 512
# The feed closes who takes no frame for ten seconds with a word; who does not even take that is cut off.
TAKES_WITHIN_S = 15.0


class ViewerProtocol(WebSocketsSansIOProtocol):
    """Cuts off who sends more than a viewer has to say, or takes nothing of what it is sent."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._may_say_bytes = float(SAYS_AT_ONCE_BYTES)
        self._said_at_s = monotonic_s()
        self._cut_off: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        now_s = monotonic_s()
        more_bytes = (now_s - self._said_at_s) * SAYS_BYTES_PER_S
        self._may_say_bytes = min(SAYS_AT_ONCE_BYTES, self._may_say_bytes + more_bytes) - len(data)
        self._said_at_s = now_s
        if self._may_say_bytes < 0:
            self.transport.abort()
            return
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut_off = self.loop.call_later(TAKES_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._keep()

    def connection_lost(self, exc: Exception | None) -> None:
        self._keep()
        super().connection_lost(exc)

    def _keep(self) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None
