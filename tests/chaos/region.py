"""A deployment with very many lots, made in SQL from one that was imported."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import String, Table, cast, func, insert, literal, select, text, true
from sqlalchemy.ext.asyncio import create_async_engine

from app.bookings.desk import Desk
from app.lifespan import opened_desk
from app.payments.models import TariffVersion
from app.slots.models import Area, Lot, Slot, SlotClass, SlotState
from app.slots.rebuild import rebuild_all
from tests.chaos.deployment import Deployment, Shape, deployed
from tests.chaos.drivers import Place
from tests.chaos.running import running
from tests.chaos.screens import Screen, watch_socket
from tests.chaos.site import Base
from tests.chaos.wire import Wire
from tests.integration.lots import lot_plan, open_lot

_TEMPLATE = "lot0"


@dataclass(frozen=True)
class Region:
    """Lots by their numbers, from 0. ``screens``: those that are watched; ``busy``: those that are booked in,
    those that are watched among them.
    """

    deployment: Deployment
    desk: Desk
    redis: Redis
    wires: tuple[Wire, ...]
    lots: int
    lot_slots: int
    screens: dict[int, Screen]
    busy: tuple[int, ...]

    def lot_id(self, number: int) -> int:
        return number + 1

    def place(self, number: int) -> Place:
        return _place(number, self.lot_slots)


@cache
def _place(number: int, slots: int) -> Place:
    return Place(f"lot{number}", tuple(f"lot{number}-A{one + 1}" for one in range(slots)), frozenset())


@asynccontextmanager
async def opened_region(
    base: Base, folder: Path, shape: Shape, lots: int, lot_slots: int, watched: int, busy: int
) -> AsyncIterator[Region]:
    """Everything started and built; so many of the lots, the last one among them, are watched and busy."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deployed(folder, base, shape))
        desk, redis = await stack.enter_async_context(opened_desk(deployment.settings))
        lot = await open_lot(desk, lot_plan(code=_TEMPLATE, slots=lot_slots))
        assert lot.id == 1, "numbers of lots are counted from here"
        await multiply(base.url, lots - 1)
        await rebuild_all(desk.database, desk.status)
        await deployment.ready()
        wires = tuple(Wire(base_url) for base_url in deployment.base_urls)
        screens = {number: Screen() for number in _spread(watched, lots)}
        for (number, screen), wire in zip(screens.items(), cycle(wires), strict=False):
            address = f"ws://{wire.host}/ws/lots/lot{number}"
            await stack.enter_async_context(running(watch_socket(address, screen)))
        for wire in wires:
            stack.callback(wire.close)
        others = [number for number in _spread(busy, lots) if number not in screens]
        numbers = (*screens, *others[: busy - watched])
        yield Region(deployment, desk, redis, wires, lots, lot_slots, screens, numbers)


def _spread(count: int, lots: int) -> list[int]:
    """So many numbers of lots, from near the first to the very last."""
    return [(one + 1) * lots // count - 1 for one in range(count)]


async def multiply(database_url: str, copies: int) -> None:
    """So many more lots like the first and only one, in one statement for each table."""
    if copies == 0:
        return
    number = select(literal(1).label("i")).cte("number", recursive=True)
    number = number.union_all(select(number.c.i + 1).where(number.c.i < copies))
    code = literal("lot") + cast(number.c.i, String)
    texts = {
        "lot.code": code,
        "lot.name": code,
        "slot.identifier": code + literal("-") + _table(Slot).c.name,
    }
    # Not the application's: its statements may not take minutes.
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        rows = {}
        for table in map(_table, (Lot, Area, Slot, SlotClass, SlotState, TariffVersion)):
            rows[table.name] = await connection.scalar(select(func.count()).select_from(table))
            references = {"id": table.name, "lot_id": "lot", "area_id": "area", "slot_id": "slot"}
            copied = [
                texts[str(column)]
                if str(column) in texts
                else column + number.c.i * rows[references[column.name]]
                if column.name in references
                else column
                for column in table.columns
            ]
            lots = select(*copied).select_from(table.join(number, true()))
            await connection.execute(insert(table).from_select([one.name for one in table.columns], lots))
    # What would be done sooner or later, and is no part of any test.
    done = "ANALYZE" if engine.dialect.name == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)"
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(done))
    await engine.dispose()


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table
