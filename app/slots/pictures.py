"""Where the live feed's pictures come from: Redis while it may be believed, SQL otherwise."""

from collections.abc import Callable

from sqlalchemy import select

from app.core import metrics
from app.core.clock import steady_s
from app.core.db import Database, SqlAway
from app.core.redis import REDIS_IS_GONE
from app.live.picture import SQL_EPOCH, Picture
from app.slots.layout import Layout, Layouts
from app.slots.models import STATE_CODES, SlotState, State
from app.slots.relay import lots_lagging
from app.slots.status import NotBuilt, Status

MAY_LAG_S = 2.0
_STATE = SlotState.__table__  # type: ignore[attr-defined]


class StatusPictures:
    """A ``live.picture.Source`` over the status of slots."""

    def __init__(
        self,
        database: Database,
        layouts: Layouts,
        status: Status,
        clock: Callable[[], float] = steady_s,
    ) -> None:
        self._database = database
        self._layouts = layouts
        self._status = status
        self._now = clock
        self._told_at = 0.0
        self._told_lagging: set[int] | None = None

    async def read(self, lot_id: int, before: Picture | None) -> Picture | None:
        try:
            self._layouts.forget(lot_id)
            layout = await self._layouts.of(lot_id)
        except SqlAway:
            layout = before.layout if before is not None else None
        if layout is None:
            return None
        found = await self._from_redis(layout)
        lagging = await self.lagging() if found is not None else None
        if found is not None and lagging is not None and lot_id not in lagging:
            return found
        # Redis has not seen a change for too long: nobody is shown less than SQL has said already.
        told = await self._from_sql(layout, before)
        if told is None and found is not None:
            return self._without_sql(found, before)
        return told

    async def heads(self, lot_ids: list[int]) -> dict[int, tuple[str, int]] | None:
        try:
            return await self._status.heads(lot_ids)
        except REDIS_IS_GONE:
            metrics.REDIS_FAULTS.labels("heads").inc()
            return None

    async def lagging(self) -> set[int] | None:
        asked_at = self._now()
        try:
            async with self._database.look() as connection:
                lagging = await lots_lagging(self._database, connection, MAY_LAG_S)
        except SqlAway:
            return None
        self._told_at, self._told_lagging = asked_at, lagging
        return lagging

    def _without_sql(self, found: Picture, before: Picture | None) -> Picture | None:
        """Redis' picture while SQL is silent, as old as SQL's last word that no change waits in the outbox.

        ``None`` where what is shown came from SQL after that: Redis may not have all of it.
        """
        asked = self._told_lagging is not None and found.lot_id not in self._told_lagging
        until = self._told_at if asked else None
        if before is not None and before.as_of is not None and (until is None or before.as_of > until):
            if before.epoch == SQL_EPOCH:
                return None
            until = before.as_of
        found.as_of = until
        return found

    def positions(self, picture: Picture, ranks: list[int]) -> list[int] | None:
        layout: Layout = picture.layout
        if max(ranks) >= len(layout.by_rank):
            return None
        return [layout.by_rank[rank].position for rank in ranks]

    async def _from_redis(self, layout: Layout) -> Picture | None:
        read_at = self._now()
        try:
            seen = await self._status.snapshot(layout.lot_id)
        except (NotBuilt, *REDIS_IS_GONE):
            metrics.REDIS_FAULTS.labels("snapshot").inc()
            return None
        complete = seen.built and seen.order_version == layout.lot.order_version
        if not complete or len(seen.states) != len(layout.slots):
            return None
        states = bytearray(len(layout.slots))
        for slot, code in zip(layout.by_rank, seen.states, strict=True):
            states[slot.position] = code
        return Picture(
            lot_id=layout.lot_id,
            layout=layout,
            layout_version=layout.lot.layout_version,
            epoch=seen.epoch,
            seq=seen.seq,
            states=states,
            as_of=read_at,
        )

    async def _from_sql(self, layout: Layout, before: Picture | None) -> Picture | None:
        read_at = self._now()
        try:
            async with self._database.look() as connection:
                rows = await connection.execute(
                    select(_STATE.c.slot_id, _STATE.c.state).where(_STATE.c.lot_id == layout.lot_id)
                )
                known = {slot_id: STATE_CODES[State(state)] for slot_id, state in rows}
        except SqlAway:
            return None
        states = bytearray(known.get(slot.id, 0) for slot in layout.slots)
        seq = 1
        if before is not None and before.epoch == SQL_EPOCH:
            seq = before.seq + (states != before.states)
        return Picture(
            lot_id=layout.lot_id,
            layout=layout,
            layout_version=layout.lot.layout_version,
            epoch=SQL_EPOCH,
            seq=seq,
            states=states,
            as_of=read_at,
        )
