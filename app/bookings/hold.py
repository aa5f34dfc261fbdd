"""Holding a slot for a browser for a minute, and waiting in the line of a full lot.

A hold is unbilled and nobody's booking. It is made for who lost a race for a slot, and for who waits longest
when a slot comes free; who does not answer loses it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.bookings import waiting_records
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.jobs import Holding, Joining, LettingGo
from app.bookings.models import Hold, Waiting
from app.bookings.records import SlotRow, slot_by
from app.bookings.reserve import nearest_like
from app.bookings.results import Held, InLine
from app.core import metrics
from app.core.errors import Problem
from app.slots.layout import Wish

# The nearest one may be taken while it is being held.
TRIES = 3
# So often the page that waits is noted as there.
NOTED_EVERY = timedelta(seconds=15)


@dataclass(frozen=True)
class Visitor:
    """Who has no account: digests of the browser's secret, and of the address that it comes from."""

    browser: str
    address: str


async def hold(desk: Desk, slot: str, visitor: Visitor) -> Held | None:
    """Keeps a free slot for this browser; ``None`` where that can't be: it is only a courtesy."""
    try:
        held = await desk.served(Holding(slot, visitor.browser, visitor.address))
    except Problem as problem:
        metrics.HOLDS.labels(problem.type).inc()
        return None
    metrics.HOLDS.labels("held").inc()
    assert isinstance(held, Held)
    return held


async def hold_nearest(desk: Desk, slot: str, visitor: Visitor) -> Held | None:
    """Keeps the nearest slot like the one with this identifier; ``None`` where that can't be."""

    async def look_up() -> SlotRow | None:
        async with desk.database.look() as connection:
            return await slot_by(connection, identifier=slot)

    wanted = await run_again_on_conflict(look_up)
    for _ in range(TRIES):
        like = None if wanted is None else await nearest_like(desk, wanted)
        if like is None or await held_for(desk, visitor.browser) is not None:
            return None
        if (held := await hold(desk, like, visitor)) is not None:
            return held
    return None


async def let_go(desk: Desk, hold_id: str, browser: str) -> None:
    """Ends a hold of this browser; repeated, or too late, it does nothing. A Problem (503)."""
    await desk.served(LettingGo(hold_id, browser))


async def held_for(desk: Desk, browser: str) -> Hold | None:
    """What is held for this browser now, if its time has not run out. SqlAway."""
    async with desk.database.look() as connection:
        found = await waiting_records.hold_of(connection, browser)
        now = await desk.database.now(connection)
    return found if found is not None and found.until > now else None


async def join(desk: Desk, lot_id: int, wish: Wish, visitor: Visitor) -> InLine | Held:
    """Stands in the line of a lot; where a fitting slot is free, that one is held at once.

    Raises a Problem: 409 where something is held for this browser already, 429 where too many of one address
    wait, 503.
    """
    try:
        place = await desk.served(Joining(lot_id, wish, visitor.browser, visitor.address))
    except Problem as problem:
        metrics.WAITING.labels(problem.type).inc()
        raise
    assert isinstance(place, InLine | Held)
    metrics.WAITING.labels("joined" if isinstance(place, InLine) else "held-at-once").inc()
    return place


async def leave(desk: Desk, browser: str) -> None:
    """Waits no more. A Problem (503)."""

    async def work() -> None:
        async with desk.transaction() as connection:
            await waiting_records.leave(connection, browser)

    await run_again_on_conflict(work)


@dataclass(frozen=True)
class Place:
    """Somebody's place in a line, with how many come before, and what is held for them."""

    waiting: Waiting
    before: int
    hold: Hold | None
    seen_at: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Whether the page that waits is to be noted as there once more."""
        return self.seen_at is None or now - self.seen_at > NOTED_EVERY


async def place_of(desk: Desk, browser: str, lot_id: int) -> Place | None:
    """This browser's last place in the line of a lot, also one that is over. SqlAway."""
    async with desk.database.look() as connection:
        waiting = await waiting_records.last_of(connection, browser, lot_id)
        if waiting is None:
            return None
        before = await waiting_records.before(connection, waiting)
        held = await waiting_records.hold_of(connection, browser)
        return Place(waiting, before, held, await waiting_records.last_seen(connection, waiting.id))


async def is_still_there(desk: Desk, waiting: str) -> None:
    """The page that waits has asked: who does not for long has gone. A Problem (503)."""

    async def work() -> None:
        async with desk.transaction() as connection:
            await waiting_records.seen(connection, waiting, await desk.database.now(connection))

    await run_again_on_conflict(work)
