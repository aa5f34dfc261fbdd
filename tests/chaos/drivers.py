"""Drivers who reserve and leave as fast as they can, in ways that get in one another's way."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx2

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.errors import Problem
from app.slots.layout import Wish
from tests.chaos.history import Action, Answer, Asked, History, Outcome

NAMES_A_SLOT, NAMES_NO_LOT = 0.25, 0.25
WANTS_STANDARD, WANTS_PREMIUM = 0.15, 0.25
SENDS_TWICE, ASKS_AGAIN, WANTS_ANOTHER = 0.10, 0.10, 0.10
_RETRY_S = 0.2
# After a refusal a driver looks about before it asks again.
_LOOKS_ABOUT_S = 0.02


@dataclass(frozen=True)
class Wanted:
    """One reserve, however it is sent. ``premium``: as in the REST surface."""

    entity: str
    key: str
    lot: str | None = None
    slot: str | None = None
    premium: bool | None = None


class Counter(Protocol):
    """Where drivers are served: a desk in this process, or a web process over HTTP."""

    async def reserve(self, wanted: Wanted) -> Answer: ...

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer: ...


class DeskCounter:
    """The service functions over one desk, as one web process calls them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def reserve(self, wanted: Wanted) -> Answer:
        request = ReserveRequest(
            wanted.entity,
            lot=wanted.lot,
            slot=wanted.slot,
            wish=Wish(premium=wanted.premium),
            idempotency=IdempotencyKey("chaos", wanted.key, wanted.key),
        )
        try:
            done = await reserve(self._desk, request)
        except Problem as problem:
            return _refusal(problem.status, problem.type)
        return Answer(Outcome.OK, "", done.slot, done.reservation)

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer:
        request = UnreserveRequest(entity, slot, idempotency=IdempotencyKey("chaos", key, key))
        try:
            done = await unreserve(self._desk, request)
        except Problem as problem:
            return _refusal(problem.status, problem.type)
        return Answer(Outcome.OK, "", done.slot, done.reservation)


class HttpCounter:
    """The REST surface of one web process, which may die at any time."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def reserve(self, wanted: Wanted) -> Answer:
        fields = {"lot": wanted.lot, "slot": wanted.slot, "premium": wanted.premium}
        body = {name: value for name, value in fields.items() if value is not None}
        return await self._post("reserve", {"entityIdentifier": wanted.entity, **body}, wanted.key)

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer:
        return await self._post("unreserve", {"entityIdentifier": entity, "slot": slot}, key)

    async def _post(self, action: str, body: dict[str, object], key: str) -> Answer:
        try:
            response = await self._client.post(
                "/parking", params={"action": action}, json=body, headers={"Idempotency-Key": key}
            )
        except httpx2.TransportError as error:
            return Answer(Outcome.UNKNOWN, type(error).__name__)
        if response.status_code == 200:
            done = response.json()
            return Answer(Outcome.OK, "", done["slot"], done["reservation"])
        kind = "not a problem"
        if response.headers["content-type"].startswith("application/problem+json"):
            kind = response.json()["type"].removeprefix("/problems/")
        return _refusal(response.status_code, kind)


def _refusal(status: int, kind: str) -> Answer:
    return Answer(Outcome.REFUSED if status < 500 else Outcome.UNKNOWN, kind)


@dataclass(frozen=True)
class Place:
    """The lot that all want. ``premium``: those of ``slots`` that are premium."""

    lot: str
    slots: tuple[str, ...]
    premium: frozenset[str]

    def fitting(self, wanted: Wanted) -> frozenset[str]:
        """The slots that would do."""
        if wanted.slot is not None:
            return frozenset({wanted.slot})
        return frozenset(slot for slot in self.slots if wanted.premium in (None, slot in self.premium))


class Driver:
    """One client: holds one booking at a time, and sends everything under a key of its own."""

    def __init__(
        self,
        number: int,
        counters: Sequence[Counter],
        place: Place,
        history: History,
        source: random.Random,
        mean_stay_s: float,
    ) -> None:
        self._number = number
        self._counters = counters
        self._place = place
        self._history = history
        self._source = source
        self._mean_stay_s = mean_stay_s
        self._made = 0

    async def drive(self, over: asyncio.Event) -> None:
        """Comes and goes until ``over``; then the last booking is kept."""
        while not over.is_set():
            wanted = self._new_wish()
            held = await self._arrive(wanted)
            if held is None:
                await asyncio.sleep(self._source.uniform(0, 2 * _LOOKS_ABOUT_S))
                continue
            await asyncio.sleep(self._source.uniform(0, 2 * self._mean_stay_s))
            if over.is_set():
                return
            await self._fidget(wanted)
            await self._leave(wanted, held)

    async def _arrive(self, wanted: Wanted) -> Answer | None:
        times = 2 if self._source.random() < SENDS_TWICE else 1
        answers = await asyncio.gather(*(self._reserve(wanted) for _ in range(times)))
        told = [answer for answer in answers if answer.outcome is Outcome.OK]
        return told[0] if told else None

    async def _fidget(self, wanted: Wanted) -> None:
        """Sends the old request again, or wants another slot for the same entity; mostly neither."""
        chance = self._source.random()
        if chance < ASKS_AGAIN:
            await self._reserve(wanted)
        elif chance < ASKS_AGAIN + WANTS_ANOTHER:
            await self._reserve(Wanted(wanted.entity, self._new_name(), self._place.lot))

    async def _leave(self, wanted: Wanted, held: Answer) -> None:
        key = self._new_name()
        asked = Asked(
            self._number,
            Action.UNRESERVE,
            key,
            wanted.entity,
            frozenset({held.slot}),
            held.reservation,
        )
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
            answer = await self._history.record(asked, send(self._source.choice(self._counters)))
            if answer.outcome is not Outcome.UNKNOWN:
                return answer
            await asyncio.sleep(_RETRY_S)


class Send(Protocol):
    """One attempt of a request at a counter."""

    async def __call__(self, counter: Counter) -> Answer: ...


async def race(drivers: Sequence[Driver], history: History, operations: int) -> None:
    """Lets all drivers go until the history has so many operations, and what was begun has ended."""
    over = asyncio.Event()
    running = [asyncio.create_task(driver.drive(over)) for driver in drivers]
    try:
        await history.reaches(operations)
    finally:
        over.set()
        await asyncio.gather(*running)
