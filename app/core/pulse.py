"""Whether a server answers, asked for every second, so that no request has to find out by waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from app.core import metrics
from app.core.clock import monotonic_s
from app.core.tasks import end_all

log = structlog.get_logger()
ASK_EVERY_S = 1.0
ASK_AGAIN_S = 0.2
# A busy machine keeps a question waiting for a second.
ANSWERS_WITHIN_S = 2.0
# A question that was not answered for so long is given up and put anew: its connection may be dead.
GIVE_UP_S = 4.0
# Who wakes up so much later than was asked for has stood still itself, and knows nothing of the other.
STOOD_STILL_S = 0.25


class Pulse:
    """Whether SQL answers this process.

    It is felt only while ``running``; without that it is taken to answer. A long statement is no silence:
    ``ask`` has a connection of its own, and puts a question that takes no time.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]], gives_up_s: float = GIVE_UP_S) -> None:
        self._ask = ask
        self._gives_up_s = gives_up_s
        self._silent_because = ""
        self._silent_since_s = 0.0
        self._answered_at_s = float("-inf")
        self._readings: set[asyncio.Timeout] = set()
        self._questions: set[asyncio.Task[None]] = set()

    @property
    def is_felt(self) -> bool:
        """Whether it answered when it was asked last."""
        return not self._silent_because

    @property
    def silent_for_s(self) -> float:
        """How long it has not answered; 0 while it does."""
        return 0.0 if self.is_felt else monotonic_s() - self._silent_since_s

    def has_answered_since(self, instant_s: float) -> bool:
        """Whether it has answered a question after that instant of the monotonic clock."""
        return self._answered_at_s > instant_s

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Around a reading. ConnectionError at once while there is no answer, TimeoutError where it stops."""
        if self._silent_because:
            raise ConnectionError(self._silent_because)
        async with asyncio.timeout(None) as reading:
            self._readings.add(reading)
            try:
                yield
            finally:
                self._readings.discard(reading)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Asks for as long as the block lasts."""
        metrics.SQL_ANSWERS.set(self.is_felt)
        asking = asyncio.create_task(self._keep_asking(), name="pulse")
        try:
            yield
        finally:
            await end_all([asking, *self._questions])

    async def _keep_asking(self) -> None:
        while True:
            question = asyncio.create_task(self._put())
            self._questions.add(question)
            question.add_done_callback(self._questions.discard)
            if not await _is_done_within(question, ANSWERS_WITHIN_S):
                self._hears(f"no answer for {ANSWERS_WITHIN_S:g} s")
                await _is_done_within(question, self._gives_up_s - ANSWERS_WITHIN_S)
                question.cancel()
            await asyncio.sleep(ASK_EVERY_S if self.is_felt else ASK_AGAIN_S)

    async def _put(self) -> None:
        try:
            await self._ask()
        except Exception as error:
            self._hears(str(error) or repr(error))
        else:
            self._hears("")

    def _hears(self, silent_because: str) -> None:
        if silent_because and self.is_felt:
            self._silent_since_s = monotonic_s()
            log.error("sql.away", error=silent_because)
            interrupted, self._readings = self._readings, set()
            for reading in interrupted:
                reading.reschedule(asyncio.get_running_loop().time())
        elif not silent_because and not self.is_felt:
            log.info("sql.back")
        if not silent_because:
            self._answered_at_s = monotonic_s()
        self._silent_because = silent_because
        metrics.SQL_ANSWERS.set(self.is_felt)


async def _is_done_within(task: asyncio.Task[Any], wait_s: float) -> bool:
    """Whether it ends in that time, as far as this process was awake in it."""
    while not task.done():
        began_s = monotonic_s()
        await asyncio.wait({task}, timeout=wait_s)
        if monotonic_s() - began_s < wait_s + STOOD_STILL_S:
            break
    return task.done()
