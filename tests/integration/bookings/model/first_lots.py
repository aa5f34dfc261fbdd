"""The lots with which each example begins, in SQL and in the model."""

from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, insert, select, text
from sqlmodel import SQLModel

from app.bookings.desk import Desk
from app.bookings.opening import import_lots
from app.core.db import Database
from app.slots.importers.plan import ImportPlan
from tests.integration.bookings.model.car_park import NEW_LOT_TARIFF, CarPark
from tests.integration.bookings.model.facts import Kind, Lot, Place
from tests.integration.bookings.model.truth import Truth
from tests.integration.lots import lot_plan

# One in which an entity has one slot, one of plates, and one of badges that may have several.
PLANS = {
    "here": lot_plan("here", slots=5, premium=1, accessible=1),
    "plates": lot_plan("plates", slots=2),
    "shared": lot_plan("shared", slots=2, premium=1),
}
Rows = list[tuple[Table, list[dict[str, Any]]]]


async def import_first_lots(desk: Desk) -> Rows:
    """Imports them into an empty database; returns all that it holds then."""
    for code, plan in PLANS.items():
        await import_lots(desk, ImportPlan((plan,), ()), plates=code == "plates")
    async with desk.database.unit_of_work() as connection:
        await connection.execute(text("UPDATE lot SET exclusive = (1 = 0) WHERE code = 'shared'"))
    async with desk.database.look() as connection:
        return [
            (table, [dict(row) for row in (await connection.execute(select(table))).mappings()])
            for table in _tables()
        ]


async def put_back(database: Database, rows: Rows) -> None:
    """The database holds what it held when ``rows`` were read; quicker than to import anew."""
    async with database.unit_of_work() as connection:
        for table in reversed(_tables()):
            await connection.execute(delete(table))
        for table, some in rows:
            if some:
                await connection.execute(insert(table), some)


def _tables() -> list[Table]:
    """Without those of which bookings know nothing."""
    kept = ("installation", "account", "session", "sign_in_link")
    return [table for table in SQLModel.metadata.sorted_tables if table.name not in kept]


def first_park(truth: Truth, now: datetime) -> CarPark:
    """The same in the model; the numbers of its slots are those that SQL has given."""
    park = CarPark(now)
    for code, plan in PLANS.items():
        park.lots[code] = Lot(code, exclusive=code != "shared", plates=code == "plates")
        park.areas[code, "A"] = False
        park.tariffs[code, None] = NEW_LOT_TARIFF
        for one in plan.slots:
            kind = Kind(one.area_code, one.size, one.premium, one.accessible, one.charging)
            xs, ys = zip(*one.outline, strict=True)
            centre = (sum(xs) / len(xs), sum(ys) / len(ys))
            number = truth.places[one.identifier][0]
            park.places[one.identifier] = Place(
                one.identifier, number, code, one.name, one.rank, kind, centre
            )
    return park
