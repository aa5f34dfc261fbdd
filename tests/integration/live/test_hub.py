"""The hub over a real Redis and a real SQL: what viewers see is what is true, or says how old it is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from app.bookings.attend import check_in
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.opening import put_slot
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.db import Database, SqlAway
from app.core.redis import connect
from app.display.routes import WallProjection
from app.driver.lots import ListProjection
from app.live import hub as hub_module
from app.live.hub import Hub
from app.live.picture import SQL_EPOCH, Picture
from app.slots.forms import SlotForm
from app.slots.layout import Layouts
from app.slots.models import State
from app.slots.pictures import StatusPictures
from app.slots.projections import MapProjection
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from app.slots.status import LotKey, SlotChange, Status
from tests import servers
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_relay import desk_without_redis

SOON_S = 10.0


class Counted(MapProjection):
    """The map's projection, which counts how often it is drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        self.drawn += 1
        return super().content(picture, changed)


class Watcher:
    """A viewer that keeps what it is sent, as a page would apply it."""

    def __init__(self, hub: Hub, lot_id: int, projection: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        self.states = ""
        self.shown: list[str] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._watch(hub, lot_id, projection))

    async def _watch(self, hub: Hub, lot_id: int, projection: Any) -> None:
        async with hub.watching(lot_id, projection) as feed:
            assert feed is not None
            number = 0
            while True:
                await feed.news(number)
                seen, frames = feed.number, feed.after(number)
                number = seen
                async with self._news:
                    for frame in frames:
                        self._take(json.loads(frame))
                    self._news.notify_all()

    def _take(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if "states" in frame:
            self.states = frame["states"]
        tiles = frame.get("tiles", [])
        for position, state in zip(tiles[::2], tiles[1::2], strict=True):
            self.states = self.states[:position] + str(state) + self.states[position + 1 :]
        self.shown.append(self.states)

    async def until(self, holds: Callable[["Watcher"], bool]) -> None:
        async with asyncio.timeout(SOON_S), self._news:
            await self._news.wait_for(lambda: holds(self))

    async def shows(self, states: str) -> None:
        await self.until(lambda viewer: viewer.states == states)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Stage:
    """A hub that runs, and those who watch."""

    def __init__(self, desk: Desk, redis: Redis) -> None:
        self.now = 1_000.0
        self.source = StatusPictures(desk.database, desk.layouts, desk.status, lambda: self.now)
        self.hub = Hub(self.source, redis, lambda: self.now)
        self.viewers: list[Watcher] = []

    async def watch(self, lot_id: int, projection: Any = None) -> Watcher:
        viewer = Watcher(self.hub, lot_id, projection or MapProjection())
        self.viewers.append(viewer)
        await viewer.until(lambda one: bool(one.frames))
        return viewer


@pytest.fixture(autouse=True)
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


async def change(desk: Desk, lot: int, rank: int, version: int, state: State, *, lost: bool = False) -> None:
    """A change as another process would make it; ``lost`` where its message reaches nobody."""
    await desk.status.apply(LotKey(lot, 1), [SlotChange(rank, version, 1, state)], publish=not lost)
    if lost:
        await desk.status._redis.hincrby(f"lot:{{{lot}}}:meta", "seq", 1)


async def test_what_is_booked_is_seen_and_what_is_released_too(desk: Desk, stage: Stage, lot: int) -> None:
    viewer = await stage.watch(lot)
    assert viewer.states == "00000"
    done = await reserve(desk, ReserveRequest("A 1", slot="here-A3"))
    await viewer.shows("00100")
    layout = await desk.layouts.of(lot)
    assert layout is not None
    await check_in(desk, layout.by_name["A3"].id, 2)
    await viewer.shows("00200")
    await unreserve(desk, UnreserveRequest("A 1", done.slot))
    await viewer.shows("00000")


async def test_a_change_while_the_first_picture_is_taken_is_not_missed(
    desk: Desk, no_beats: None, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lot is subscribed to first and read after: between reading and showing nothing is lost."""
    read, reads = stage.source.read, []

    async def read_then_change(lot_id: int, before: Picture | None) -> Picture | None:
        found = await read(lot_id, before)
        reads.append(found)
        if len(reads) == 1:
            await change(desk, lot, 4, 2, State.RESERVED)
        return found

    monkeypatch.setattr(stage.source, "read", read_then_change)
    viewer = await stage.watch(lot)
    await viewer.shows("00001")


async def test_a_gap_in_the_numbers_means_a_fresh_picture(
    desk: Desk, no_beats: None, stage: Stage, lot: int
) -> None:
    viewer = await stage.watch(lot)
    await change(desk, lot, 1, 2, State.RESERVED, lost=True)
    await change(desk, lot, 3, 2, State.OCCUPIED)
    await viewer.shows("01020")
    assert "states" in viewer.frames[-1]


async def test_a_last_message_that_was_lost_is_found_by_the_beat(desk: Desk, stage: Stage, lot: int) -> None:
    viewer = await stage.watch(lot)
    await change(desk, lot, 1, 2, State.CLOSED, lost=True)
    await viewer.shows("03000")


async def test_another_epoch_means_a_fresh_picture(desk: Desk, stage: Stage, lot: int, redis: Redis) -> None:
    viewer = await stage.watch(lot)
    first = viewer.frames[0]["seq"].split(":")[0]
    await redis.flushall()
    await reserve(desk, ReserveRequest("A 1", slot="here-A1"))
    await rebuild_all(desk.database, desk.status)
    epoch = await desk.status.epoch()
    assert epoch != first
    await viewer.until(lambda one: one.frames[-1]["seq"].startswith(epoch) and one.states == "10000")


async def test_while_the_lot_is_unbuilt_viewers_see_what_sql_has(
    desk: Desk, stage: Stage, lot: int, redis: Redis
) -> None:
    viewer = await stage.watch(lot)
    await redis.flushall()
    await reserve(desk, ReserveRequest("A 1", slot="here-A2"))
    await viewer.until(lambda one: one.frames[-1]["seq"].startswith(SQL_EPOCH) and one.states == "01000")


async def test_an_old_message_changes_nothing(desk: Desk, stage: Stage, lot: int) -> None:
    viewer = await stage.watch(lot)
    await change(desk, lot, 0, 2, State.RESERVED)
    await viewer.shows("10000")
    seen = await desk.status.snapshot(lot)
    old = {"epoch": seen.epoch, "seq": seen.seq, "changes": [0, 0]}
    stage.hub._on_message(lot, old)
    await change(desk, lot, 1, 2, State.RESERVED)
    await viewer.shows("11000")


async def test_a_change_that_no_tick_has_shown_yet_survives_a_fresh_reading(
    desk: Desk, no_beats: None, redis: Redis, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading has the same number, so nobody would be sent it whole."""
    monkeypatch.setattr(hub_module, "TICK_S", 3_600.0)
    stage = Stage(desk, redis)
    async with stage.hub.running():
        viewer = await stage.watch(lot)
        watched = stage.hub._lots[lot]
        take, taken = stage.hub._on_message, asyncio.Event()

        def take_and_tell(lot_id: int, message: dict[str, Any]) -> None:
            take(lot_id, message)
            taken.set()

        monkeypatch.setattr(stage.hub._subscription, "_on_message", take_and_tell)
        await change(desk, lot, 2, 2, State.RESERVED)
        await asyncio.wait_for(taken.wait(), SOON_S)
        assert watched.picture is not None
        watched.stale = True
        await stage.hub._confirm()
        assert watched.picture.changed == {2}
        for feed in watched.feeds.values():
            feed.tick(watched.picture.changed)
        await viewer.shows("00100")
        await viewer.leave()


async def test_a_frame_is_drawn_once_however_many_watch(
    desk: Desk, no_beats: None, stage: Stage, lot: int
) -> None:
    projection = Counted()
    viewers = [await stage.watch(lot, projection) for _ in range(40)]
    assert projection.drawn == 1
    await change(desk, lot, 2, 2, State.RESERVED)
    for viewer in viewers:
        await viewer.shows("00100")
    assert projection.drawn == 2


async def test_a_beat_advances_the_age_of_what_is_confirmed(stage: Stage, lot: int) -> None:
    viewer = await stage.watch(lot)
    for now in (1_002.0, 1_004.0, 1_006.0):
        stage.now = now
        await viewer.until(lambda one, now=now: one.frames[-1].get("as_of") == now)  # type: ignore[misc]


async def test_a_lot_that_never_rests_is_confirmed_all_the_same(
    stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between asking for the number and comparing it there is always another change."""
    viewer = await stage.watch(lot)
    heads = stage.source.heads

    async def heads_then_change(lot_ids: list[int]) -> Any:
        found = await heads(lot_ids)
        picture = stage.hub._lots[lot].picture
        assert picture is not None
        picture.seq += 1
        await stage.source._status._redis.hincrby(f"lot:{{{lot}}}:meta", "seq", 1)
        return found

    monkeypatch.setattr(stage.source, "heads", heads_then_change)
    stage.now = 1_500.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_500.0)


async def test_a_change_that_waits_in_the_outbox_is_shown_or_the_picture_ages(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No frame claims to be newer than a booking that it does not show."""
    monkeypatch.setattr("app.slots.pictures.MAY_LAG_S", -1)
    viewer = await stage.watch(lot)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    stage.now = 1_100.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_100.0)
    await relay_once(desk.database, desk.status, -1)
    stage.now = 1_200.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_200.0)
    await viewer.until(lambda one: not one.frames[-1]["seq"].startswith(SQL_EPOCH))
    for frame, states in zip(viewer.frames, viewer.shown, strict=True):
        assert states == "01000" or frame["as_of"] < 1_100.0


async def test_a_first_look_at_a_lot_that_lags_shows_what_sql_has(
    desk: Desk, no_beats: None, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.slots.pictures.MAY_LAG_S", -1)
    await reserve(desk_without_redis(desk), ReserveRequest("A 1", slot="here-A2"))
    viewer = await stage.watch(lot)
    assert viewer.states == "01000"


async def test_without_sql_viewers_keep_what_they_have_and_it_ages(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a change waits in the outbox is not known then: nothing is confirmed."""
    viewer = await stage.watch(lot)
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_000.0)

    def away(*_: Any) -> Any:
        raise SqlAway("away")

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
    async with asyncio.timeout(SOON_S):
        while await stage.hub.picture(lot) is None:
            await asyncio.sleep(0.01)
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
    async with asyncio.timeout(SOON_S):
        while stage.hub._lots[lot].picture.as_of != 1_900.0:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    second = await stage.watch(lot)
    assert second.frames[0]["as_of"] == 1_900.0
    assert second.frames[0]["now"] > first.frames[0]["now"]


async def test_no_frame_names_who_has_a_slot(desk: Desk, stage: Stage, lot: int) -> None:
    viewers = [await stage.watch(lot, one) for one in (MapProjection(), ListProjection(), WallProjection())]
    layout = await desk.layouts.of(lot)
    assert layout is not None
    plates = ["HKR 4821", "XQZ-9173", "WVU 5550"]
    for plate in plates:
        await reserve(desk, ReserveRequest(plate, lot="here"))
    await check_in(desk, layout.by_name["A1"].id, 2)
    await viewers[0].shows("21100")
    await unreserve(desk, UnreserveRequest(plates[0], "here-A1"))
    await viewers[0].shows("01100")
    await asyncio.gather(*(one.until(lambda seen: len(seen.frames) > 3) for one in viewers))
    told = json.dumps([one.frames for one in viewers])
    # Their letters: digits stand in every frame's times as well.
    for secret in ("HKR", "XQZ", "WVU"):
        assert secret not in told
    # The channel itself names nobody either: what is published is rank and state.
    subscription = desk.status._redis.pubsub()
    await subscription.subscribe(f"lot:{{{lot}}}:feed")
    await reserve(desk, ReserveRequest("HKR 4821", lot="here"))
    await subscription.ping()
    said = []
    while (message := await subscription.get_message(timeout=SOON_S)) is None or message["type"] != "pong":
        said.append(message)
    await subscription.aclose()
    assert len(said) == 2
    assert b"HKR" not in said[1]["data"]


async def test_a_slot_more_means_another_layout_and_a_whole_picture(
    desk: Desk, stage: Stage, lot: int
) -> None:
    viewer = await stage.watch(lot)
    layout = viewer.frames[0]["layout"]
    await put_slot(desk, SlotForm("here-A6", lot="here", area="A", name="A6"))
    await viewer.until(lambda one: one.frames[-1]["layout"] > layout and one.states == "000000")
    await reserve(desk, ReserveRequest("A 1", slot="here-A6"))
    await viewer.shows("000001")


async def test_a_loop_that_meets_a_fault_goes_on(
    desk: Desk, stage: Stage, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = await stage.watch(lot)
    heads, failed = stage.source.heads, asyncio.Event()

    async def heads_fail_once(lot_ids: list[int]) -> Any:
        monkeypatch.setattr(stage.source, "heads", heads)
        failed.set()
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(stage.source, "heads", heads_fail_once)
    await asyncio.wait_for(failed.wait(), SOON_S)
    stage.now = 1_700.0
    await viewer.until(lambda one: one.frames[-1].get("as_of") == 1_700.0)


async def test_without_redis_pictures_come_from_sql_and_say_when(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """And with Redis back, they come from there again, without a page having been loaded anew."""
    (tmp_path / "lotline.db").write_bytes(sqlite_template.read_bytes())
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'lotline.db'}")
    folder = tmp_path / "redis"
    server = servers.start_redis(folder)
    redis = connect(server.__enter__())
    desk = Desk(database, Layouts(database), Status(redis, "i"), b"key")
    await rebuild_all(database, desk.status)
    lot = (await open_lot(desk, lot_plan())).id or 0
    stage = Stage(desk, redis)
    try:
        async with stage.hub.running():
            viewer = await stage.watch(lot)
            assert not viewer.frames[0]["seq"].startswith(SQL_EPOCH)
            server.__exit__(None, None, None)
            await reserve(desk, ReserveRequest("A 1", slot="here-A2"))
            await viewer.shows("01000")
            for now in (1_002.0, 1_004.0):
                stage.now = now
                await viewer.until(lambda one, now=now: one.frames[-1].get("as_of") == now)  # type: ignore[misc]
            assert viewer.frames[-1]["seq"].startswith(SQL_EPOCH)
            server = servers.start_redis(folder)
            server.__enter__()
            await rebuild_all(database, desk.status)
            await viewer.until(lambda one: not one.frames[-1]["seq"].startswith(SQL_EPOCH))
            await reserve(desk, ReserveRequest("A 2", slot="here-A4"))
            await viewer.shows("01010")
            await viewer.leave()
    finally:
        await redis.aclose()
        await database.close()
        server.__exit__(None, None, None)


async def test_a_hub_that_is_closed_at_once_closes(desk: Desk, redis_url: str) -> None:
    """At whatever moment of connecting: redis-py may swallow a cancellation while it shakes hands."""
    source = StatusPictures(desk.database, desk.layouts, desk.status)
    for steps in range(0, 40, 2):
        redis = connect(redis_url)
        async with asyncio.timeout(SOON_S), Hub(source, redis).running():
            for _ in range(steps):
                await asyncio.sleep(0)
        await redis.aclose()
