"""The prices that pages name, remembered for while SQL is away."""

from collections.abc import Sequence

from app.core.db import Database
from app.core.remembered import Remembered
from app.payments.fees import Price
from app.payments.queries import lot_prices, price_in_force


class Prices:
    """The prices of lots, as one process has read them last. Nobody is charged by them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_lot = Remembered[tuple[int, bool], Price]("price")
        self._of_lots = Remembered[tuple[int, ...], dict[int, Price]]("price")

    async def of_lot(self, lot_id: int, *, premium: bool) -> Price | None:
        """The price in force in a lot, where it has one. SqlAway where it can't be known."""

        async def read() -> Price | None:
            async with self._database.look() as connection:
                return await price_in_force(connection, lot_id, None, premium=premium)

        return await self._of_lot.ask((lot_id, premium), read)

    async def of_lots(self, lot_ids: Sequence[int]) -> dict[int, Price]:
        """The standard price of each of these lots that has one. SqlAway where they can't be known."""

        async def read() -> dict[int, Price]:
            async with self._database.look() as connection:
                return await lot_prices(connection, lot_ids)

        return await self._of_lots.ask(tuple(lot_ids), read) or {}
