"""The status over a real Redis Cluster: bookings go on whatever its servers do, and viewers follow."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.crc import key_slot
from sqlalchemy import select

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import release
from app.core import metrics
from app.core.db import Database
from app.core.redis import REDIS_IS_GONE, connect
from app.live.channels import lot_channel
from app.live.hub import Hub
from app.slots.epochs import EPOCH_KEY
from app.slots.layout import Layouts
from app.slots.models import STATE_CODES, SlotState, State
from app.slots.packed import RECORD
from app.slots.pictures import StatusPictures
from app.slots.rebuild import rebuild_all
from app.slots.status import BUILT_KEY, LotKey, Status
from tests import servers
from tests.cluster import Cluster, free_port, started_cluster, started_node
from tests.conftest import as_settings_have_it
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.working import is_true, until, worker

LOTS, SLOTS = 9, 6
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Three primaries with a replica each."""
    async with started_cluster() as found:
        yield found


@pytest.fixture
async def postgresql(postgresql_url: str, postgresql_template: str) -> AsyncIterator[str]:
    """An empty database with the newest schema."""
    async with servers.new_database(postgresql_url, postgresql_template) as url:
        yield as_settings_have_it(url)


@asynccontextmanager
async def opened(database_url: str, redis_url: str) -> AsyncIterator[tuple[Desk, Hub]]:
    """A desk and a hub over the cluster, as a web process has them."""
    database, redis = Database(database_url), connect(redis_url)
    here = await installation(database)
    status = Status(redis, await read_incarnation(database), lambda: read_incarnation(database))
    await rebuild_all(database, status)
    desk = Desk(database, Layouts(database), status, bytes.fromhex(here.signing_key))
    async with Hub(StatusPictures(database, desk.layouts, status), redis).running() as hub:
        yield desk, hub
    await desk.ended()
    await database.close()
    await redis.aclose()


