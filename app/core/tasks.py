"""Ending tasks for certain."""

import asyncio
from collections.abc import Collection
from typing import Any

ASK_AGAIN_S = 0.1


async def end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels tasks and returns when all have ended; what they raised is dropped.

    Once is not enough: redis-py while it shakes hands, and ``asyncio.wait_for`` before Python 3.12 where
    its work is done at that very moment, swallow a cancellation.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=ASK_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
