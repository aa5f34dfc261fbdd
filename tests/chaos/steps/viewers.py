"""Viewers of lots, as those of one web process."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from app.accounts.incarnation import read_incarnation
from app.core.db import Database
from app.core.redis import connect
from app.live.feed import Feed
from app.live.hub import Hub
from app.live.picture import Picture
from app.slots.layout import Layouts
from app.slots.pictures import StatusPictures
from app.slots.status import Status
from tests.chaos.screens import Screen
from tests.chaos.truth import TrueSlot, screen_differences


class _States:
    """What is to be seen of a map, without the words beside it."""

    name = "states"
    with_states = True

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        return ""

    def figures(self, picture: Picture) -> dict[str, int]:
        return {}


@asynccontextmanager
async def watched(database: Database, redis_url: str, lots: Iterable[int]) -> AsyncIterator[dict[int, Feed]]:
    """What is shown of each of these lots, by its number."""
    async with _pictures(database, redis_url) as (source, redis), AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Hub(source, redis).running())
        feeds = {}
        for lot_id in lots:
            feed = await stack.enter_async_context(hub.watching(lot_id, _States()))
            assert feed is not None
            feeds[lot_id] = feed
        yield feeds


@asynccontextmanager
async def _pictures(database: Database, redis_url: str) -> AsyncIterator[tuple[StatusPictures, Redis]]:
    redis = connect(redis_url)
    try:
        status = Status(redis, await read_incarnation(database))
        yield StatusPictures(database, Layouts(database), status), redis
    finally:
        await redis.aclose()


async def seen_first(database: Database, redis_url: str, lot_id: int) -> list[int]:
    """What a viewer who comes now is shown."""
    async with _pictures(database, redis_url) as (source, _):
        picture = await source.read(lot_id, None)
        assert picture is not None
        return list(picture.shown)


def shown_differences(feed: Feed, slots: Sequence[TrueSlot]) -> list[str]:
    """Where those who watched all along are shown another state than SQL has."""
    screen = Screen()
    screen.take(feed.after(0)[0])
    return screen_differences(screen.shown, slots)
