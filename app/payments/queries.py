"""Which tariff is in force."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.payments.models import TariffVersion
from app.payments.tariffs.documents import stored
from app.payments.tariffs.lines import Tariff

TARIFF = TariffVersion.__table__  # type: ignore[attr-defined]


async def tariff_in_force(
    connection: AsyncConnection, lot_id: int, area_id: int | None, now: datetime
) -> Tariff | None:
    """The newest tariff of the area, else of the lot; ``None`` where the lot has none."""
    row = (
        (
            await connection.execute(
                select(TARIFF)
                .where(
                    TARIFF.c.lot_id == lot_id,
                    (TARIFF.c.area_id == area_id) | TARIFF.c.area_id.is_(None),
                    TARIFF.c.valid_from <= now,
                )
                .order_by(TARIFF.c.area_id.is_(None), TARIFF.c.version.desc())
                .limit(1)
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else as_tariff(row)


async def lot_tariffs(
    connection: AsyncConnection, lot_ids: Sequence[int], now: datetime
) -> dict[int, Tariff]:
    """The tariff in force in each of these lots that has one, where an area has none of its own."""
    rows = await connection.execute(
        select(TARIFF)
        .where(TARIFF.c.lot_id.in_(lot_ids), TARIFF.c.area_id.is_(None), TARIFF.c.valid_from <= now)
        .order_by(TARIFF.c.version)
    )
    return {row["lot_id"]: as_tariff(row) for row in rows.mappings()}


async def tariff_of(connection: AsyncConnection, tariff_id: int) -> Tariff:
    """The tariff that a booking was made at."""
    row = (await connection.execute(select(TARIFF).where(TARIFF.c.id == tariff_id))).mappings().one()
    return as_tariff(row)


def as_tariff(row: Mapping[Any, Any]) -> Tariff:
    """A row of ``tariff`` as lines."""
    return _tariff(row["id"], row["version"], row["currency"], row["time_zone"], row["lines"])


@lru_cache(maxsize=4_096)
def _tariff(tariff_id: int, version: int, currency: str, time_zone: str, lines: str) -> Tariff:
    """One object for one version, since what is made ready to be reckoned with hangs on it."""
    return Tariff(tariff_id, version, currency, time_zone, stored(lines))
