"""The whole table over one kind of database."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from app.settings import embedded_redis_socket
from tests import servers
from tests.chaos.site import Base, Kind, Site
from tests.chaos.steps.aftermath import judge_all, use_up
from tests.chaos.steps.bench import opened_bench
from tests.chaos.steps.campaign import Campaign
from tests.chaos.steps.ground import Ground
from tests.chaos.steps.table import BOOKINGS, WORK
from tests.chaos.steps.trials import Tried, cells, one_for_alike, one_for_each
from tests.chaos.steps.workshop import try_work


async def try_table(site: Site, kind: Kind, folder: Path, *, each: bool) -> Sequence[Tried]:
    """Tries every cell. ``each``: by itself, also where the same call is struck as in another one.

    What is wrong in no cell of its own counts against the first one.
    """
    bookings = one_for_each(cells(BOOKINGS)) if each else one_for_alike(cells(BOOKINGS), kind)
    work = [Tried((cell,)) for cell in cells(WORK)]
    shop = folder / "workshop"
    shop.mkdir()
    with servers.start_redis(folder):
        async with site.base(kind, folder) as base, site.base(kind, shop) as workshop:  # noqa: SIM117
            async with opened_bench(ground_of(base, folder), folder, len(bookings)) as bench:
                await Campaign(bench).run(bookings)
                await judge_all(bench, bookings)
                # Leases have to run out meanwhile.
                found, _ = await asyncio.gather(
                    use_up(bench, bookings), try_work(ground_of(workshop, folder), shop, work)
                )
                bookings[0].wrong += found
    return [*bookings, *work]


def distinct(kind: Kind) -> int:
    """How many cells strike another call than every other one: some steps share a call."""
    return len(one_for_alike(cells(BOOKINGS), kind)) + len(cells(WORK))


def ground_of(base: Base, folder: Path) -> Ground:
    """Over the embedded Redis of ``folder``."""
    socket = None if base.socket is None else str(base.socket)
    return Ground(base.url, socket, str(embedded_redis_socket(folder)))
