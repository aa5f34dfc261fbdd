"""Doing something until the database answers: it is said once that it is away, and once that it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.db import SqlAway
from app.core.errors import Problem, Unavailable
from app.launch.plain_words import needs_migration, reason

FIRST_S = 0.5
LONGEST_S = 10.0
AWAY = (SqlAway, Unavailable)

T = TypeVar("T")


class Persistence:
    """Shared by all who wait for the same database, so that one of them speaks for all."""

    def __init__(
        self, say: Callable[[str], None], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._say = say
        self._sleep = sleep
        self._is_away = False

    async def until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        """What ``work`` gives. It is tried again after 0.5 s, then after twice as long, up to 10 s.

        Raises whatever else ``work`` does, and SqlAway where the database is there without tables.
        """
        delay_s = FIRST_S
        while True:
            try:
                result = await work()
            except AWAY as error:
                if needs_migration(error):
                    raise
                self._lost(error)
            except Problem:
                self._found()
                raise
            else:
                self._found()
                return result
            await self._sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_S)

    def _lost(self, error: SqlAway | Unavailable) -> None:
        if not self._is_away:
            self._say(f"{_what_is_away(error)} It is tried again until it answers.")
        self._is_away = True

    def _found(self) -> None:
        if self._is_away:
            self._say("The database answers again.")
        self._is_away = False


def _what_is_away(error: SqlAway | Unavailable) -> str:
    if isinstance(error, Unavailable) and not isinstance(error.__cause__, SqlAway):
        return f"{error.title}."
    return f"The database can't be reached: {reason(error.__cause__ or error)}."
