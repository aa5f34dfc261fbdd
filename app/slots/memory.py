"""What this process knows of lots while SQL is away: those it has looked at, each with its age.

A small installation is looked at all the time, so that all of it is known when SQL goes.
"""

import asyncio
import heapq
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import func, select

from app.core.clock import steady_s
from app.core.db import Database, SqlAway
from app.core.tasks import end_all
from app.live.hub import Hub
from app.live.picture import Picture
from app.slots import queries
from app.slots.layout import LaidSlot, Layout, Layouts
from app.slots.models import STATES, Lot, SlotState, State
from app.slots.queries import Cursor, Filter, Page, SlotDetails

log = structlog.get_logger()
# Less than the hub keeps a lot that nobody watches.
LOOK_EVERY_S = 15.0
MOST_LOTS = 1_000
# An installation of so many slots is small.
MOST_SLOTS = 5_000
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class PageFromMemory:
    """A page as of a second of ``steady_s``; not ``complete`` where this process does not hold all lots."""

    page: Page
    as_of: float
    complete: bool


@dataclass(frozen=True)
class Lots:
    """The lots by name, as SQL had them at ``as_of``; there may be others unless these are ``all``."""

    rows: tuple[Lot, ...] = ()
    as_of: float = 0.0
    all: bool = False


class Memory:
    """The lots that one process holds."""

    def __init__(
        self,
        database: Database,
        layouts: Layouts,
        hub: Hub,
        clock: Callable[[], float] = steady_s,
    ) -> None:
        self._database = database
        self._layouts = layouts
        self._hub = hub
        self._now = clock
        self._lots = Lots()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator["Memory"]:
        """Looks around from time to time for as long as the block lasts."""
        looking = asyncio.create_task(self._keep_looking(), name="memory")
        try:
            yield self
        finally:
            await end_all([looking])

    async def layout(self, code: str) -> Layout | None:
        """The layout of the lot with this code; while SQL is away, that of its last picture.

        ``None`` where SQL says that there is no such lot. SqlAway where nobody can say.
        """
        try:
            return await self._layouts.of_code(code)
        except SqlAway:
            lot_id = await self._layouts.id_of(code)
            picture = None if lot_id is None else await self._hub.picture(lot_id)
            if picture is None:
                raise
            layout: Layout = picture.layout
            return layout

    def lots(self, search: str, limit: int) -> list[Lot]:
        """Lots by name, those that hold ``search`` in name, code or address. SqlAway where none is known."""
        if not self._lots.as_of:
            raise SqlAway("no lot is known yet")
        typed = search.casefold()
        found = (lot for lot in self._lots.rows if _holds(lot, typed))
        return list(islice(found, limit))

    async def page(self, wanted: Filter, start: int, limit: int, cursor: Cursor | None) -> PageFromMemory:
        """What ``queries.slot_page`` would say, of the lots that are held.

        Raises SqlAway where that is nothing: a slot or a lot that is not held may well exist.
        """
        pictures, complete, as_of = await self._held(wanted)
        layouts = [(one.layout, bytes(one.states)) for one in pictures]
        # Some hundred thousand slots may be looked through: not in the event loop.
        page = await asyncio.to_thread(_page, layouts, wanted, start, limit, cursor)
        if not page.slots and not complete:
            raise SqlAway("memory does not hold all lots")
        return PageFromMemory(page, as_of, complete)

    async def look_around(self) -> None:
        """Reads which lots there are, and watches all of them where they are few. Raises SqlAway."""
        read_at = self._now()
        async with self._database.look() as connection:
            rows = await queries.lots(connection, limit=MOST_LOTS + 1)
            some = select(_STATE.c.slot_id).limit(MOST_SLOTS + 1).subquery()
            slots: int = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
        self._lots = Lots(tuple(rows[:MOST_LOTS]), read_at, len(rows) <= MOST_LOTS)
        self._layouts.learn(rows)
        if slots <= MOST_SLOTS:
            for lot in self._lots.rows:
                await self._hub.picture(lot.id or 0)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look_around()
            except SqlAway:
                pass
            except Exception:
                log.exception("memory.look_failed")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _held(self, wanted: Filter) -> tuple[list[Picture], bool, float]:
        """The pictures that can hold what is wanted, whether they are all there are, and of when they are."""
        if wanted.lot is not None:
            lot_id = await self._layouts.id_of(wanted.lot)
            known = [] if lot_id is None else [lot_id]
        else:
            known = self._hub.known()
        found = [one for one in await asyncio.gather(*map(self._hub.picture, known)) if one is not None]
        dated = [one for one in found if one.as_of is not None]
        if wanted.slot is not None:
            dated = [one for one in dated if wanted.slot in one.layout.by_identifier]
        if not dated:
            raise SqlAway("memory does not hold it")
        ages = [one.as_of for one in dated if one.as_of is not None]
        if wanted.lot is not None or wanted.slot is not None:
            return dated, True, min(ages)
        held = {one.lot_id for one in dated}
        complete = self._lots.all and all(lot.id in held for lot in self._lots.rows)
        # Others may have been made since the lots were read.
        return dated, complete, min([*ages, self._lots.as_of] if complete else ages)


def _holds(lot: Lot, typed: str) -> bool:
    return any(typed in text.casefold() for text in (lot.name, lot.code, lot.address))


def _page(
    layouts: Sequence[tuple[Layout, bytes]], wanted: Filter, start: int, limit: int, cursor: Cursor | None
) -> Page:
    backwards = cursor is not None and cursor.backwards
    parts = [_matching(layout, states, wanted, cursor) for layout, states in layouts]
    merged = heapq.merge(*parts, key=lambda one: one[0].id, reverse=backwards)
    first = 0 if cursor is not None else start
    found = [_details(*one) for one in islice(merged, first, first + limit + 1)]
    more, slots = len(found) > limit, found[:limit]
    if backwards:
        return Page(slots[::-1], has_previous=more, has_next=True)
    return Page(slots, has_previous=start > 0 or cursor is not None, has_next=more)


def _matching(
    layout: Layout, states: bytes, wanted: Filter, cursor: Cursor | None
) -> Iterator[tuple[LaidSlot, Layout, State]]:
    """Slots in the order of their making, from the cursor on, in its direction."""
    rows: Sequence[LaidSlot] = layout.by_row
    if cursor is not None and cursor.backwards:
        rows = rows[: bisect_left(rows, cursor.slot_id, key=lambda slot: slot.id)][::-1]
    elif cursor is not None:
        rows = rows[bisect_right(rows, cursor.slot_id, key=lambda slot: slot.id) :]
    for slot in rows:
        state = STATES[states[slot.position]]
        if _fits(slot, state, wanted):
            yield slot, layout, state


def _fits(slot: LaidSlot, state: State, wanted: Filter) -> bool:
    shown = State.RESERVED if state is State.HELD else state
    return (
        wanted.slot in (None, slot.identifier)
        and wanted.status in (None, shown)
        and wanted.area in (None, slot.area_code)
        and wanted.size in (None, slot.size)
        and wanted.premium in (None, slot.premium)
    )


def _details(slot: LaidSlot, layout: Layout, state: State) -> SlotDetails:
    return SlotDetails(
        slot_id=slot.id,
        identifier=slot.identifier,
        name=slot.name,
        lot=layout.lot.code,
        area=slot.area_code,
        location=slot.location,
        latitude=slot.latitude,
        longitude=slot.longitude,
        outline=[list(point) for point in slot.outline],
        size=slot.size,
        premium=slot.premium,
        accessible=slot.accessible,
        charging=slot.charging,
        state=state,
        revision=slot.revision,
    )
