"""One cell, tried: what is there before, the request that meets the fault, and what the process does next."""

import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from app.bookings.desk import Desk
from app.core.db import SqlAway
from app.core.redis import REDIS_IS_GONE
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from app.slots.status import NotBuilt, OtherOrder
from tests.chaos.steps import table
from tests.chaos.steps.ground import Office
from tests.chaos.steps.requests import Case, Told, ask, ask_next
from tests.chaos.steps.striking import Cell, struck_by

# What a worker lives through, or is started again after.
_MAY_BE_RAISED = (NotBuilt, OtherOrder, SqlAway, DBAPIError, *REDIS_IS_GONE)
BEFORE, ASKED, NEXT = "before", "asked", "next"


@dataclass(frozen=True)
class Attempt:
    """One request and what was told: BEFORE the cell, ASKED in it, or NEXT."""

    which: str
    called_s: float
    answered_s: float
    told: Told


class Hear(Protocol):
    def __call__(self, attempt: Attempt) -> None: ...


async def attempt(which: str, asked: Awaitable[Told], hear: Hear) -> Told:
    """Awaits what is told, and says so."""
    called_s = time.monotonic()
    told = await asked
    hear(Attempt(which, called_s, time.monotonic(), told))
    return told


async def try_booking(office: Office, cell: Cell, case: Case, before: Told, hear: Hear) -> bool:
    """Whether the fault has struck. Where the cell kills, this process ends here."""
    office.ways.redis.is_dead = cell.protocol.redis_is_dead
    async with office.desk() as desk:
        with struck_by(cell, office.ways) as fault:
            await attempt(ASKED, ask(desk, case, before), hear)
            if not fault.struck:
                await attempt(NEXT, ask_next(desk, case), hear)
            return fault.struck


async def work(protocol: table.Protocol, desk: Desk) -> None:
    """What a worker does once, whatever comes of it."""
    with suppress(*_MAY_BE_RAISED):
        if protocol is table.RELAY:
            await relay_once(desk.database, desk.status, 0.0)
        else:
            await rebuild_all(desk.database, desk.status)
