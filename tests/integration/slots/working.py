"""The status worker as it runs in its own process, and what one waits for while it works."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy import select

from app.bookings.desk import Desk
from app.settings import Settings
from app.slots.models import STATE_CODES, SlotState, State
from app.slots.packed import RECORD
from workers import duties, status

SOON_S = 15.0
POLL_S = 0.02
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@asynccontextmanager
async def worker(database_url: str, redis_url: str, **more: str) -> AsyncIterator[None]:
    """A worker over these servers for as long as the block lasts; ``more`` are variables of its settings."""
    settings = Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url, **more})
    stop = asyncio.Event()
    task = asyncio.create_task(duties.run(settings, stop, status.duties))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = SOON_S) -> float:
    """Returns the seconds after which it held; fails where it does not in time."""
    began_s = time.monotonic()
    while not await holds():
        assert time.monotonic() - began_s < within_s
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began_s


async def is_true(desk: Desk, lot: int) -> bool:
    """Whether Redis holds of a lot what SQL has, and all that is free is offered."""
    async with desk.database.look() as connection:
        columns = (_STATE.c.version, _STATE.c.class_number, _STATE.c.state)
        statement = select(*columns).where(_STATE.c.lot_id == lot).order_by(_STATE.c.rank)
        rows = (await connection.execute(statement)).all()
    await desk.status.epoch(fresh=True)
    seen = await desk.status.inspect(lot)
    wanted = [RECORD.pack(version, number, STATE_CODES[State(state)], 0) for version, number, state in rows]
    return seen.believed and seen.records == b"".join(wanted)
