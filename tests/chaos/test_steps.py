"""A crash at every named step of the protocol, by a kill, an error of SQL, a silent Redis, a lost reply."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

import pytest

from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.slots.relay import relay_once
from tests import servers
from tests.chaos.site import Kind, Site
from tests.chaos.steps import table
from tests.chaos.steps.aftermath import judge_all
from tests.chaos.steps.bench import Bench, opened_bench
from tests.chaos.steps.broken import BROKEN
from tests.chaos.steps.campaign import Campaign
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.ground import opened_office
from tests.chaos.steps.report import Score, details, summary, wrong
from tests.chaos.steps.striking import Cell
from tests.chaos.steps.table import BOOKINGS, PROTOCOLS, REBUILD, RELAY, Part, Protocol, functions
from tests.chaos.steps.tracing import Trace, traced
from tests.chaos.steps.trials import cells, one_for_each
from tests.chaos.steps.watched import watching
from tests.chaos.steps.whole import ground_of, try_table

# What each broken variant must be caught by.
CAUGHT = {
    "acknowledged before the commit": (table.COMMIT, Fault.KILLED_BEFORE),
    "applied before the commit": (table.COMMIT, Fault.KILLED_BEFORE),
    "answer kept after the commit": (table.COMMIT, Fault.KILLED_AFTER),
    "outbox noted after the commit": (table.COMMIT, Fault.KILLED_AFTER),
}


@pytest.mark.timeout(400)
async def test_every_cell_of_the_table_is_right(site: Site, kind: Kind, tmp_path: Path) -> None:
    tried = await try_table(site, kind, tmp_path, each=False)
    score = Score(tried)
    print("\n".join([*details(score), "", *summary(score), "", score.total]))
    assert wrong(tried) == []
    assert Counter(cell for one in tried for cell in one.cells) == Counter(cells(PROTOCOLS))


async def test_the_application_takes_the_steps_of_the_table_in_their_order_and_speaks_as_it_says(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    async with opened(site, kind, tmp_path, len(BOOKINGS)) as bench:
        bench.worker.kill()
        async with opened_office(bench.ground, bench.desk.database) as office:
            for number, protocol in enumerate(BOOKINGS):
                check(await traced(office, protocol, number), protocol, kind)
            await relay_once(bench.desk.database, bench.desk.status, 0.0)
            office.ways.redis.is_dead = True
            async with office.desk() as desk:
                await reserve(desk, ReserveRequest("LEFT BEHIND", lot="lot0"))
            office.ways.redis.is_dead = False
            check(await traced(office, RELAY, 0), RELAY, kind)
            await bench.redis.flushdb()
            check(await traced(office, REBUILD, 0), REBUILD, kind)


def check(trace: Trace, protocol: Protocol, kind: Kind) -> None:
    assert trace.begun == list(protocol.steps), protocol.name
    for step in protocol.steps:
        spoke = {one.part for one in trace.heard if one.within[-1:] == (step,)}
        assert spoke == step.parts(kind), (protocol.name, step.name)
    # The others do more than is in the table: what went before, and the same again for each lot.
    if protocol.given is None and protocol is not REBUILD:
        assert [one for one in trace.heard if not one.within] == [], protocol.name
    if protocol.given is None and protocol in BOOKINGS:
        for step, part in product(protocol.steps, Part):
            assert trace.next_heard(step, part) in (None, protocol.struck(step, part, kind)), step.name


def test_a_step_whose_function_is_gone_is_noticed() -> None:
    with watching(functions()):
        pass
    with pytest.raises(AttributeError), watching(["app.bookings.records:lock_slot"]):
        pass


async def test_cells_fail_over_broken_variants(site: Site, kind: Kind, tmp_path: Path) -> None:
    assert {*CAUGHT} == {*BROKEN} - {""}
    trials = one_for_each(Cell(table.RESERVE, *by) for by in CAUGHT.values())
    async with opened(site, kind, tmp_path, len(trials)) as bench:
        await asyncio.gather(
            *(Campaign(bench, variant).run([trial]) for variant, trial in zip(CAUGHT, trials, strict=True))
        )
        await judge_all(bench, trials)
    print("\n".join(wrong(trials)))
    assert [one.cell for one in trials if not one.wrong] == []


@asynccontextmanager
async def opened(site: Site, kind: Kind, folder: Path, lots: int) -> AsyncIterator[Bench]:
    with servers.start_redis(folder):
        async with (
            site.base(kind, folder) as base,
            opened_bench(ground_of(base, folder), folder, lots) as bench,
        ):
            yield bench
