"""The prices that pages name, remembered for while SQL is away."""

from collections.abc import Sequence
from datetime import datetime

from app.core.db import Database
from app.core.remembered import Remembered
from app.payments.queries import lot_tariffs, tariff_in_force
from app.payments.tariffs.asked import Price, asked
from app.payments.tariffs.lines import Tariff


class Prices:
    """The prices of lots, by the tariffs that one process has read last. Nobody is charged by them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_lot = Remembered[int, Tariff]("price")
        self._of_lots = Remembered[tuple[int, ...], dict[int, Tariff]]("price")

    async def of_lot(self, lot_id: int, at: datetime, *, premium: bool) -> Price | None:
        """The price in a lot for who comes then, where it has one. SqlAway where it can't be known."""

        async def read() -> Tariff | None:
            async with self._database.look() as connection:
                now = await self._database.now(connection)
                return await tariff_in_force(connection, lot_id, None, now)

        tariff = await self._of_lot.ask(lot_id, read)
        return None if tariff is None else asked(tariff, at, premium=premium)

    async def of_lots(self, lot_ids: Sequence[int], at: datetime) -> dict[int, Price]:
        """The standard price of each of these lots that has one. SqlAway where they can't be known."""

        async def read() -> dict[int, Tariff]:
            async with self._database.look() as connection:
                now = await self._database.now(connection)
                return await lot_tariffs(connection, lot_ids, now)

        found = await self._of_lots.ask(tuple(lot_ids), read) or {}
        return {lot_id: asked(tariff, at) for lot_id, tariff in found.items()}
