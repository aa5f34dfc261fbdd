"""Drivers who reserve and leave as fast as they can, in ways that get in one another's way."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.tasks import end_all
from tests.chaos.history import Action, Answer, Asked, History, Outcome
from tests.chaos.wire import WIRE_IS_CUT, Wire

NAMES_A_SLOT, NAMES_NO_LOT = 0.15, 0.15
WANTS_STANDARD, WANTS_PREMIUM = 0.10, 0.10
SENDS_TWICE, ASKS_AGAIN, WANTS_ANOTHER = 0.05, 0.05, 0.05
IN_FLIGHT = "request-in-flight"
_RETRY_S = 0.1
# Longer than any lease, lock or connection may stand in the way of one request.
_KNOWN_WITHIN_S = 45.0


class NeverAnswered(AssertionError):
    """A request was sent again and again, and never got an answer that says what came of it."""


@dataclass(frozen=True)
class Wanted:
    """One reserve, however it is sent. ``premium``: as in the REST surface."""

    entity: str
    key: str
    lot: str | None = None
    slot: str | None = None
    premium: bool | None = None


class Counter(Protocol):
    """Where drivers are served."""

    async def reserve(self, wanted: Wanted) -> Answer: ...

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer: ...


class HttpCounter:
    """The REST surface of one web process, which may die at any time."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def reserve(self, wanted: Wanted) -> Answer:
        fields = {"lot": wanted.lot, "slot": wanted.slot, "premium": wanted.premium}
        body = {name: value for name, value in fields.items() if value is not None}
        return await self._post("reserve", {"entityIdentifier": wanted.entity, **body}, wanted.key)

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer:
        return await self._post("unreserve", {"entityIdentifier": entity, "slot": slot}, key)

    async def _post(self, action: str, body: dict[str, Any], key: str) -> Answer:
        try:
            status, told = await self._wire.post(f"/parking?action={action}", body, Idempotency_Key=key)
        except WIRE_IS_CUT as error:
            return Answer(Outcome.UNKNOWN, type(error).__name__)
        if status == 200:
            return Answer(Outcome.OK, "", told["slot"], told["reservation"], told.get("amountMinor"))
        refusal = told["type"].removeprefix("/problems/")
        known = status < 500 and refusal != IN_FLIGHT
        named = told.get("slot", ""), told.get("reservation", "")
        return Answer(Outcome.REFUSED if known else Outcome.UNKNOWN, refusal, *named)


@dataclass(frozen=True)
class Place:
    """The lot that all want. ``premium``: those of ``slots`` that are premium."""

    lot: str
    slots: tuple[str, ...]
    premium: frozenset[str]

    def __post_init__(self) -> None:
        everything = frozenset(self.slots)
        kinds = {None: everything, True: self.premium, False: everything - self.premium}
        object.__setattr__(self, "_kinds", kinds)

    def fitting(self, wanted: Wanted) -> frozenset[str]:
        """The slots that would do."""
        if wanted.slot is not None:
            return frozenset({wanted.slot})
        kinds: dict[bool | None, frozenset[str]] = self._kinds  # type: ignore[attr-defined]
        return kinds[wanted.premium]


@dataclass(frozen=True)
class Habits:
    """``most_held``: bookings that one driver holds at once. ``arrives``: how often, of all that it does, it
    wants one more; else one of those held is given back. ``pause_s``: the mean time between two things.
    """

    most_held: int = 6
    arrives: float = 0.72
    pause_s: float = 0.02


