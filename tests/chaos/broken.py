"""The booking, deliberately broken in two plausible ways: what the checker must catch, so that it bites."""

import asyncio
import contextlib
import contextvars
import re
from typing import Any

import pytest
from sqlalchemy import text

from app.bookings import records
from app.bookings import reserve as reserving
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.core.db import Database
from app.core.errors import Problem
from app.core.ids import new_id
from app.slots.layout import Wish
from app.slots.models import State
from app.slots.status import LotKey, NotBuilt
from tests.chaos.drivers import DeskCounter, Wanted
from tests.chaos.history import Answer, Outcome

WRITES_AFTER_S = 0.3
_PROMISED = contextvars.ContextVar("promised", default="")


async def drop_the_index(database: Database) -> None:
    """From here on SQL would take two bookings of one slot. The table must be empty."""
    async with database.unit_of_work() as connection:
        if not database.is_sqlite:
            drop = "ALTER TABLE reservation DROP CONSTRAINT reservation_slot_id_key"
            await connection.execute(text(drop))
            return
        # SQLite can't drop a constraint: the table is made anew without it.
        made = text("SELECT sql FROM sqlite_master WHERE tbl_name = 'reservation' AND sql IS NOT NULL")
        statements = list((await connection.execute(made)).scalars())
        await connection.execute(text("DROP TABLE reservation"))
        for statement in statements:
            without, _ = re.subn(r",\s*UNIQUE \(slot_id\)", "", statement)
            await connection.execute(text(without))


def drop_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a slot is moved whatever state it is in."""
    guarded = records.move_slot

    async def unguarded(
        connection: Any, slot: Any, expected: Any, target: State, *rest: Any, **more: Any
    ) -> records.Moved | None:
        return await guarded(connection, slot, tuple(State), target, *rest, **more)

    monkeypatch.setattr(records, "move_slot", unguarded)


class Ledger:
    """What the broken counters of all web processes owe to SQL."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answered: dict[str, Answer] = {}
        self._owed: set[asyncio.Task[Any]] = set()
        monkeypatch.setattr(reserving, "new_id", lambda: _PROMISED.get() or new_id())

    def owe(self, desk: Desk, request: ReserveRequest, reservation: str) -> None:
        """Writes the booking a little later, under the reservation that was promised."""
        context = contextvars.copy_context()
        context.run(_PROMISED.set, reservation)
        task = asyncio.create_task(self._write(desk, request), context=context)
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)

    async def _write(self, desk: Desk, request: ReserveRequest) -> None:
        await asyncio.sleep(WRITES_AFTER_S)
        # By now it is too late to say no.
        with contextlib.suppress(Problem):
            await reserving.reserve(desk, request)

    async def written(self) -> None:
        """Returns when everything that was acknowledged was tried in SQL."""
        await asyncio.gather(*self._owed)


class AcknowledgingFromRedis(DeskCounter):
    """A counter that says yes as soon as Redis has leased a slot. What names its slot goes the right way."""

    def __init__(self, desk: Desk, ledger: Ledger) -> None:
        super().__init__(desk)
        self._desk = desk
        self._ledger = ledger

    async def reserve(self, wanted: Wanted) -> Answer:
        if wanted.slot is not None:
            return await super().reserve(wanted)
        layout = await self._desk.layouts.of_code("here")
        assert layout is not None
        lot = LotKey(layout.lot_id, layout.lot.order_version)
        try:
            proposals = await self._desk.status.propose(lot, layout.groups(Wish(premium=wanted.premium)), 1)
        except NotBuilt:
            return Answer(Outcome.UNKNOWN, "unavailable")
        if wanted.key in self._ledger.answered:
            return self._ledger.answered[wanted.key]
        if not proposals:
            return Answer(Outcome.REFUSED, "all-taken")
        slot, reservation = layout.by_rank[proposals[0].rank].identifier, new_id()
        key = IdempotencyKey("chaos", wanted.key, wanted.key)
        self._ledger.owe(self._desk, ReserveRequest(wanted.entity, slot=slot, idempotency=key), reservation)
        self._ledger.answered[wanted.key] = Answer(Outcome.OK, "", slot, reservation)
        return self._ledger.answered[wanted.key]

    async def unreserve(self, entity: str, slot: str, key: str) -> Answer:
        await self._ledger.written()
        return await super().unreserve(entity, slot, key)
