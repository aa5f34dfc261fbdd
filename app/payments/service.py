"""Setting prices."""

from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.money import exponent
from app.payments.models import Tariff

DEFAULT_INCREMENT_S = 1800
_TARIFF = Tariff.__table__  # type: ignore[attr-defined]


async def open_tariff(connection: AsyncConnection, lot_id: int, currency: str, now: datetime) -> None:
    """The first tariff of a lot, where it has none: 1.00 per started half hour, 1.50 for premium."""
    if (
        await connection.execute(select(_TARIFF.c.id).where(_TARIFF.c.lot_id == lot_id).limit(1))
    ).first() is not None:
        return
    # A unit of a currency without decimals is worth a cent or so: a hundred of them stand for one.
    unit_minor = 10 ** exponent(currency) if exponent(currency) else 100
    await connection.execute(
        insert(_TARIFF).values(
            lot_id=lot_id,
            area_id=None,
            version=1,
            currency=currency,
            increment_s=DEFAULT_INCREMENT_S,
            price_minor=unit_minor,
            premium_price_minor=unit_minor * 3 // 2,
            created_at=now,
        )
    )
