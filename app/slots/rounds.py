"""When each lot is scrubbed: one after the other, spread over the time in which all of them come round."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.core import metrics
from app.core.clock import monotonic_s
from app.core.db import Database
from app.slots.rebuild import lot_ids
from app.slots.scrub import AGAIN_AFTER_S, Look, is_still_suspect, look, look_again, mend
from app.slots.status import Status

# A step takes no longer than this and one lot, so that the worker stays quick and the machine idle.
STEP_S = 0.05
DOUBTS_EVERY_S = 2.0


@dataclass(frozen=True)
class _Pending:
    """A lot that is to be looked at again."""

    first: Look
    due_at_s: float


class Rounds:
    """The scrub of one worker. ``step`` is called a few times a second.

    The first round goes as fast as the steps allow, and so does the one after an outage: while SQL was away
    it may have been restored. The others take ``period_s``. Lots that Redis has reason to doubt come first.
    """

    def __init__(
        self,
        database: Database,
        status: Status,
        period_s: float,
        clock: Callable[[], float] = monotonic_s,
        again_after_s: float = AGAIN_AFTER_S,
    ) -> None:
        self._database = database
        self._status = status
        self._period_s = period_s
        self._clock = clock
        self._again_after_s = again_after_s
        self._pending: dict[int, _Pending] = {}
        self._doubted: set[int] = set()
        self._left: deque[int] = deque()
        self._lots = 0
        self._in_hurry = True
        self._asked_at_s = float("-inf")
        self._began_at_s = self._ended_at_s = clock()

    async def step(self) -> None:
        """Does what is due, for a moment. What it raises it begins anew after."""
        metrics.SCRUB_ROUND_AGE.set(self._clock() - self._ended_at_s)
        try:
            if await self._status.is_built():
                await self._step()
            else:
                self._pending.clear()
        except Exception:
            self._begin_anew()
            raise

    def _begin_anew(self) -> None:
        self._pending.clear()
        self._left.clear()
        self._in_hurry = True

    async def _step(self) -> None:
        for lot_id, one in list(self._pending.items()):
            if one.due_at_s <= self._clock():
                await self._look_again(lot_id, one.first)
        await self._ask_for_doubts()
        until_s = self._clock() + STEP_S
        while self._clock() < until_s:
            if self._doubted:
                await self._look(self._doubted.pop())
            elif self._is_due():
                await self._go_on()
            else:
                return

    async def _go_on(self) -> None:
        if not self._left:
            await self._begin_round()
        if self._left:
            await self._look(self._left.popleft())
        if not self._left:
            self._ended_at_s = self._clock()
            if self._in_hurry:
                # The next one begins now, else the last lot would wait for nearly twice the period.
                self._in_hurry, self._began_at_s = False, float("-inf")

    def _is_due(self) -> bool:
        if self._in_hurry:
            return True
        passed_s = self._clock() - self._began_at_s
        if not self._left:
            return passed_s >= self._period_s
        return passed_s >= self._period_s * (self._lots - len(self._left)) / self._lots

    async def _begin_round(self) -> None:
        self._left = deque(await lot_ids(self._database))
        self._lots = len(self._left)
        self._began_at_s = self._clock()

    async def _ask_for_doubts(self) -> None:
        if self._clock() - self._asked_at_s >= DOUBTS_EVERY_S:
            self._asked_at_s = self._clock()
            self._doubted |= await self._status.doubted()

    async def _look(self, lot_id: int) -> None:
        metrics.LOTS_SCRUBBED.inc()
        first = await look(self._database, self._status, lot_id)
        if first.suspects:
            self._pending.setdefault(lot_id, _Pending(first, self._clock() + self._again_after_s))

    async def _look_again(self, lot_id: int, first: Look) -> None:
        del self._pending[lot_id]
        second, certain = await look_again(self._database, self._status, lot_id, first)
        if certain:
            await mend(self._database, self._status, lot_id, certain)
        if is_still_suspect(first, second, certain):
            self._pending[lot_id] = _Pending(second, self._clock() + self._again_after_s)
