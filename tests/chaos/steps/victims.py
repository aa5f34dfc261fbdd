"""Victims as they are seen from outside."""

import asyncio
from pathlib import Path

from tests.chaos.processes import Fork
from tests.chaos.steps import victim
from tests.chaos.steps.ground import Ground
from tests.chaos.steps.striking import Cell
from tests.chaos.steps.trying import Attempt


class Survived(AssertionError):
    """A victim did not come to its step, or failed on the way."""


async def died(log: Path, ground: Ground, cell: Cell, number: int, broken: str) -> list[Attempt]:
    """Lets a victim live and die; returns what it had been told by then."""

    async def serves() -> bool:
        return True

    env = {victim.VARIABLE: victim.orders(ground, cell, number, broken)}
    process = Fork(f"victim of {cell}", victim.main, log, serves, env)

    def live() -> None:
        process.start()
        process.wait()

    # In a thread: the first one waits until all is imported that it is forked from.
    await asyncio.to_thread(live)
    said = process.log.splitlines()
    if (said and said[-1] == victim.LAST_WORD) or not all(line.startswith("{") for line in said):
        raise Survived(f"{cell}:\n{process.log[-4000:]}")
    return victim.heard(said)
