"""Lots of which Redis has not seen a change for too long."""

from app.core.clock import monotonic_s
from app.core.db import Database, SqlAway
from app.slots.relay import lots_lagging

# SQL chooses slots in a lot while its outbox is older than this, and its map is not current.
MAY_LAG_S = 2.0
_LOOKED_AT_EVERY_S = 0.5


class Lagging:
    """What a process knows of lots that lag, looked at no more often than it matters."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lots: set[int] = set()
        self._looked_at_s = float("-inf")

    async def lots(self) -> set[int]:
        """The lots that lag; where SQL does not answer, those that did a moment ago."""
        now_s = monotonic_s()
        if now_s - self._looked_at_s >= _LOOKED_AT_EVERY_S:
            self._looked_at_s = now_s
            try:
                async with self._database.look() as connection:
                    self._lots = await lots_lagging(self._database, connection, MAY_LAG_S)
            except SqlAway:
                pass
        return self._lots
