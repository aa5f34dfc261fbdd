"""When lots are scrubbed: each in its turn, spread over the period, sooner where there is a reason."""

from itertools import pairwise

import pytest
from redis.asyncio import Redis

from app.bookings.desk import Desk
from app.core import metrics
from app.core.db import Database, SqlAway
from app.slots import rounds
from app.slots.models import State
from app.slots.rebuild import rebuild_all
from app.slots.rounds import DOUBTS_EVERY_S, STEP_S, Rounds
from app.slots.scrub import AGAIN_AFTER_S, Kind, Look, look
from app.slots.status import LotKey, SlotChange, Status
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_relay import counted
from tests.integration.slots.test_scrub import in_sql
from tests.integration.slots.working import is_true

PERIOD_S = 100.0
LOTS = 5


class Stage:
    """Rounds over a few lots, on a clock that passes when it is told to. ``looked``: which lot, when."""

    def __init__(self, desk: Desk, lots: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.lots = lots
        self.now_s = 0.0
        self.look_takes_s = 0.0
        self.looked: list[tuple[float, int]] = []
        self.rounds = Rounds(desk.database, desk.status, PERIOD_S, lambda: self.now_s)
        monkeypatch.setattr(rounds, "look", self._look)

    async def _look(self, database: Database, status: Status, lot_id: int) -> Look:
        self.looked.append((self.now_s, lot_id))
        self.now_s += self.look_takes_s
        return await look(database, status, lot_id)

    async def pass_s(self, seconds: float, step_s: float = 1.0) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s = min(until_s, self.now_s + step_s)
            await self.rounds.step()

    def lots_looked_at(self) -> list[int]:
        looked, self.looked = self.looked, []
        return [lot for _, lot in looked]


@pytest.fixture
async def stage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Five lots that were looked at once; their first round is over."""
    lots = [(await open_lot(desk, lot_plan(f"lot{number}"))).id or 0 for number in range(LOTS)]
    await rebuild_all(desk.database, desk.status)
    stage = Stage(desk, lots, monkeypatch)
    await stage.rounds.step()
    # The second round has begun, at its pace.
    assert stage.lots_looked_at() == [*lots, lots[0]]
    return stage


async def test_each_lot_has_its_turn_in_each_period_and_all_are_spread_over_it(stage: Stage) -> None:
    await stage.pass_s(3 * PERIOD_S)
    for lot in stage.lots:
        turns = [0.0, *(when_s for when_s, one in stage.looked if one == lot)]
        assert len(turns) == 4
        assert all(later - earlier <= PERIOD_S + 1 for earlier, later in pairwise(turns))
    assert all(
        abs(later - earlier - PERIOD_S / LOTS) <= 1 for (earlier, _), (later, _) in pairwise(stage.looked)
    )


async def test_a_step_takes_no_longer_than_its_share_and_one_lot(
    desk: Desk, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Stage(desk, stage.lots, monkeypatch)
    slow.look_takes_s = STEP_S * 0.75
    await slow.rounds.step()
    assert slow.lots_looked_at() == stage.lots[:2]
    await slow.rounds.step()
    assert slow.lots_looked_at() == stage.lots[2:4]


async def test_a_doubted_lot_is_looked_at_soon(desk: Desk, redis: Redis, stage: Stage) -> None:
    """Redis was told a lower version than it knows: SQL may have lost commits."""
    lot = stage.lots[3]
    # As after a release and a booking that SQL has forgotten.
    await desk.status.apply(LotKey(lot, 1), [SlotChange(0, 3, 1, State.FREE)])
    await stage.pass_s(DOUBTS_EVERY_S)
    assert stage.lots_looked_at() == []
    await desk.status.apply(LotKey(lot, 1), [SlotChange(0, 2, 1, State.RESERVED)])
    await stage.pass_s(DOUBTS_EVERY_S)
    assert stage.lots_looked_at() == [lot]
    known, epoch = desk.status.incarnation, await desk.status.epoch()
    await stage.pass_s(AGAIN_AFTER_S)
    assert await rebuild_all(desk.database, desk.status) == LOTS
    assert desk.status.incarnation != known
    assert await desk.status.epoch() != epoch
    assert await is_true(desk, lot)


async def test_what_comes_between_two_looks_is_looked_at_twice_as_well(desk: Desk, stage: Stage) -> None:
    """The lot is pending for something else, which is over by the second look."""
    lot = stage.lots[1]
    await in_sql(desk, "UPDATE slot_state SET version = 2, state = 'closed' WHERE rank = 1 AND lot_id = 2")
    await stage.pass_s(PERIOD_S / LOTS)
    assert stage.lots_looked_at() == [lot]
    await desk.status.apply(LotKey(lot, 1), [SlotChange(1, 2, 1, State.CLOSED)])
    await desk.status.apply(LotKey(lot, 1), [SlotChange(0, 3, 1, State.FREE)])
    await desk.status.apply(LotKey(lot, 1), [SlotChange(0, 2, 1, State.RESERVED)])
    known = desk.status.incarnation
    await stage.pass_s(AGAIN_AFTER_S)
    assert desk.status.incarnation == known, "it was seen once"
    await stage.pass_s(AGAIN_AFTER_S)
    assert await rebuild_all(desk.database, desk.status) == LOTS
    assert desk.status.incarnation != known


async def test_what_is_suspect_is_looked_at_again_and_mended(desk: Desk, stage: Stage) -> None:
    findings = metrics.SCRUB_FINDINGS.labels(Kind.BEHIND)
    before = counted(findings)
    await in_sql(desk, "UPDATE slot_state SET version = version + 1, state = 'closed' WHERE rank = 1")
    await stage.pass_s(PERIOD_S + AGAIN_AFTER_S)
    assert counted(findings) - before == LOTS
    for lot in stage.lots:
        assert await is_true(desk, lot)


async def test_after_an_outage_every_lot_is_looked_at_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While SQL was away it may have been restored."""
    look_now = rounds.look

    async def away(*_: object) -> Look:
        raise SqlAway("away")

    monkeypatch.setattr(rounds, "look", away)
    with pytest.raises(SqlAway):
        await stage.pass_s(PERIOD_S)
    monkeypatch.setattr(rounds, "look", look_now)
    stage.looked.clear()
    await stage.rounds.step()
    assert stage.lots_looked_at()[:LOTS] == stage.lots


async def test_while_the_status_is_not_built_nothing_is_looked_at(
    desk: Desk, redis: Redis, stage: Stage
) -> None:
    await redis.flushall()
    await stage.pass_s(2 * PERIOD_S)
    assert stage.lots_looked_at() == []
    await rebuild_all(desk.database, desk.status)
    await stage.pass_s(1)
    assert stage.lots_looked_at()


async def test_the_age_of_the_last_full_round_is_told(stage: Stage) -> None:
    last_turn_s = PERIOD_S - PERIOD_S / LOTS
    await stage.pass_s(last_turn_s - 1)
    assert counted(metrics.SCRUB_ROUND_AGE) == last_turn_s - 1
    await stage.pass_s(2)
    assert counted(metrics.SCRUB_ROUND_AGE) == 1


async def test_without_a_lot_a_round_is_a_round(desk: Desk) -> None:
    await rebuild_all(desk.database, desk.status)
    empty = Rounds(desk.database, desk.status, PERIOD_S)
    await empty.step()
    await empty.step()
    assert counted(metrics.SCRUB_ROUND_AGE) < PERIOD_S
