"""The hub while something hangs or is away: nobody waits for long, and nothing looks newer than it is."""

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.db import Database, SqlAway
from app.core.redis import REDIS_IS_GONE, connect
from app.launch import embedded_redis
from app.live import channels
from app.live import hub as hub_module
from app.live.hub import Hub
from app.live.picture import SQL_EPOCH, Picture
from app.settings import embedded_redis_url
from app.slots.layout import Layouts
from app.slots.models import State
from app.slots.projections import MapProjection
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from app.slots.status import Status
from tests.chaos.waiting import until_none
from tests.integration.live.viewers import SOON_S, Stage, Watcher, change
from tests.integration.lots import lot_plan, open_lot
from tests.integration.outages import Outage
from tests.integration.slots.test_relay import desk_without_redis

pytestmark = pytest.mark.usefixtures("quick_ticks")


def away(*_: Any) -> Any:
    raise SqlAway("away")


async def unknown(hub: Hub, lot: int) -> list[str]:
    return [] if await hub.picture(lot) is not None else ["not known"]


async def beats(viewer: Watcher, number: int = 4) -> None:
    """So many frames later; one beat may have asked before what the test has just done."""
    seen = len(viewer.frames)
    await viewer.until(lambda one: len(one.frames) >= seen + number)


async def test_a_viewer_that_leaves_while_the_lot_is_read_takes_the_reading_from_nobody(
    no_beats: None, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, begun, goes_on = stage.source.read, asyncio.Event(), asyncio.Event()

    async def slow(lot_id: int, before: Picture | None) -> Picture | None:
        begun.set()
        await goes_on.wait()
        return await read(lot_id, before)

    monkeypatch.setattr(stage.source, "read", slow)
    first = Watcher(stage.hub, lot, MapProjection())
    await asyncio.wait_for(begun.wait(), SOON_S)
    others = [asyncio.create_task(stage.watch(lot)) for _ in range(20)]
    await asyncio.sleep(0)
    begun.clear()
    await first.leave()
    goes_on.set()
    assert [one.states for one in await asyncio.wait_for(asyncio.gather(*others), SOON_S)] == ["00000"] * 20
    assert not begun.is_set(), "the lot was read again for those who waited"


async def test_a_reading_that_hangs_holds_up_nobody_and_is_put_anew(
    stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "FIRST_WITHIN_S", 0.05)
    monkeypatch.setattr(hub_module, "READ_WITHIN_S", 0.5)
    read, hangs = stage.source.read, True

    async def read_or_hang(lot_id: int, before: Picture | None) -> Picture | None:
        return await (asyncio.Event().wait() if hangs else read(lot_id, before))  # type: ignore[return-value]

    monkeypatch.setattr(stage.source, "read", read_or_hang)
    assert await asyncio.wait_for(stage.hub.picture(lot), SOON_S) is None
    hangs = False
    await until_none(lambda: unknown(stage.hub, lot), SOON_S, "the lot is known")
    assert (await stage.watch(lot)).states == "00000"


async def test_a_lot_that_somebody_waits_for_is_not_forgotten(
    stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited at a lot that was forgotten meanwhile would get one picture, and never another."""
    monkeypatch.setattr(hub_module, "KEEP_UNWATCHED_S", 0.0)
    read, beats = stage.source.read, 0
    lagging, beaten_twice = stage.source.lagging, asyncio.Event()

    async def slow(lot_id: int, before: Picture | None) -> Picture | None:
        await beaten_twice.wait()
        return await read(lot_id, before)

    async def count_beats() -> set[int] | None:
        nonlocal beats
        beats += 1
        if beats > 2:
            beaten_twice.set()
        return await lagging()

    monkeypatch.setattr(stage.source, "read", slow)
    monkeypatch.setattr(stage.source, "lagging", count_beats)
    viewer = await stage.watch(lot)
    stage.now = 1_300.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_300.0)


async def test_one_lot_whose_reading_hangs_does_not_make_the_others_look_old(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (await open_lot(desk, lot_plan("there"))).id or 0
    await relay_once(desk.database, desk.status, -1)
    viewer, _ = await stage.watch(lot), await stage.watch(other)
    read, hung = stage.source.read, asyncio.Event()

    async def hang(lot_id: int, before: Picture | None) -> Picture | None:
        if lot_id == other:
            hung.set()
            await asyncio.Event().wait()
        return await read(lot_id, before)

    monkeypatch.setattr(hub_module, "ASKED_WITHIN_S", 0.05)
    monkeypatch.setattr(stage.source, "read", hang)
    stage.hub._lots[other].stale = True
    await asyncio.wait_for(hung.wait(), SOON_S)
    for now in (1_400.0, 1_402.0):
        stage.now = now
        await viewer.until(lambda one, now=now: one.frames[-1].get("as_of") == now)  # type: ignore[misc]


async def test_standing_still_for_long_is_not_taken_for_drawing_long(
    desk: Desk, no_beats: None, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped in the middle of a tick must not rest three times as long afterwards."""
    draw = stage.hub._draw

    def stand_still(feed: Any, changed: set[int]) -> None:
        draw(feed, changed)
        time.sleep(2.0)

    viewer = await stage.watch(lot)
    monkeypatch.setattr(stage.hub, "_draw", stand_still)
    await change(desk, lot, 0, 2, State.RESERVED)
    await viewer.shows("10000")
    monkeypatch.setattr(stage.hub, "_draw", draw)
    await change(desk, lot, 1, 2, State.RESERVED)
    async with asyncio.timeout(2.0):
        await viewer.shows("11000")


async def test_who_comes_late_is_told_the_age_as_it_is_then(
    stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a whole picture is kept; an instant in it would be that of somebody before."""
    monkeypatch.setattr("app.live.feed.TELL_AGAIN_S", 0.0)
    first = await stage.watch(lot)
    await first.leave()
    stage.now = 1_900.0

    async def not_confirmed() -> list[str]:
        picture = await stage.hub.picture(lot)
        return [] if picture is not None and picture.as_of == 1_900.0 else [str(picture)]

    await until_none(not_confirmed, SOON_S, "a beat has confirmed the picture")
    second = await stage.watch(lot)
    assert second.frames[0]["as_of"] == 1_900.0
    assert second.frames[0]["now"] > first.frames[0]["now"]


async def test_without_sql_viewers_keep_what_they_have_and_it_ages(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a change waits in the outbox is not known then: nothing is confirmed."""
    viewer = await stage.watch(lot)
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_000.0)
    monkeypatch.setattr(desk.database, "look", away)
    stage.now = 1_100.0
    # A beat may have asked before SQL went away: those after it count.
    seen = len(viewer.frames)
    await viewer.until(lambda one: len(one.frames) >= seen + 2)
    aged = viewer.frames[-1]["as_of"]
    stage.now = 1_200.0
    stage.hub._lots[lot].stale = True
    seen = len(viewer.frames)
    await viewer.until(lambda one: len(one.frames) >= seen + 4)
    assert viewer.frames[-1]["as_of"] == aged < 1_200.0
    assert viewer.states == "00000"
    monkeypatch.undo()
    await viewer.until(lambda one: one.frames[-1]["as_of"] == 1_200.0)


async def test_a_first_look_while_sql_is_away_is_as_old_as_sqls_last_word(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has all that SQL had committed when it said that no change waits; of later ones nobody knows."""
    await desk.layouts.of(lot)
    stage.now = 1_050.0

    async def not_told() -> list[str]:
        return [] if stage.source._told_at == 1_050.0 else [str(stage.source._told_at)]

    await until_none(not_told, SOON_S, "a beat has asked SQL though nobody watches")
    monkeypatch.setattr(desk.database, "look", away)
    stage.now = 1_100.0
    viewer = await stage.watch(lot)
    assert viewer.frames[0]["as_of"] == 1_050.0
    await change(desk, lot, 2, 2, State.RESERVED)
    await viewer.shows("00100")
    await beats(viewer)
    assert viewer.frames[-1]["as_of"] == 1_050.0


async def test_a_lot_of_which_sql_never_spoke_has_no_age(
    desk: Desk, no_beats: None, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.layouts.of(lot)
    monkeypatch.setattr(desk.database, "look", away)
    viewer = await stage.watch(lot)
    assert viewer.states == "00000"
    assert "as_of" not in viewer.frames[0]


async def test_what_sql_has_shown_is_not_taken_back_by_a_redis_that_lags(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.slots.pictures.MAY_LAG_S", -1)
    viewer = await stage.watch(lot)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    await viewer.shows("01000")
    monkeypatch.setattr(desk.database, "look", away)
    await beats(viewer, 2)
    told = viewer.frames[-1]["as_of"]
    stage.now = 1_100.0
    stage.hub._lots[lot].stale = True
    await beats(viewer)
    assert (viewer.states, viewer.frames[-1]["as_of"]) == ("01000", told)


async def test_an_unbuilt_lot_is_as_old_as_its_last_reading_from_sql(
    desk: Desk, stage: Stage, lot: int, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is there, but its numbers confirm nothing."""
    viewer = await stage.watch(lot)
    await redis.flushall()
    stage.now = 1_100.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_100.0)
    assert viewer.frames[-1]["seq"].startswith(SQL_EPOCH)
    monkeypatch.setattr(desk.database, "look", away)
    await beats(viewer, 2)
    stage.now = 1_200.0
    await beats(viewer)
    assert viewer.frames[-1]["as_of"] == 1_100.0
    monkeypatch.undo()
    await viewer.until(lambda one: one.frames[-1]["as_of"] == 1_200.0)


async def test_lots_that_nobody_watches_are_forgotten_but_not_while_sql_is_away(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "KEEP_UNWATCHED_S", 0.0)
    other = (await open_lot(desk, lot_plan("there"))).id or 0
    await relay_once(desk.database, desk.status, -1)
    viewer = await stage.watch(lot)
    await stage.hub.picture(other)
    await viewer.until(lambda _: other not in stage.hub._lots)
    monkeypatch.setattr(desk.database, "look", away)
    await beats(viewer, 2)
    await stage.hub.picture(other)
    await beats(viewer)
    assert other in stage.hub._lots
    assert sorted(stage.hub.known()) == sorted([lot, other])


async def test_a_lot_that_was_forgotten_is_remembered_when_nothing_answers(
    desk: Desk, stage: Stage, lot: int, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "KEEP_UNWATCHED_S", 0.0)
    await reserve(desk, ReserveRequest("A 1", slot="here-A2"))
    await stage.hub.picture(lot)

    async def watched() -> list[str]:
        return ["watched"] if lot in stage.hub._lots else []

    await until_none(watched, SOON_S, "the lot is forgotten")
    monkeypatch.setattr(desk.database, "look", away)
    await redis.flushall()
    stage.now = 1_100.0
    viewer = await stage.watch(lot)
    assert (viewer.states, viewer.frames[0]["as_of"]) == ("01000", 1_000.0)
    monkeypatch.undo()
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_100.0)


@pytest.fixture
async def shaky_desk(outage: Outage, redis: Redis) -> AsyncIterator[Desk]:
    """A desk over a database that can go away, whose pulse is felt."""
    database = Database(outage.url)
    here = await installation(database)
    status = Status(redis, here.incarnation)
    await rebuild_all(database, status)
    desk = Desk(database, Layouts(database), status, bytes.fromhex(here.signing_key))
    async with database.pulse.running():
        yield desk
        await desk.ended()
    await database.close()


async def test_sql_goes_away_and_viewers_are_told_the_age_until_it_is_back(
    outage: Outage, shaky_desk: Desk, redis: Redis
) -> None:
    lot = (await open_lot(shaky_desk)).id or 0
    await relay_once(shaky_desk.database, shaky_desk.status, -1)
    stage = Stage(shaky_desk, redis)
    async with stage.hub.running():
        viewer = await stage.watch(lot)
        await asyncio.to_thread(outage.begin)

        async def still_felt() -> list[str]:
            return ["felt"] if shaky_desk.database.pulse.is_felt else []

        await until_none(still_felt, SOON_S, "SQL is away")
        await beats(viewer, 2)
        told = viewer.frames[-1]["as_of"]
        stage.now = 1_100.0
        # Another process may still reach SQL: what it publishes is shown, and the age stays what it is.
        await change(shaky_desk, lot, 4, 7, State.OCCUPIED)
        await viewer.shows("00002")
        await beats(viewer)
        assert viewer.frames[-1]["as_of"] == told == 1_000.0
        late = await stage.watch(lot)
        assert (late.states, late.frames[0]["as_of"]) == ("00002", 1_000.0)
        await asyncio.to_thread(outage.end)
        back_at_s = time.monotonic()
        await viewer.until(lambda one: one.frames[-1]["as_of"] == 1_100.0)
        print(f"confirmed again {time.monotonic() - back_at_s:.2f} s after SQL was back")
        await reserve(shaky_desk, ReserveRequest("A 1", slot="here-A2"))
        await viewer.shows("01002")
        for one in stage.viewers:
            await one.leave()


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    embedded_redis.prepare(folder)
    server = subprocess.Popen(embedded_redis.command(folder), stdin=subprocess.DEVNULL)
    try:
        embedded_redis.wait_until_ready(folder, lambda: server.poll() is None)
        yield server, embedded_redis_url(folder)
    finally:
        server.kill()
        server.wait()


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[tuple[subprocess.Popen[bytes], Redis]]:
    """A Redis that may be stopped, and a client of it."""
    with redis_server(tmp_path.absolute() / "redis") as (server, url):
        client = connect(url)
        yield server, client
        await client.aclose()


async def test_a_redis_that_stands_still_is_noticed_and_taken_up_again(
    own_redis: tuple[subprocess.Popen[bytes], Redis], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections stay open and say nothing: without a question nobody would learn that it is gone."""
    server, redis = own_redis
    monkeypatch.setattr(channels, "QUIET_S", 0.1)
    database = Database(database_url)
    desk = Desk(database, Layouts(database), Status(redis, "i"), b"key")
    await rebuild_all(database, desk.status)
    lot = (await open_lot(desk)).id or 0
    await relay_once(database, desk.status, -1)
    stage = Stage(desk, redis)
    async with stage.hub.running():
        viewer = await stage.watch(lot)
        server.send_signal(signal.SIGSTOP)
        await viewer.until(lambda one: one.frames[-1]["seq"].startswith(SQL_EPOCH))
        await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
        await viewer.shows("01000")

        async def confirmed() -> list[str]:
            return ["confirmed"] if stage.hub._subscription.is_watching(lot) else []

        await until_none(confirmed, SOON_S, "the subscription is known to be lost")
        late = await asyncio.wait_for(stage.watch(lot), SOON_S)
        assert late.states == "01000"
        server.send_signal(signal.SIGCONT)

        async def not_relayed() -> list[str]:
            try:
                await relay_once(database, desk.status, -1)
            except REDIS_IS_GONE as error:
                return [repr(error)]
            return []

        await until_none(not_relayed, SOON_S, "Redis has been told")
        await viewer.until(lambda one: not one.frames[-1]["seq"].startswith(SQL_EPOCH))
        await change(desk, lot, 4, 2, State.CLOSED)
        await viewer.shows("01003")
        for one in stage.viewers:
            await one.leave()
    await desk.ended()
    await database.close()


async def test_what_was_missed_while_the_connection_was_lost_is_shown_as_soon_as_it_is_back(
    no_beats: None, desk: Desk, stage: Stage, lot: int, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "FIRST_RETRY_S", 0.5)
    viewer = await stage.watch(lot)
    assert stage.hub._subscription.is_watching(lot)
    await redis.client_kill_filter(_type="pubsub")
    await reserve(desk, ReserveRequest("A 1", slot="here-A2"))
    await viewer.shows("01000")


async def test_with_redis_and_sql_gone_the_picture_stays_and_says_how_old_it_is(
    own_redis: tuple[subprocess.Popen[bytes], Redis], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, redis = own_redis
    database = Database(database_url)
    desk = Desk(database, Layouts(database), Status(redis, "i"), b"key")
    await rebuild_all(database, desk.status)
    lot = (await open_lot(desk)).id or 0
    stage = Stage(desk, redis)
    async with stage.hub.running():
        viewer = await stage.watch(lot)
        server.kill()
        server.wait()
        await reserve(desk, ReserveRequest("A 1", slot="here-A2"))
        stage.now = 1_100.0
        await viewer.until(lambda one: one.states == "01000" and one.frames[-1]["as_of"] == 1_100.0)
        monkeypatch.setattr(database, "look", away)
        await beats(viewer, 2)
        stage.now = 1_200.0
        await beats(viewer)
        late = await stage.watch(lot)
        for one in (viewer, late):
            assert (one.states, one.frames[-1]["as_of"]) == ("01000", 1_100.0)
        monkeypatch.undo()
        await viewer.until(lambda one: one.frames[-1]["as_of"] == 1_200.0)
        for one in stage.viewers:
            await one.leave()
    await desk.ended()
    await database.close()
