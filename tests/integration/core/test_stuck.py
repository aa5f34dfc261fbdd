"""Connections of SQLite that were given up: they end by themselves, and are waited for at the end."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

from app.core.stuck import ENDS_WITHIN_S, StuckThreads


async def test_one_that_is_given_up_twice_is_waited_for_once(tmp_path: Path) -> None:
    """By whoever opened it and by the pool: its thread answers the first one only."""
    stuck = StuckThreads()
    connection = SimpleNamespace(driver_connection=await stuck.connect(tmp_path / "lotline.db"))
    for _ in range(2):
        try:
            with stuck.unless_given_up(connection):
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            pass
    await asyncio.wait_for(stuck.ended(), ENDS_WITHIN_S / 2)
    assert not connection.driver_connection._thread.is_alive()
