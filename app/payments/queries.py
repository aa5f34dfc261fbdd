"""Which tariff is in force."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.payments.fees import Price
from app.payments.models import Tariff

_TARIFF = Tariff.__table__  # type: ignore[attr-defined]


async def price_in_force(
    connection: AsyncConnection, lot_id: int, area_id: int | None, *, premium: bool
) -> Price | None:
    """The newest tariff of the area, else of the lot; ``None`` where the lot has none."""
    row = (
        (
            await connection.execute(
                select(_TARIFF)
                .where(
                    _TARIFF.c.lot_id == lot_id,
                    (_TARIFF.c.area_id == area_id) | _TARIFF.c.area_id.is_(None),
                )
                .order_by(_TARIFF.c.area_id.is_(None), _TARIFF.c.version.desc())
                .limit(1)
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _price(row, premium=premium)


async def lot_prices(connection: AsyncConnection, lot_ids: Sequence[int]) -> dict[int, Price]:
    """The standard price in force in each of these lots that has one."""
    rows = await connection.execute(
        select(_TARIFF)
        .where(_TARIFF.c.lot_id.in_(lot_ids), _TARIFF.c.area_id.is_(None))
        .order_by(_TARIFF.c.version)
    )
    return {row["lot_id"]: _price(row, premium=False) for row in rows.mappings()}


async def price_of(connection: AsyncConnection, tariff_id: int, *, premium: bool) -> Price:
    """The price that a booking was made at."""
    row = (await connection.execute(select(_TARIFF).where(_TARIFF.c.id == tariff_id))).mappings().one()
    return _price(row, premium=premium)


def _price(row: object, *, premium: bool) -> Price:
    tariff = Tariff(**row)  # type: ignore[arg-type]
    assert tariff.id is not None
    return Price(
        tariff_id=tariff.id,
        version=tariff.version,
        currency=tariff.currency,
        increment_s=tariff.increment_s,
        price_minor=tariff.premium_price_minor if premium else tariff.price_minor,
        premium=premium,
    )
