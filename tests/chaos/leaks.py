"""Slots that are free in SQL and can't be had: what a lost lease or a lost bit would leave behind."""

import asyncio
import time

from app.slots.models import State
from app.slots.status import LEASE_MS
from tests.chaos.checker import Violation
from tests.chaos.drivers import HttpCounter, Wanted
from tests.chaos.history import Outcome
from tests.chaos.town import Town
from tests.chaos.truth import read_slots

_AT_ONCE = 8


async def leaked(town: Town, within_s: float) -> list[Violation]:
    """Waits until every lease has run out; then Redis must equal SQL, and every free slot can be booked.

    Ask while no request is under way. Afterwards the lot is full.
    """
    await asyncio.sleep(LEASE_MS / 1000)
    counter = HttpCounter(town.wires[0])
    # Whoever asks first takes back what has run out.
    first = await counter.reserve(Wanted("FIRST", "FIRST", town.place.lot))
    await town.converged(within_s)
    left = await town.redis.zcard(f"lot:{{{town.lot_id}}}:leases")
    found = [Violation("leaked lease", f"{left} leases after their end")] if left else []
    free = sum(slot.state is State.FREE for slot in await read_slots(town.desk.database, town.lot_id))
    booked, number, refusals = 0, 0, []

    async def book() -> None:
        nonlocal booked, number
        while True:
            number += 1
            name = f"LAST{number}"
            answer = await counter.reserve(Wanted(name, name, town.place.lot))
            if answer.outcome is not Outcome.OK:
                refusals.append(answer.refusal)
                return
            booked += 1

    began_s = time.monotonic()
    await asyncio.gather(*(book() for _ in range(_AT_ONCE)))
    if booked != free or {*refusals} != {"all-taken"}:
        took_s = time.monotonic() - began_s
        found.append(Violation("leaked slot", f"{booked} of {free} in {took_s:.1f} s, then {refusals}"))
    if free and first.outcome is not Outcome.OK:
        found.append(Violation("leaked slot", f"{free} were free, and the first heard {first.refusal}"))
    return found
