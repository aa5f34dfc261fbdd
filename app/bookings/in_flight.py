"""Keys whose request this process is working on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.bookings import problems
from app.bookings.answers import Name, name_of
from app.bookings.forms import IdempotencyKey


class InFlight:
    """Who comes with a key that is taken is told so, or waits where it is the key of a form."""

    def __init__(self) -> None:
        self._ends: dict[Name, asyncio.Event] = {}

    @asynccontextmanager
    async def working_on(self, action: str, key: IdempotencyKey | None) -> AsyncIterator[None]:
        """Around the work for a key; a Problem (409) where it is under way already."""
        if key is None:
            yield
            return
        name = name_of(action, key)
        while name in self._ends:
            if not key.waits:
                raise problems.request_in_flight()
            await self._ends[name].wait()
        ended = self._ends[name] = asyncio.Event()
        try:
            yield
        finally:
            del self._ends[name]
            ended.set()
