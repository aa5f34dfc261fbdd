"""A process dies exactly between its commit and telling Redis: the relay mends it within two seconds."""

import asyncio
import time
from collections.abc import Iterable

import pytest
from redis.asyncio import Redis

from app.bookings import records
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from tests.chaos.offices import opened_office
from tests.chaos.truth import read_truth, redis_differences, screen_differences

MENDED_WITHIN_S = 2.0


async def never_published(desk: Desk, moved: Iterable[records.Moved]) -> None:
    """As far as anybody else can see, the process ends here."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("step", ["reserve", "unreserve"])
async def test_what_was_committed_and_never_applied_is_shown_within_two_seconds(
    database_url: str, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with opened_office(database_url, redis, redis_url) as office:
        desk = office.desks[1]
        if step == "unreserve":
            await reserve(desk, ReserveRequest("A 1", lot="here"))
            await office.settle(within_s=5.0)
        before = await read_truth(desk.database, office.lot_id)
        with monkeypatch.context() as dying:
            dying.setattr(Desk, "publish", never_published)
            with pytest.raises(asyncio.CancelledError):
                if step == "reserve":
                    await reserve(desk, ReserveRequest("A 1", lot="here"))
                else:
                    await unreserve(desk, UnreserveRequest("A 1", before.running[0][1]))
        committed_s = time.monotonic()
        truth = await read_truth(desk.database, office.lot_id)
        assert truth != before, "it was committed"
        assert await redis_differences(redis, office.lot_id, truth) != []
        assert screen_differences(office.screen.shown, truth) != []
        await office.settle(MENDED_WITHIN_S)
        took_s = time.monotonic() - committed_s
    print(f"mended after {took_s:.2f} s")
    assert took_s < MENDED_WITHIN_S
