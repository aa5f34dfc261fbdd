"""Which tariff is in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select
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


@dataclass(frozen=True)
class Version:
    """A version of a lot's tariff, or of an area's own, with from when on it holds and who made it."""

    tariff: Tariff
    lot_id: int
    area_id: int | None
    valid_from: datetime
    created_at: datetime
    by: str


async def newest_version(connection: AsyncConnection, lot_id: int, area_id: int | None) -> Version | None:
    """The newest version of exactly this tariff, whether it holds already or not."""
    statement = select(TARIFF).where(_is_its(lot_id, area_id)).order_by(TARIFF.c.version.desc()).limit(1)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else _version(row)


async def version_of(
    connection: AsyncConnection, lot_id: int, area_id: int | None, version: int
) -> Version | None:
    """One version of exactly this tariff."""
    statement = select(TARIFF).where(_is_its(lot_id, area_id), TARIFF.c.version == version)
    row = (await connection.execute(statement)).mappings().one_or_none()
    return None if row is None else _version(row)


async def versions_in_force(
    connection: AsyncConnection, lot_ids: Sequence[int], now: datetime
) -> dict[tuple[int, int | None], Version]:
    """What holds now, by lot and area, of those that have a tariff of their own."""
    return await _newest_where(connection, lot_ids, TARIFF.c.valid_from <= now)


async def versions_to_come(
    connection: AsyncConnection, lot_ids: Sequence[int], now: datetime
) -> dict[tuple[int, int | None], Version]:
    """What is published and waits for its time, by lot and area: where several do, the newest.

    One that an even newer version has overtaken never comes into force, and is left out.
    """
    holds = await versions_in_force(connection, lot_ids, now)
    found = await _newest_where(connection, lot_ids, TARIFF.c.valid_from > now)
    return {
        key: one
        for key, one in found.items()
        if key not in holds or holds[key].tariff.version < one.tariff.version
    }


async def _newest_where(
    connection: AsyncConnection, lot_ids: Sequence[int], condition: Any
) -> dict[tuple[int, int | None], Version]:
    newest = (
        select(func.max(TARIFF.c.id))
        .where(TARIFF.c.lot_id.in_(lot_ids), condition)
        .group_by(TARIFF.c.lot_id, TARIFF.c.area_id)
    )
    rows = await connection.execute(select(TARIFF).where(TARIFF.c.id.in_(newest)))
    return {(row["lot_id"], row["area_id"]): _version(row) for row in rows.mappings()}


def _is_its(lot_id: int, area_id: int | None) -> Any:
    return (TARIFF.c.lot_id == lot_id) & (
        TARIFF.c.area_id.is_(None) if area_id is None else TARIFF.c.area_id == area_id
    )


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(
        as_tariff(row),
        row["lot_id"],
        row["area_id"],
        row["valid_from"],
        row["created_at"],
        row["created_by"],
    )


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
