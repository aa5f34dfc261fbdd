"""Requests at a steady pace that waits for nobody: what is slow makes those after it wait, and is seen."""

import asyncio
import random
from time import monotonic

from tests.chaos.drivers import HttpCounter, Wanted
from tests.chaos.history import Action, Answer, Asked, History, Outcome
from tests.chaos.region import Region

NAMES_A_SLOT = 0.1
HELD_SHARE = 0.3


class Stream:
    """``left_alone``: the numbers of the lots that nobody books any more."""

    def __init__(self, region: Region, history: History, seed: str, per_s: float) -> None:
        self.history = history
        self.left_alone: set[int] = set()
        self._region = region
        self._source = random.Random(seed)
        self._per_s = per_s
        self._counters = [HttpCounter(wire) for wire in region.wires]
        self._held: list[tuple[int, str, Answer]] = []
        self._most_held = int(len(region.busy) * region.lot_slots * HELD_SHARE)
        self._over = asyncio.Event()
        self._made = 0

    async def run(self) -> None:
        """Sends until ``end``, and returns when everything was answered."""
        next_s = monotonic()
        async with asyncio.TaskGroup() as sent:
            while not self._over.is_set():
                sent.create_task(self._send())
                next_s += 1 / self._per_s
                await asyncio.sleep(next_s - monotonic())

    def end(self) -> None:
        self._over.set()

    async def _send(self) -> None:
        counter = self._source.choice(self._counters)
        self._made += 1
        if self._held and (self._source.random() < 0.5 or len(self._held) >= self._most_held):
            at = self._source.randrange(len(self._held))
            if self._held[at][0] not in self.left_alone:
                await self._leave(counter, *self._held.pop(at))
                return
        await self._arrive(counter)

    async def _arrive(self, counter: HttpCounter) -> None:
        number = self._source.choice([one for one in self._region.busy if one not in self.left_alone])
        place, name = self._region.place(number), f"S{self._made}"
        wanted = Wanted(name, name, lot=place.lot)
        if self._source.random() < NAMES_A_SLOT:
            wanted = Wanted(name, name, slot=self._source.choice(place.slots))
        asked = Asked(0, Action.RESERVE, name, name, place.fitting(wanted))
        answer = await self.history.record(asked, counter.reserve(wanted))
        if answer.outcome is Outcome.OK:
            self._held.append((number, name, answer))

    async def _leave(self, counter: HttpCounter, number: int, entity: str, held: Answer) -> None:
        key = f"L{self._made}"
        asked = Asked(0, Action.UNRESERVE, key, entity, frozenset({held.slot}), held.reservation)
        await self.history.record(asked, counter.unreserve(entity, held.slot, key))
