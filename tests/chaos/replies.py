"""Replies that are lost on the way: what was asked for has happened, and nobody is told."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.settings import embedded_redis_socket
from tests.chaos.checker import Violation
from tests.chaos.deployment import Shape
from tests.chaos.drivers import Habits
from tests.chaos.history import History
from tests.chaos.leaks import leaked
from tests.chaos.proxy import LossyProxy, any_reply, reply_to_commit
from tests.chaos.site import Kind, Site
from tests.chaos.town import Town, opened_town

CLIENTS, SLOTS, PREMIUM_SLOTS = 32, 100, 10
HABITS = Habits(most_held=5, arrives=0.65, pause_s=0.02)
# Of the replies of Redis, and of those of SQL to a COMMIT, of which there are far fewer.
REDIS_SHARE, SQL_SHARE = 0.05, 0.1
CONVERGES_WITHIN_S = 10.0


@dataclass(frozen=True)
class Answered:
    """What came of it. ``lost``: how many replies were."""

    lost: int
    found: list[Violation]


@asynccontextmanager
async def town_behind_redis_proxy(
    site: Site, kind: Kind, folder: Path, seed: str
) -> AsyncIterator[tuple[Town, LossyProxy]]:
    """Every process speaks to Redis over TCP, and loses 5 % of its replies."""
    proxy = LossyProxy(embedded_redis_socket(folder), REDIS_SHARE, any_reply, random.Random(seed))
    async with proxy.serving(), site.base(kind, folder) as base:
        shape = Shape(webs=kind.webs, redis_url=f"redis://127.0.0.1:{proxy.port}/0")
        async with opened_town(base, folder, shape, SLOTS, PREMIUM_SLOTS) as town:
            yield town, proxy


@asynccontextmanager
async def town_behind_sql_proxy(
    site: Site, folder: Path, seed: str
) -> AsyncIterator[tuple[Town, LossyProxy]]:
    """Every process speaks to PostgreSQL over TCP, and loses 10 % of the replies to a COMMIT."""
    async with site.base(Kind.POSTGRESQL, folder) as base:
        assert base.socket is not None
        proxy = LossyProxy(base.socket, SQL_SHARE, reply_to_commit, random.Random(seed))
        async with proxy.serving():
            name = urlsplit(base.url).path
            shape = Shape(
                webs=base.kind.webs,
                database_url=f"postgresql+asyncpg://postgres@127.0.0.1:{proxy.port}{name}",
            )
            async with opened_town(base, folder, shape, SLOTS, PREMIUM_SLOTS) as town:
                yield town, proxy


async def lose_replies(
    town: Town, proxy: LossyProxy, history: History, seed: str, operations: int, seconds: float
) -> Answered:
    """Traffic while replies are lost; then none is lost any more, and everything is checked."""
    traffic = town.traffic(history, seed, CLIENTS, HABITS)
    proxy.is_lossy = True
    await traffic.run(operations, seconds)
    proxy.is_lossy = False
    await town.converged(CONVERGES_WITHIN_S)
    found = await town.violations(history)
    return Answered(proxy.lost, [*found, *await leaked(town, CONVERGES_WITHIN_S)])
