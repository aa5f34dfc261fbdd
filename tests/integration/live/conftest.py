"""Hubs whose beats are quick, or do not come at all."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.live import hub as hub_module
from app.slots.relay import relay_once
from tests.integration.live.viewers import Stage
from tests.integration.lots import open_lot


@pytest.fixture
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TICK_S", 0.01)
    monkeypatch.setattr(hub_module, "BEAT_S", 0.03)


@pytest.fixture
def no_beats(quick_ticks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """To be asked for before the stage: its loops begin with it."""
    monkeypatch.setattr(hub_module, "BEAT_S", 3_600.0)


@pytest.fixture
async def stage(desk: Desk, redis: Redis) -> AsyncIterator[Stage]:
    found = Stage(desk, redis)
    async with found.hub.running():
        yield found
        for viewer in found.viewers:
            await viewer.leave()


@pytest.fixture
async def lot(desk: Desk) -> int:
    opened = await open_lot(desk)
    await relay_once(desk.database, desk.status, -1)
    return opened.id or 0