def picked_by_sql() -> float:
    return sum(
        sample.value
        for metric in metrics.PICKED_BY_SQL.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def shown_as_sql_has_it(desk: Desk, hub: Hub, lots: list[int]) -> bool:
    """Whether the picture that viewers see of each lot is what SQL has, from a Redis that is true to it."""
    for lot in lots:
        picture = await hub.picture(lot)
        async with desk.database.look() as connection:
            rows = await connection.execute(
                select(_STATE.c.state).where(_STATE.c.lot_id == lot).order_by(_STATE.c.rank)
            )
            states = bytes(STATE_CODES[State(state)] for state in rows.scalars())
        if picture is None or bytes(picture.states) != states or picture.epoch == "sql":
            return False
        if not await is_true(desk, lot):
            return False
    return True


async def test_bookings_and_viewers_outlive_whatever_the_servers_of_a_cluster_do(
    cluster: Cluster, postgresql: str
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    running: list[str] = []

    async def comes_and_goes(desk: Desk, number: int) -> None:
        if running and chance.random() < 0.5:
            await release(desk, running.pop(chance.randrange(len(running))))
        else:
            lot = f"lot{chance.randrange(LOTS)}"
            async with desk.database.look() as connection:
                free = await connection.execute(
                    select(_STATE.c.slot_id).where(_STATE.c.lot_id == ids[lot], _STATE.c.state == "free")
                )
                if len(free.all()) < 2:
                    return
            running.append((await reserve(desk, ReserveRequest(f"P {number}", lot=lot))).reservation)

    async with opened(postgresql, cluster.url) as (desk, hub), worker(postgresql, cluster.url):
        ids = {}
        for number in range(LOTS):
            lot = await open_lot(desk, lot_plan(f"lot{number}", slots=SLOTS))
            ids[lot.code] = lot.id or 0
        lots = list(ids.values())
        owners = {(await cluster.owner(lot_channel(lot))).port for lot in lots}
        assert len(owners) == 3, "the lots are spread over all primaries"

        async def all_agree() -> bool:
            try:
                return await shown_as_sql_has_it(desk, hub, lots)
            except REDIS_IS_GONE:
                return False

        await until(all_agree)
        before = picked_by_sql()
        for number in range(60):
            await comes_and_goes(desk, number)
        assert picked_by_sql() == before, "Redis has proposed every one"
        await until(all_agree)

        async def keep_going(until_done: "asyncio.Task[object]", first: int) -> int:
            """Bookings, none of which may fail, for as long as something happens to the cluster."""
            number = first
            while not until_done.done():
                await comes_and_goes(desk, number)
                number += 1
                await asyncio.sleep(0.01)
            await until_done
            return number - first

        async def primary_dies() -> None:
            primary = await cluster.owner(lot_channel(lots[0]))
            replica = await cluster.replica_of(primary)
            primary.kill()
            await cluster.until_primary(replica)
            primary.start()
            await cluster.until_whole()

        async def takes_over() -> None:
            await cluster.fail_over(await cluster.owner(lot_channel(lots[1])))
            await cluster.until_whole()

        async def lots_move() -> None:
            for lot in lots[:4]:
                here = await cluster.owner(lot_channel(lot))
                others = [one for one in await cluster.primaries() if one is not here]
                await cluster.move_slot(key_slot(lot_channel(lot).encode()), chance.choice(others))

        for number, happens in enumerate((primary_dies, takes_over, lots_move, primary_dies)):
            made = await keep_going(asyncio.create_task(happens()), 1_000 * (number + 1))
            assert made > 0
            took_s = await until(all_agree)
            print(f"{happens.__name__}: {made} bookings meanwhile, all agreed {took_s:.2f} s after it")


async def test_a_change_that_comes_while_a_lot_is_torn_apart_reaches_viewers_when_it_is_whole(
    cluster: Cluster, postgresql: str
) -> None:
    async with opened(postgresql, cluster.url) as (desk, hub), worker(postgresql, cluster.url):
        lot = await open_lot(desk, lot_plan("torn", slots=SLOTS))
        key, lot_id = LotKey(lot.id or 0, lot.order_version), lot.id or 0
        slot = key_slot(lot_channel(lot_id).encode())

        async def agrees() -> bool:
            return await shown_as_sql_has_it(desk, hub, [lot_id])

        await until(agrees)
        # Somebody is about to book, so that all keys that the scripts name are there.
        (proposed,) = await desk.status.propose(key, [[1]], 1)
        here = await cluster.owner(lot_channel(lot_id))
        there = next(one for one in await cluster.primaries() if one is not here)
        await cluster.begin_to_move(slot, here, there)
        await here.hand_over(there, [f"lot:{{{lot_id}}}:free:{proposed.class_number}"])
        await reserve(desk, ReserveRequest("P", slot="torn-A6"))

        async def half_is_done() -> bool:
            """The record says reserved; the free set, which is elsewhere, could not be written."""
            state = await here.call(
                "BITFIELD_RO", f"lot:{{{lot_id}}}:slots", "GET", "u8", (5 * RECORD.size + 6) * 8
            )
            return bool(state == [STATE_CODES[State.RESERVED]])

        await until(half_is_done)
        await cluster.move_slot(slot, there)
        await until(agrees)


async def test_what_one_server_has_lost_is_built_again_while_the_epoch_goes_on(
    cluster: Cluster, postgresql: str
) -> None:
    async with opened(postgresql, cluster.url) as (desk, hub), worker(postgresql, cluster.url):
        ids = {}
        for number in range(LOTS):
            lot = await open_lot(desk, lot_plan(f"lot{number}", slots=SLOTS))
            ids[lot.id or 0] = lot.code

        async def agree() -> bool:
            return await shown_as_sql_has_it(desk, hub, list(ids))

        await until(agree)
        epoch = await desk.status.epoch(fresh=True)
        others = [await cluster.owner(EPOCH_KEY), await cluster.owner(BUILT_KEY)]
        lost = [lot for lot in ids if await cluster.owner(lot_channel(lot)) not in others]
        await (await cluster.owner(lot_channel(lost[0]))).call("FLUSHALL")
        await reserve(desk, ReserveRequest("P", lot=ids[lost[0]]))
        await until(agree)
        assert await desk.status.epoch(fresh=True) == epoch


async def test_a_server_whose_port_somebody_has_taken_meanwhile_gets_another_one(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken: int = somebody.getsockname()[1]
        # Of the first two the own one is taken, of the next two the one for the other servers.
        drawn = iter([taken, free_port(), free_port(), taken, free_port(), free_port()])
        node = await started_node(tmp_path / "node", lambda: next(drawn))
    assert node.is_running
    assert list(drawn) == []
    await node.end()
