"""Waiting for what has to come to pass, no longer than it may take."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.core.db import SqlAway
from app.core.redis import REDIS_IS_GONE

_POLL_S = 0.01


class TooLate(AssertionError):
    """What had to come to pass did not in time."""


async def until_none(differences: Callable[[], Awaitable[list[str]]], within_s: float, what: str) -> float:
    """Returns the seconds after which ``differences`` had none left; raises TooLate after ``within_s``.

    What can't be asked just now is a difference.
    """
    began_s = time.monotonic()
    while left := await _asked(differences):
        took_s = time.monotonic() - began_s
        if took_s >= within_s:
            raise TooLate(f"{what}: not after {took_s:.1f} s: {left[:5]}")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began_s


async def _asked(differences: Callable[[], Awaitable[list[str]]]) -> list[str]:
    try:
        return await differences()
    except (*REDIS_IS_GONE, SqlAway) as error:
        return [repr(error)]
