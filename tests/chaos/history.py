"""What clients asked and what they were answered, each with two instants of one monotonic clock."""

import asyncio
import json
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

NEVER = math.inf


class Action(StrEnum):
    RESERVE = "reserve"
    UNRESERVE = "unreserve"


class Outcome(StrEnum):
    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """What a client was told. ``refusal`` is the problem's type, or why nothing is known.

    ``slot`` and ``reservation``: of the booking that was made or ended, or that a refusal names.
    ``amount_minor``: what an end costs.
    """

    outcome: Outcome
    refusal: str = ""
    slot: str = ""
    reservation: str = ""
    amount_minor: int | None = None


@dataclass(frozen=True)
class Asked:
    """What a client asks. ``fitting``: the slots that would do. ``reservation``: the one that is to end."""

    client: int
    action: Action
    key: str
    entity: str
    fitting: frozenset[str]
    reservation: str = ""


@dataclass(frozen=True)
class Operation:
    """One attempt, called before anything was sent; attempts with one key are one request."""

    asked: Asked
    called_s: float
    answered_s: float
    answer: Answer


class History:
    """All operations of a run, in the order of their answers."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._under_way = 0
        self._ended = asyncio.Event()

    async def reaches(self, operations: int) -> None:
        """Returns when so many operations have ended."""
        await self._until(lambda: len(self.operations) >= operations)

    async def rests(self) -> None:
        """Returns when no operation is under way."""
        await self._until(lambda: self._under_way == 0)

    async def record(self, asked: Asked, call: Awaitable[Answer]) -> Answer:
        """Awaits ``call`` and keeps what it answered; one that is cut off has an unknown outcome."""
        called_s = time.monotonic()
        answer = Answer(Outcome.UNKNOWN, "cut off")
        self._under_way += 1
        try:
            answer = await call
        finally:
            self.operations.append(Operation(asked, called_s, time.monotonic(), answer))
            self._under_way -= 1
            self._ended.set()
        return answer

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._ended.clear()
            await self._ended.wait()

    def count(self, action: Action, outcome: Outcome, refusal: str = "") -> int:
        """How many attempts ended so."""
        return sum(
            one.asked.action is action
            and one.answer.outcome is outcome
            and refusal in ("", one.answer.refusal)
            for one in self.operations
        )

    def tally(self) -> str:
        """The numbers of a run in one line."""
        kinds: dict[str, int] = defaultdict(int)
        for one in self.operations:
            kinds[f"{one.asked.action} {one.answer.refusal or one.answer.outcome}"] += 1
        counted = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
        return f"{len(self.operations)} operations ({counted})"


def save(operations: Iterable[Operation], file: Path) -> None:
    """Writes a line of JSON for each operation, for people and for ``jq``."""
    with file.open("w") as lines:
        for one in operations:
            asked, answer = one.asked, one.answer
            told = {
                "called_s": one.called_s,
                "answered_s": one.answered_s,
                "client": asked.client,
                "action": asked.action,
                "key": asked.key,
                "entity": asked.entity,
                "fitting": sorted(asked.fitting) if len(asked.fitting) == 1 else len(asked.fitting),
                "ends": asked.reservation,
                "outcome": answer.outcome,
                "refusal": answer.refusal,
                "slot": answer.slot,
                "reservation": answer.reservation,
            }
            lines.write(json.dumps(told) + "\n")
