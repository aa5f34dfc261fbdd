"""Processes whose clocks are wrong by ten minutes: the database's time alone decides."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from sqlalchemy import select, update

from app.bookings.answers import KEPT_FOR
from app.bookings.models import StoredAnswer
from app.bookings.records import HISTORY, RESERVATION
from app.payments.bills import HOLDS_AT_LEAST
from app.payments.queries import TARIFF
from app.payments.tariffs.documents import as_text
from app.payments.tariffs.lines import PerIncrement
from tests.chaos.bookings import Bookings, Stay
from tests.chaos.checker import Violation
from tests.chaos.drivers import Habits, HttpCounter, Wanted
from tests.chaos.history import NEVER, Action, Asked, History, Outcome
from tests.chaos.town import Town
from tests.chaos.waiting import TooLate, until_none

CLIENTS, SLOTS, PREMIUM_SLOTS = 24, 60, 6
HABITS = Habits(most_held=4, arrives=0.6, pause_s=0.1)
WRONG_BY_S = 600
# A started second costs this much, a second of a premium slot twice as much: ten minutes would show.
SECOND_COSTS_MINOR = 7
SETTLES_WITHIN_S = 5.0
# Between this clock and the database's, which are one, and between two lines of this program.
_INEXACT = timedelta(seconds=0.05)
_MARGIN = timedelta(minutes=5)
_KEPT = 5
_ANSWER = StoredAnswer.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Timed:
    """What came of it. ``amounts``: how many fees were computed again and compared."""

    amounts: int
    found: list[Violation]


def wrong_clocks(webs: int) -> dict[str, Mapping[str, str]]:
    """The workers and the first web process ten minutes ahead, the second ten minutes behind."""
    ahead = ("status", "bookings", "web-1")
    offsets_s = {**dict.fromkeys(ahead, WRONG_BY_S), "web-2": -WRONG_BY_S}
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        raise RuntimeError("clocks can't be set wrong without Debian's package faketime")
    return {
        name: {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME": f"{offset_s:+d}s",
            # Only what it is called to be changes, not how fast it goes by.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        for name, offset_s in offsets_s.items()
        if not name.startswith("web-") or int(name.removeprefix("web-")) <= webs
    }


async def run_with_wrong_clocks(
    town: Town, history: History, seed: str, operations: int, seconds: float
) -> Timed:
    """Traffic, then every fee is computed again, and what is nearly too old is asked for once more."""
    await _charge_by_the_second(town)
    wall_minus_monotonic_s = time.time() - time.monotonic()
    traffic = town.traffic(history, seed, CLIENTS, HABITS)
    kept = _Kept(town, history)
    found = await kept.ask()
    await traffic.run(operations, seconds)
    found += await kept.age()
    found += await kept.ask()
    try:
        await town.converged(SETTLES_WITHIN_S)
    except TooLate as late:
        found.append(Violation("left behind", str(late)))
    found += await town.violations(history)
    stays = Bookings(history.operations).stays
    amounts, wrong = await _compare_ended(town, stays, wall_minus_monotonic_s)
    found += wrong
    running = [stay for stay in stays.values() if not stay.asked_to_end]
    found += await _ask_what_they_cost(town, running)
    found += await _name_the_time(town)
    return Timed(amounts, found)


async def _charge_by_the_second(town: Town) -> None:
    lines = [
        PerIncrement(premium=premium, price_minor=SECOND_COSTS_MINOR * times, increment_s=1, per_s=1)
        for premium, times in ((False, 1), (True, 2))
    ]
    async with town.desk.database.unit_of_work() as connection:
        await connection.execute(update(TARIFF).values(lines=as_text(lines)))


def _cost_minor(lasted: timedelta, *, premium: bool) -> int:
    """What the tariff says: so much for every started second."""
    return ceil(lasted / timedelta(seconds=1)) * SECOND_COSTS_MINOR * (2 if premium else 1)


async def _compare_ended(
    town: Town, stays: Mapping[str, Stay], wall_minus_monotonic_s: float
) -> tuple[int, list[Violation]]:
    """Each ended booking against what its client saw on a clock that is right."""
    async with town.desk.database.look() as connection:
        rows = (await connection.execute(select(HISTORY))).mappings().all()
    found = []
    for row in rows:
        stay = stays[row["id"]]
        began, ended = row["start_at"], row["ended_at"]
        told = [stay.possible_from_s, stay.certain_from_s, stay.certain_until_s, stay.possible_until_s]
        first, last, left, gone = (_instant(one + wall_minus_monotonic_s) for one in told)
        if not (first <= began + _INEXACT and began - _INEXACT <= last):
            found.append(Violation("wrong beginning", f"{began} is not from {first} to {last}"))
        if not (left <= ended + _INEXACT and ended - _INEXACT <= gone):
            found.append(Violation("wrong end", f"{ended} is not from {left} to {gone}"))
        expected_minor = _cost_minor(ended - began, premium=row["premium"])
        if row["amount_minor"] != expected_minor:
            found.append(Violation("wrong amount", f"{row['amount_minor']} is not {expected_minor}"))
    return len(rows), found


async def _ask_what_they_cost(town: Town, running: list[Stay]) -> list[Violation]:
    """What a running booking costs at the end of the minute that a quote holds, at every web process."""
    async with town.desk.database.look() as connection:
        rows = {row["id"]: row for row in (await connection.execute(select(RESERVATION))).mappings()}
    found = []
    for number, stay in enumerate(running):
        row, wire = rows[stay.reservation], town.wires[number % len(town.wires)]
        before = datetime.now(UTC) - _INEXACT
        status, told = await wire.post("/parking/payment?action=calculate", {"reservation": stay.reservation})
        after = datetime.now(UTC) + _INEXACT
        least, most = (
            _cost_minor(instant + HOLDS_AT_LEAST - row["start_at"], premium=row["premium"])
            for instant in (before, after)
        )
        if status != 200 or not least <= told["amountMinor"] <= most:
            found.append(Violation("wrong amount", f"{told} at {wire.host} is not from {least} to {most}"))
    return found


class _Kept:
    """Bookings that are asked for before everything else, and again when their answers are old."""

    def __init__(self, town: Town, history: History) -> None:
        self._town = town
        self._history = history
        self._wishes = [Wanted(f"KEPT{one}", f"KEPT{one}", town.place.lot) for one in range(_KEPT)]

    async def ask(self) -> list[Violation]:
        """Sends each request to every web process; that the answers are one booking is for the checker."""
        found = []
        for wanted in self._wishes:
            asked = Asked(0, Action.RESERVE, wanted.key, wanted.entity, self._town.place.fitting(wanted))
            for wire in self._town.wires:
                answer = await self._history.record(asked, HttpCounter(wire).reserve(wanted))
                if answer.outcome is not Outcome.OK:
                    found.append(Violation("not answered again", f"{wanted.key} at {wire.host}: {answer}"))
        return found

    async def age(self) -> list[Violation]:
        """Makes every stored answer so old that it may be forgotten in a few minutes, and one even older.

        Returns when that one was forgotten: then somebody has looked at the others as well.
        """
        database, now = self._town.desk.database, datetime.now(UTC)
        eldest = _ANSWER.c.key == self._wishes.pop().key
        async with database.unit_of_work() as connection:
            await connection.execute(update(_ANSWER).values(created_at=now - KEPT_FOR + _MARGIN))
            await connection.execute(
                update(_ANSWER).where(eldest).values(created_at=now - KEPT_FOR - _MARGIN)
            )

        async def eldest_is_there() -> list[str]:
            async with database.look() as connection:
                return list((await connection.execute(select(_ANSWER.c.key).where(eldest))).scalars())

        try:
            await until_none(eldest_is_there, SETTLES_WITHIN_S, "what is too old is forgotten")
        except TooLate as late:
            return [Violation("kept too long", str(late))]
        return []


async def _name_the_time(town: Town) -> list[Violation]:
    """A client whose clock is right may name the time, at every web process."""
    found = []
    for number, wire in enumerate(town.wires):
        body = {"entityIdentifier": f"TIMELY {number}", "lot": town.place.lot}
        for action in ("reserve", "unreserve"):
            body["time"] = datetime.now(UTC).isoformat()
            status, told = await wire.post(f"/parking?action={action}", body)
            if status not in (200, 404):
                found.append(Violation("time refused", f"{action} at {wire.host}: {told}"))
            body = {"entityIdentifier": f"TIMELY {number}", "slot": told.get("slot", "")}
            if status != 200:
                break
    return found


def _instant(wall_s: float) -> datetime:
    return datetime.max.replace(tzinfo=UTC) if wall_s == NEVER else datetime.fromtimestamp(wall_s, UTC)
