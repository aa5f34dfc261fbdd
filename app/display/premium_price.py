"""What stands under the word Premium on walls: read again while one hangs, since a wall hangs for months."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from app.core.db import SqlAway
from app.core.languages import say
from app.core.tasks import end_all
from app.payments.prices import Prices
from app.payments.tariffs.asked import Price

EVERY_S = 60.0


class PremiumPrices:
    """The premium price of each lot that a wall of this process shows, as of a minute ago at most.

    While SQL is away the last one known stays.
    """

    def __init__(self, prices: Prices, every_s: float = EVERY_S) -> None:
        self._prices = prices
        self._every_s = every_s
        self._known: dict[int, Price | None] = {}
        self._walls: Counter[int] = Counter()
        self._reading: dict[int, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def shown(self, lot_id: int) -> AsyncIterator[None]:
        """Within the block the lot's price is kept fresh, once for all its walls."""
        await self.read(lot_id)
        self._walls[lot_id] += 1
        if self._walls[lot_id] == 1:
            self._reading[lot_id] = asyncio.create_task(self._keep_reading(lot_id))
        try:
            yield
        finally:
            self._walls[lot_id] -= 1
            if not self._walls[lot_id]:
                await end_all([self._reading.pop(lot_id)])

    async def read(self, lot_id: int) -> None:
        """Reads it now."""
        with contextlib.suppress(SqlAway):
            self._known[lot_id] = await self._prices.of_lot(lot_id, datetime.now(UTC), premium=True)

    def lines(self, lot_id: int) -> tuple[str, ...]:
        """In the reader's language; none where no price is known."""
        price = self._known.get(lot_id)
        if price is None:
            return ()
        return (say("{price} an hour", price=price.per_hour.text()) if price.kind == "time" else price.text,)

    async def _keep_reading(self, lot_id: int) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.read(lot_id)
