"""The hub over a real Redis and a real SQL: what viewers see is what is true, or says how old it is."""

import asyncio
import json
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
from app.core.db import Database
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
from app.slots.status import Status
from tests import servers
from tests.integration.live.viewers import SOON_S, Stage, change
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_relay import desk_without_redis

pytestmark = pytest.mark.usefixtures("quick_ticks")


class Counted(MapProjection):
    """The map's projection, which counts how often it is drawn."""

    def __init__(self) -> None:
        self.drawn = 0

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        self.drawn += 1
        return super().content(picture, changed)


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


async def test_an_epoch_that_another_process_began_is_shown_as_soon_as_the_lot_is_built(
    no_beats: None, desk: Desk, stage: Stage, lot: int, redis: Redis
) -> None:
    """While nobody books, nothing else would tell this process that it knows an old one."""
    viewer = await stage.watch(lot)
    worker = Status(redis, desk.status.incarnation)
    await redis.flushall()
    await rebuild_all(desk.database, worker)
    epoch = await worker.epoch()
    await viewer.until(lambda one: one.frames[-1]["seq"].startswith(epoch))


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
    await subscription.ssubscribe(f"lot:{{{lot}}}:feed")
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
