"""A wall hangs for months: the price under the word Premium follows the tariff while it is open."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from app.bookings.desk import Desk
from app.core.db import SqlAway
from app.display.premium_price import PremiumPrices
from app.payments.prices import Prices
from app.payments.service import set_tariff
from app.payments.tariffs.lines import PerIncrement
from tests.integration.lots import lot_plan, open_lot

SOON_S = 5.0


async def price(desk: Desk, lot_id: int, price_minor: int) -> None:
    lines: Sequence[PerIncrement] = [
        PerIncrement(premium=True, price_minor=price_minor, increment_s=3600, per_s=3600),
        PerIncrement(premium=False, price_minor=100, increment_s=3600, per_s=3600),
    ]
    now = datetime.now(UTC)
    async with desk.database.unit_of_work() as connection:
        await set_tariff(connection, lot_id, None, "EUR", "Europe/Berlin", lines, now, now)


async def becomes(prices: PremiumPrices, lot_id: int, lines: tuple[str, ...]) -> None:
    async with asyncio.timeout(SOON_S):
        while prices.lines(lot_id) != lines:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_wall_that_is_open_shows_a_new_price(desk: Desk) -> None:
    lot_id = (await open_lot(desk, lot_plan("here", 2))).id or 0
    await price(desk, lot_id, 300)
    prices = PremiumPrices(Prices(desk.database), every_s=0.01)
    async with prices.shown(lot_id), prices.shown(lot_id):
        assert prices.lines(lot_id) == ("€3.00 an hour",)
        await price(desk, lot_id, 450)
        await becomes(prices, lot_id, ("€4.50 an hour",))


async def test_while_sql_is_away_the_last_price_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lot_id = (await open_lot(desk, lot_plan("here", 2))).id or 0
    await price(desk, lot_id, 300)
    prices = PremiumPrices(Prices(desk.database), every_s=0.01)
    await prices.read(lot_id)

    async def away(*_: object, **__: object) -> None:
        raise SqlAway("away")

    monkeypatch.setattr(Prices, "of_lot", away)
    async with prices.shown(lot_id):
        assert prices.lines(lot_id) == ("€3.00 an hour",)
    assert prices.lines(lot_id + 1) == ()
