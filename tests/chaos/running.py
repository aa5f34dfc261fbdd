"""Work that goes on beside a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from app.core.tasks import end_all


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """``work`` beside the block; what went wrong in it fails the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        ended_by_itself = task.done()
        # Asked again and again: redis-py swallows a cancellation while it shakes hands.
        await end_all([task])
        if ended_by_itself:
            task.result()
