"""Setting prices."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.money import exponent
from app.payments.queries import TARIFF, newest_version
from app.payments.tariffs.documents import as_text
from app.payments.tariffs.lines import Line, PerIncrement

DEFAULT_INCREMENT_S = 1800


def first_lines(currency: str) -> tuple[Line, ...]:
    """What a lot costs before anybody has said so: 1.00 per started half hour, 1.50 for premium."""
    # A unit of a currency without decimals is worth a cent or so: a hundred of them stand for one.
    unit_minor = 10 ** exponent(currency) if exponent(currency) else 100
    return (
        _per_half_hour("", unit_minor, premium=False),
        _per_half_hour("premium", unit_minor * 3 // 2, premium=True),
    )


def _per_half_hour(name: str, price_minor: int, *, premium: bool) -> PerIncrement:
    return PerIncrement(
        name,
        premium=premium,
        price_minor=price_minor,
        increment_s=DEFAULT_INCREMENT_S,
        per_s=DEFAULT_INCREMENT_S,
    )


async def open_tariff(
    connection: AsyncConnection, lot_id: int, currency: str, time_zone: str, now: datetime
) -> None:
    """The first tariff of a lot, where it has none."""
    if (
        await connection.execute(select(TARIFF.c.id).where(TARIFF.c.lot_id == lot_id).limit(1))
    ).first() is None:
        await set_tariff(connection, lot_id, None, currency, time_zone, first_lines(currency), now, now)


async def set_tariff(
    connection: AsyncConnection,
    lot_id: int,
    area_id: int | None,
    currency: str,
    time_zone: str,
    lines: Sequence[Line],
    valid_from: datetime,
    now: datetime,
    created_by: str = "",
    after: int | None = None,
) -> int:
    """A new version of a lot's or an area's tariff; returns its number. What runs keeps the one it has.

    The lines are those of :func:`~app.payments.tariffs.documents.read`. ``after``: the newest version that
    the caller has looked at, 0 for none. Where two come at once, SQL refuses the later one (a unique index),
    which may be tried again.
    """
    is_its = (TARIFF.c.lot_id == lot_id) & (
        TARIFF.c.area_id.is_(None) if area_id is None else TARIFF.c.area_id == area_id
    )
    version = after
    if version is None:
        version = (await connection.execute(select(func.max(TARIFF.c.version)).where(is_its))).scalar() or 0
    values = {
        "lot_id": lot_id,
        "area_id": area_id,
        "version": version + 1,
        "currency": currency,
        "time_zone": time_zone,
        "lines": as_text(lines),
        "valid_from": valid_from,
        "created_at": now,
        "created_by": created_by,
    }
    await connection.execute(insert(TARIFF).values(**values))
    return version + 1


async def follow_lot(
    connection: AsyncConnection, lot_id: int, currency: str, time_zone: str, now: datetime, by: str
) -> None:
    """The lot's tariffs, and its areas', as new versions by its new clock or in its new currency.

    Prices in another currency would be other prices: they begin anew with the first ones.
    """
    keys = select(TARIFF.c.area_id).where(TARIFF.c.lot_id == lot_id).distinct()
    for area_id in (await connection.execute(keys)).scalars().all():
        newest = await newest_version(connection, lot_id, area_id)
        assert newest is not None
        is_same = newest.tariff.currency == currency
        lines = newest.tariff.lines if is_same else first_lines(currency)
        starts = max(now, newest.valid_from)
        await set_tariff(connection, lot_id, area_id, currency, time_zone, lines, starts, now, by)