class Driver:
    """One client: holds some bookings, and sends everything under a key of its own."""

    def __init__(
        self,
        number: int,
        counters: Sequence[Counter],
        place: Place,
        history: History,
        source: random.Random,
        habits: Habits,
        may_send: asyncio.Event,
    ) -> None:
        self._number = number
        self._counters = counters
        self._place = place
        self._history = history
        self._source = source
        self._habits = habits
        self._may_send = may_send
        self._held: list[tuple[Wanted, Answer]] = []
        self._made = 0

    async def drive(self, over: asyncio.Event) -> None:
        """Comes and goes until ``over``; what is held then is kept."""
        while not over.is_set():
            await asyncio.sleep(self._source.uniform(0, 2 * self._habits.pause_s))
            chance = self._source.random()
            if self._held and (chance >= self._habits.arrives or len(self._held) >= self._habits.most_held):
                await self._leave(*self._held.pop(self._source.randrange(len(self._held))))
            else:
                await self._arrive(self._new_wish())

    async def _arrive(self, wanted: Wanted) -> None:
        times = 2 if self._source.random() < SENDS_TWICE else 1
        answers = await asyncio.gather(*(self._reserve(wanted) for _ in range(times)))
        told = [answer for answer in answers if answer.outcome is Outcome.OK]
        if not told:
            return
        self._held.append((wanted, told[0]))
        chance = self._source.random()
        if chance < ASKS_AGAIN:
            await self._reserve(wanted)
        elif chance < ASKS_AGAIN + WANTS_ANOTHER:
            await self._reserve(Wanted(wanted.entity, self._new_name(), self._place.lot))

    async def _leave(self, wanted: Wanted, held: Answer) -> None:
        key, fitting = self._new_name(), frozenset({held.slot})
        asked = Asked(self._number, Action.UNRESERVE, key, wanted.entity, fitting, held.reservation)
        times = 2 if self._source.random() < SENDS_TWICE else 1

        async def leave() -> Answer:
            return await self._until_known(
                asked, lambda counter: counter.unreserve(wanted.entity, held.slot, key)
            )

        await asyncio.gather(*(leave() for _ in range(times)))

    def _new_wish(self) -> Wanted:
        name = self._new_name()
        chance = self._source.random()
        if chance < NAMES_A_SLOT:
            return Wanted(name, name, slot=self._source.choice(self._place.slots))
        lot = None if chance < NAMES_A_SLOT + NAMES_NO_LOT else self._place.lot
        chance = self._source.random()
        premium = False if chance < WANTS_STANDARD else None
        if 1 - chance < WANTS_PREMIUM:
            premium = True
        return Wanted(name, name, lot=lot, premium=premium)

    def _new_name(self) -> str:
        self._made += 1
        return f"D{self._number}N{self._made}"

    async def _reserve(self, wanted: Wanted) -> Answer:
        asked = Asked(self._number, Action.RESERVE, wanted.key, wanted.entity, self._place.fitting(wanted))
        return await self._until_known(asked, lambda counter: counter.reserve(wanted))

    async def _until_known(self, asked: Asked, send: "Send") -> Answer:
        """Sends the same request again until its outcome is known, as a client with a key may."""
        while True:
            await self._may_send.wait()
            answer = await self._history.record(asked, send(self._source.choice(self._counters)))
            if answer.outcome is not Outcome.UNKNOWN:
                return answer
            await asyncio.sleep(self._source.uniform(0, 2 * _RETRY_S))


class Send(Protocol):
    """One attempt of a request at a counter."""

    async def __call__(self, counter: Counter) -> Answer: ...


class Traffic:
    """Many drivers who come and go until it ends; it can be held up in between."""

    def __init__(
        self,
        counters: Sequence[Counter],
        place: Place,
        history: History,
        seed: str,
        drivers: int,
        habits: Habits,
    ) -> None:
        self.history = history
        self._may_send = asyncio.Event()
        self._over = asyncio.Event()
        self._drivers = [
            Driver(
                number,
                counters,
                place,
                history,
                random.Random(f"{seed} {number}"),
                habits,
                self._may_send,
            )
            for number in range(drivers)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def go(self) -> None:
        """Lets everybody send, from the first time on."""
        self._may_send.set()
        if not self._tasks:
            self._tasks = [asyncio.create_task(driver.drive(self._over)) for driver in self._drivers]

    async def reaches(self, operations: int) -> None:
        """Returns when the history has so many operations; fails with a driver who fails."""
        reached = asyncio.create_task(self.history.reaches(operations))
        try:
            done, _ = await asyncio.wait([reached, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*done)
        finally:
            reached.cancel()

    async def run(self, operations: int, seconds: float) -> None:
        """All of it, until so many operations or seconds, whichever comes first."""
        self.go()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reaches(operations)
        await self.end()

    async def halt(self) -> None:
        """Nobody sends any more; returns when nothing is under way. What is unknown then stays unknown."""
        self._may_send.clear()
        await self.history.rests()

    async def end(self) -> None:
        """Returns when the outcome of everything that was begun is known; fails where that takes too long."""
        self._may_send.set()
        self._over.set()
        try:
            async with asyncio.timeout(_KNOWN_WITHIN_S):
                await asyncio.gather(*self._tasks)
        except TimeoutError:
            raise NeverAnswered(self.history.tally()) from None

    async def abandon(self) -> None:
        """Ends all at once, whatever is under way."""
        await end_all(self._tasks)
