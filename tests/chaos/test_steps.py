"""A crash at every named step of the protocol, by a kill, an error of SQL, a Redis that is silent, a lost reply."""

from collections import Counter
from pathlib import Path

import pytest

from tests import servers
from tests.chaos.site import Kind, Site
from tests.chaos.steps import table
from tests.chaos.steps.aftermath import judge_all
from tests.chaos.steps.bench import opened_bench
from tests.chaos.steps.broken import BROKEN
from tests.chaos.steps.campaign import Campaign
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.ground import opened_office
from tests.chaos.steps.report import Score, details, summary, wrong
from tests.chaos.steps.striking import Cell
from tests.chaos.steps.table import BOOKINGS, PROTOCOLS, REBUILD, Part, functions
from tests.chaos.steps.tracing import traced
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
    with servers.start_redis(tmp_path):
        async with site.base(kind, tmp_path) as base:
            ground = ground_of(base, tmp_path)
            async with opened_bench(ground, tmp_path, len(BOOKINGS)) as bench:
                bench.worker.kill()
                async with opened_office(ground, bench.desk.database) as office:
                    for number, protocol in enumerate(PROTOCOLS):
                        if protocol is REBUILD:
                            await bench.redis.flushdb()
                        trace = await traced(office, protocol, number)
                        assert trace.begun == list(protocol.steps), protocol.name
                        outside = [one.part for one in trace.heard if not one.within]
                        assert outside == [], protocol.name
                        for step in protocol.steps:
                            spoke = {one.part for one in trace.heard if one.within[-1] == step}
                            assert spoke == step.parts(kind), (protocol.name, step.name)
                        for step in protocol.steps if protocol in BOOKINGS else ():
                            for part in Part:
                                heard = trace.next_heard(step, part)
                                assert heard in (None, protocol.struck(step, part, kind)), step.name


def test_a_step_whose_function_is_gone_is_noticed() -> None:
    with watching(functions()):
        pass
    with pytest.raises(AttributeError), watching(["app.bookings.records:lock_slot"]):
        pass


async def test_cells_fail_over_broken_variants(site: Site, kind: Kind, tmp_path: Path) -> None:
    assert {*CAUGHT} == {*BROKEN} - {""}
    trials = one_for_each(Cell(table.RESERVE, *by) for by in CAUGHT.values())
    with servers.start_redis(tmp_path):
        async with site.base(kind, tmp_path) as base:
            async with opened_bench(ground_of(base, tmp_path), tmp_path, len(trials)) as bench:
                for variant, trial in zip(CAUGHT, trials, strict=True):
                    await Campaign(bench, variant).run([trial])
                await judge_all(bench, trials)
    print("\n".join(wrong(trials)))
    assert [one.cell for one in trials if not one.wrong] == []
