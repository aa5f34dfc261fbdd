"""A process that does what a protocol says, over real SQL and Redis, and kills itself at one of its steps.

``python -m tests.chaos.steps.victim``, with what is to be done as JSON in the variable ``VICTIM``. What it is
told it writes to its output, a line of JSON each, at once.
"""

import asyncio
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import structlog

from tests.chaos.steps.boundary import listening
from tests.chaos.steps.broken import BROKEN
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.ground import Ground, Office, opened_office
from tests.chaos.steps.requests import Case, Told, ask_before
from tests.chaos.steps.striking import Cell, struck_by
from tests.chaos.steps.table import BOOKINGS, PROTOCOLS, functions
from tests.chaos.steps.trying import BEFORE, Attempt, attempt, try_booking, work
from tests.chaos.steps.watched import watching

VARIABLE = "VICTIM"
# Of one who is still alive.
LAST_WORD = "alive"


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(_live(json.loads(os.environ[VARIABLE])))


def orders(ground: Ground, cell: Cell, number: int, broken: str) -> str:
    """What a victim is to do, as it reads it. ``number``: of the lot; ``broken``: one of BROKEN."""
    names = {"protocol": cell.protocol.name, "step": cell.step.name, "fault": cell.fault}
    return json.dumps({"ground": asdict(ground), "number": number, "broken": broken, **names})


def heard(said: Iterable[str]) -> list[Attempt]:
    """What a victim was told before it died, out of the lines that it wrote."""
    return [_attempt(json.loads(line)) for line in said]


async def _live(given: dict[str, Any]) -> None:
    protocol = next(one for one in PROTOCOLS if one.name == given["protocol"])
    cell = Cell(protocol, protocol.step(given["step"]), Fault(given["fault"]))
    BROKEN[given["broken"]]()
    with watching(functions([protocol])), listening():
        async with opened_office(Ground(**given["ground"])) as office:
            if protocol in BOOKINGS:
                await _book(office, cell, Case(protocol, given["number"]))
            else:
                with struck_by(cell, office.ways):
                    async with office.desk() as desk:
                        await work(protocol, desk)
    print(LAST_WORD)


async def _book(office: Office, cell: Cell, case: Case) -> None:
    office.ways.redis.is_dead = cell.protocol.redis_is_dead
    async with office.desk() as desk:
        before = await attempt(BEFORE, ask_before(desk, case), _say)
    await try_booking(office, cell, case, before, _say)


def _say(one: Attempt) -> None:
    print(json.dumps(asdict(one)), flush=True)


def _attempt(line: dict[str, Any]) -> Attempt:
    return Attempt(**{**line, "told": Told.of_json(line["told"])})


if __name__ == "__main__":
    main()
