"""Web processes that are deliberately wrong, each in a plausible way, so that what finds it is seen to bite.

What is put in place of the application's own stands here alone, a function for each.
"""

import asyncio
import os
import random
import re
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.api import routes
from app.bookings import endings, expire, problems, publishing, records
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.jobs import Ending
from app.bookings.reserve import reserve
from app.bookings.results import Released, Reserved
from app.bookings.unreserve import unreserve
from app.core.clock import SystemClock
from app.core.cluster import Topology
from app.core.db import Database
from app.core.errors import Problem
from app.core.ids import new_id
from app.live.channels import Reader, Readers
from app.payments.queries import tariff_in_force
from app.payments.tariffs.asked import asked
from app.settings import Settings
from app.slots.layout import Layout
from app.slots.models import State
from app.slots.status import LotKey, NotBuilt, Proposal
from tests.chaos.deployment import end_what_time_ends, serve

WRITES_AFTER_S = 0.2
SEEN_AT_ONCE, ENDS_AFTER_S = 64, (0.1, 1.0)
DIES_BY = "die"


async def drop_the_index(database_url: str) -> None:
    """From here on SQL would take two bookings of one slot. The table must be empty."""
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("ALTER TABLE reservation DROP CONSTRAINT reservation_slot_id_key"))
        else:
            # SQLite can't drop a constraint: the table is made anew without it.
            made = text("SELECT sql FROM sqlite_master WHERE tbl_name = 'reservation' AND sql IS NOT NULL")
            statements = list((await connection.execute(made)).scalars())
            await connection.execute(text("DROP TABLE reservation"))
            for statement in statements:
                without, _ = re.subn(r",\s*UNIQUE \(slot_id\)", "", statement)
                await connection.execute(text(without))
    await engine.dispose()


def serve_without_guard() -> None:
    """A slot is given to whoever asks for it by name, whatever state it is in. Needs ``drop_the_index``."""
    guards, slots_by_name = records.guards, records.slots_by_name

    def any_state(given: Any) -> list[Any]:
        kept = [guard for guard in guards(given) if "slot_state.state IN" not in str(guard)]
        assert len(kept) == len(guards(given)) - 1
        return kept

    async def seemingly_free(
        connection: Any, identifiers: Sequence[str], lock: records.Lock
    ) -> list[records.SlotRow]:
        rows = await slots_by_name(connection, identifiers, lock)
        return [replace(row, state=State.FREE) for row in rows]

    records.guards = any_state
    records.slots_by_name = seemingly_free
    serve()


def serve_from_old_topology() -> None:
    """Which server of a cluster keeps what is asked once, and believed for good."""
    read = Topology.read

    async def read_once(topology: Topology) -> None:
        if not topology.primaries:
            await read(topology)
        topology.is_known = True

    Topology.read = read_once  # type: ignore[method-assign]
    serve()


def serve_listening_where_it_was() -> None:
    """A lot's changes are listened for where they were published first, whoever keeps it now."""
    placed = Readers._placed

    async def placed_once(readers: Readers, lot_id: int) -> Reader | None:
        owner = readers._owners.get(lot_id)
        if owner is not None and owner in readers._readers:
            return readers._readers[owner][0]
        return await placed(readers, lot_id)

    Readers._placed = placed_once  # type: ignore[method-assign]
    serve()


def serve_404_from_redis() -> None:
    """Where Redis proposes nothing, the lot is said to be full, and SQL is not asked."""

    async def believing(desk: Desk, request: ReserveRequest) -> Reserved:
        if request.slot is None and request.lot is not None:
            try:
                layout, proposals = await _proposed(desk, request)
            except NotBuilt:
                return await reserve(desk, request)
            if not proposals:
                raise problems.lot_full(request.lot)
            await desk.status.release(_key(layout), [proposals[0].rank])
        return await reserve(desk, request)

    routes.__dict__["reserve"] = believing
    serve()


def serve_acknowledging_from_redis() -> None:
    """Says yes as soon as Redis has leased a slot, and writes it down a little later."""
    ledger = _Ledger()
    routes.__dict__["reserve"] = ledger.reserve
    routes.__dict__["unreserve"] = ledger.unreserve
    serve()


