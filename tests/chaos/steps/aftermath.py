"""After all cells: a worker runs, everything agrees soon, and every free slot can still be had."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from app.bookings.forms import ReserveRequest
from app.bookings.records import HISTORY, RESERVATION
from app.bookings.reserve import reserve
from app.core.db import Database
from app.core.errors import Problem
from app.slots.models import State
from app.slots.status import LEASE_MS
from tests.chaos.bookings import Booked
from tests.chaos.steps.bench import Bench
from tests.chaos.steps.campaign import AGREES_WITHIN_S, in_turn
from tests.chaos.steps.trials import Trial
from tests.chaos.steps.verdicts import Facts, judge
from tests.chaos.truth import (
    Truth,
    outbox_rows,
    read_bookings,
    read_slots,
    redis_differences,
)
from tests.chaos.waiting import TooLate, until_none


async def judge_all(bench: Bench, trials: Sequence[Trial]) -> None:
    """Compares what was told in each trial with what SQL has."""
    facts = await _facts(bench.desk.database, trials)
    for trial in trials:
        trial.wrong += judge(trial, facts[trial.lot_id], bench.ground.kind)


async def use_up(bench: Bench, trials: Sequence[Trial]) -> list[str]:
    """Once every lease has run out, books all that is free. Returns what is wrong, in whichever lot."""
    began_s = time.monotonic()
    found = await _told(bench)
    await asyncio.sleep(max(0.0, began_s + LEASE_MS / 1000 - time.monotonic()))
    await in_turn(trials, lambda trial: _use_up(bench, trial))
    return found + bench.worker_said()


async def _told(bench: Bench) -> list[str]:
    async def waiting() -> list[str]:
        rows = await outbox_rows(bench.desk.database)
        return [f"{rows} rows in the outbox"] if rows else []

    try:
        await until_none(waiting, AGREES_WITHIN_S, "Redis has heard of everything")
    except TooLate as late:
        return [str(late)]
    return []


async def _facts(database: Database, trials: Sequence[Trial]) -> dict[int, Facts]:
    running, ended = (_by_lot(some) for some in await read_bookings(database))
    async with database.look() as connection:
        history = await connection.execute(select(HISTORY.c.id, HISTORY.c.amount_minor, HISTORY.c.ended_at))
        fees = {row.id: (row.amount_minor, row.ended_at.isoformat()) for row in history}
        arrivals = select(RESERVATION.c.id).where(RESERVATION.c.arrived_at.is_not(None))
        arrived = frozenset((await connection.execute(arrivals)).scalars())
    return {
        trial.lot_id: Facts(
            Truth(
                await read_slots(database, trial.lot_id),
                tuple(running[trial.case.lot]),
                tuple(ended[trial.case.lot]),
            ),
            fees,
            arrived,
        )
        for trial in trials
    }


def _by_lot(bookings: Sequence[Booked]) -> dict[str, list[Booked]]:
    found = defaultdict(list)
    for one in bookings:
        found[one.slot.partition("-")[0]].append(one)
    return found


async def _use_up(bench: Bench, trial: Trial) -> None:
    """Books what is free. Whoever is first takes back what has run out: then nothing is leased."""
    slots = await read_slots(bench.desk.database, trial.lot_id)
    free = {slot.identifier for slot in slots if slot.state is State.FREE}
    booked: set[str] = set()
    try:
        for number in range(len(free)):
            asked = ReserveRequest(f"LAST {trial.case.number} {number}", lot=trial.case.lot)
            booked.add((await reserve(bench.desk, asked)).slot)
            if number == 0:
                trial.wrong += await _leaked(bench, trial)
    except Problem as problem:
        trial.wrong.append(f"a free slot was refused: {problem.type}")
    if booked != free:
        trial.wrong.append(f"{free} were free, and {booked} could be booked")


async def _leaked(bench: Bench, trial: Trial) -> list[str]:
    leases = await bench.redis.zcard(f"lot:{{{trial.lot_id}}}:leases")
    slots = await read_slots(bench.desk.database, trial.lot_id)
    left = [f"{leases} leases are left"] if leases else []
    return left + await redis_differences(bench.redis, trial.lot_id, slots)