def serve_by_own_clock() -> None:
    """Takes the time from its own machine."""

    async def now(database: Database, connection: Any) -> datetime:
        return SystemClock().now()

    Database.now = now  # type: ignore[assignment,method-assign]
    serve()


def end_whatever_is_there() -> None:
    """A bookings worker that ends what stands on slots that it saw a moment ago, whoever that is by now."""

    async def end_no_shows(desk: Desk) -> int:
        async with desk.database.look() as connection:
            due = select(records.RESERVATION.c.slot_id).where(
                records.RESERVATION.c.arrive_by <= await desk.database.now(connection)
            )
            slots = list((await connection.execute(due.limit(SEEN_AT_ONCE))).scalars())
        await asyncio.sleep(random.uniform(*ENDS_AFTER_S))
        async with desk.database.look() as connection:
            there = [await records.active(connection, slot_id=slot) for slot in slots]
        ends = [desk.served(Ending(reservation=one.id, as_no_show=True)) for one in there if one is not None]
        await asyncio.gather(*ends, return_exceptions=True)
        return len(slots)

    expire.end_no_shows = end_no_shows
    endings.is_overdue = lambda booking, now: True
    end_what_time_ends()


def serve_until_told_to_die() -> None:
    """Dies between the commit of a change and telling Redis of it, once there is the file ``DIES_BY``."""
    publish = publishing.publish
    file = Settings.of_process().data_dir / DIES_BY

    async def die(*given: Any) -> None:
        if file.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        await publish(*given)

    publishing.publish = die  # type: ignore[assignment]
    serve()


class _Ledger:
    """What this process owes to SQL. What names its slot goes the right way."""

    def __init__(self) -> None:
        self._answered: dict[str, Reserved] = {}
        self._promised: dict[str, str] = {}
        self._owed: set[asyncio.Task[None]] = set()
        insert = records.insert_reservations

        async def insert_as_promised(connection: Any, rows: list[dict[str, Any]]) -> set[str]:
            for row in rows:
                row["id"] = self._promised.get(row["entity"], row["id"])
            return await insert(connection, rows)

        records.insert_reservations = insert_as_promised

    async def reserve(self, desk: Desk, request: ReserveRequest) -> Reserved:
        if request.slot is not None or request.lot is None or request.idempotency is None:
            return await reserve(desk, request)
        if request.idempotency.key in self._answered:
            return self._answered[request.idempotency.key]
        try:
            layout, proposals = await _proposed(desk, request)
        except NotBuilt:
            return await reserve(desk, request)
        if not proposals:
            return await reserve(desk, request)
        reserved = await _as_if_booked(desk, layout, proposals[0])
        self._promised[request.entity] = reserved.reservation
        task = asyncio.create_task(self._write(desk, replace(request, slot=reserved.slot)))
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)
        self._answered[request.idempotency.key] = reserved
        return reserved

    async def _write(self, desk: Desk, request: ReserveRequest) -> None:
        await asyncio.sleep(WRITES_AFTER_S)
        try:
            await reserve(desk, request)
        except Problem:
            # By now it is too late to say no.
            return

    async def unreserve(self, desk: Desk, request: UnreserveRequest) -> Released:
        await asyncio.gather(*self._owed)
        return await unreserve(desk, request)


async def _proposed(desk: Desk, request: ReserveRequest) -> tuple[Layout, list[Proposal]]:
    layout = await desk.layouts.of_code(request.lot or "")
    assert layout is not None
    return layout, await desk.status.propose(_key(layout), layout.groups(request.wish), 1)


def _key(layout: Layout) -> LotKey:
    return LotKey(layout.lot_id, layout.lot.order_version)


async def _as_if_booked(desk: Desk, layout: Layout, proposal: Proposal) -> Reserved:
    slot = layout.by_rank[proposal.rank]
    async with desk.database.look() as connection:
        now = await desk.database.now(connection)
        tariff = await tariff_in_force(connection, layout.lot_id, None, now)
    assert tariff is not None
    return Reserved(
        reservation=new_id(),
        slot=slot.identifier,
        slot_name=slot.name,
        lot=layout.lot.code,
        area=slot.area_code,
        premium=slot.premium,
        start_at=now,
        until=None,
        arrive_by=None,
        price=asked(tariff, now, size=slot.size, premium=slot.premium),
        token="",
    )
