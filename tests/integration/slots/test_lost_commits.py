"""SQL loses what it had committed: workers notice by themselves, and Redis and the viewers come true again.

Nothing is restarted but the database: the desk below is a web process, with a viewer at its hub.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete, insert, select

from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest, UnreserveRequest
from app.bookings.records import RESERVATION
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core.migrate import upgrade_url
from app.lifespan import opened_desk
from app.live.hub import Hub
from app.live.picture import Picture
from app.settings import Settings
from app.slots.models import STATE_CODES, SlotState, State, StatusOutbox
from app.slots.pictures import StatusPictures
from tests.conftest import as_settings_have_it
from tests.integration.lots import lot_plan, open_lot
from tests.integration.slots.test_incarnation import (
    begin_another_timeline,
    copied,
    own_postgresql,
    put_back,
)
from tests.integration.slots.test_relay import truth
from tests.integration.slots.working import is_true, until, worker

SLOTS = 6
_STATE = SlotState.__table__  # type: ignore[attr-defined]
_OUTBOX = StatusOutbox.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Town:
    """A web process with a viewer, and its lot."""

    desk: Desk
    hub: Hub
    lot: int

    async def picture(self) -> Picture:
        picture = await self.hub.picture(self.lot)
        assert picture is not None
        return picture

    async def is_true(self) -> bool:
        """Whether Redis and the viewer, who is fed by Redis, have what SQL has."""
        states, _ = await truth(self.desk, self.lot)
        picture = await self.picture()
        epoch = await self.desk.status.epoch(fresh=True)
        return await is_true(self.desk, self.lot) and (picture.epoch, list(picture.states)) == (epoch, states)

    async def goes_on(self) -> None:
        """What is to be lost: slots that are booked, and one that is given back."""
        for number in range(3):
            await reserve(self.desk, ReserveRequest(f"L {number}", slot=f"here-A{number + 2}"))
        await unreserve(self.desk, UnreserveRequest("L 0", "here-A2"))
        await unreserve(self.desk, UnreserveRequest("KEPT", "here-A1"))

    async def comes_true_in_another_epoch(self, before: str) -> float:
        """The seconds it took; a booking finds its way then."""

        async def holds() -> bool:
            return await self.desk.status.epoch(fresh=True) not in ("", before) and await self.is_true()

        took_s = await until(holds)
        states, _ = await truth(self.desk, self.lot)
        assert states[:2] == [STATE_CODES[State.RESERVED], STATE_CODES[State.FREE]], "the commits are lost"
        assert (await reserve(self.desk, ReserveRequest("N 1", lot="here"))).slot == "here-A2"
        await until(self.is_true)
        return took_s


@contextlib.asynccontextmanager
async def town(url: str, redis_url: str, lot: int = 0) -> AsyncIterator[Town]:
    """Opened like a web process, with the lot there is, or with a new one that has one booking."""
    settings = Settings.from_environment({"DATABASE_URL": url, "REDIS_URL": redis_url})
    async with opened_desk(settings) as (desk, redis):
        source = StatusPictures(desk.database, desk.layouts, desk.status)
        async with Hub(source, redis).running() as hub:
            if not lot:
                lot = (await open_lot(desk, lot_plan(slots=SLOTS))).id or 0
                await reserve(desk, ReserveRequest("KEPT", slot="here-A1"))
            yield Town(desk, hub, lot)


@pytest.fixture
async def sqlite_file(tmp_path: Path, sqlite_template: Path) -> Path:
    return Path(shutil.copy(sqlite_template, tmp_path / "lotline.db"))


async def test_a_backup_put_back_into_the_open_sqlite_file(
    sqlite_file: Path, tmp_path: Path, redis: Redis, redis_url: str
) -> None:
    url = f"sqlite:///{sqlite_file}"
    async with worker(url, redis_url), town(url, redis_url) as here:
        await until(here.is_true)
        copied(sqlite_file, tmp_path / "backup.db")
        await here.goes_on()
        await until(here.is_true)
        epoch = await here.desk.status.epoch()
        put_back(sqlite_file, tmp_path / "backup.db")
        took_s = await here.comes_true_in_another_epoch(epoch)
    print(f"after {took_s:.1f} s")


async def test_a_sqlite_file_put_in_place_while_everything_but_redis_stood_still(
    sqlite_file: Path, tmp_path: Path, redis: Redis, redis_url: str
) -> None:
    url, backup = f"sqlite:///{sqlite_file}", tmp_path / "backup.db"
    async with worker(url, redis_url), town(url, redis_url) as here:
        await until(here.is_true)
        epoch, lot = await here.desk.status.epoch(), here.lot
    shutil.copy(sqlite_file, backup)
    async with worker(url, redis_url), town(url, redis_url, lot) as here:
        await here.goes_on()
        await until(here.is_true)
    shutil.copy(backup, sqlite_file)
    async with town(url, redis_url, lot) as here:
        assert await here.desk.status.epoch() == epoch, "the file says nothing of it"
        assert not await here.is_true()
        async with worker(url, redis_url):
            took_s = await here.comes_true_in_another_epoch(epoch)
    print(f"after {took_s:.1f} s")


@pytest.mark.postgresql
@pytest.mark.parametrize("another_timeline", [True, False], ids=["another timeline", "a volume put back"])
async def test_a_postgresql_that_comes_back_without_its_last_commits(
    tmp_path: Path, redis: Redis, redis_url: str, another_timeline: bool
) -> None:
    with own_postgresql(tmp_path / "postgresql.log") as (server, data):
        await upgrade_url(as_settings_have_it(data.url))
        async with worker(data.url, redis_url), town(data.url, redis_url) as here:
            await until(here.is_true)
            server.kill()
            backup = shutil.copytree(
                data.place / "data", data.place / "backup", copy_function=copy_with_owner
            )
            shutil.copystat(data.place / "data", backup)
            give_owner(data.place / "data", backup)
            server.start()
            await until(here.is_true)
            await here.goes_on()
            await until(here.is_true)
            epoch = await here.desk.status.epoch()
            server.kill()
            shutil.rmtree(data.place / "data")
            backup.rename(data.place / "data")
            if another_timeline:
                begin_another_timeline(data)
            server.start()
            took_s = await here.comes_true_in_another_epoch(epoch)
    print(f"after {took_s:.1f} s")


def give_owner(of: Path, to: Path) -> None:
    """The server runs as another user than root."""
    for path in [to, *to.rglob("*")]:
        shutil.chown(path, of.stat().st_uid)


def copy_with_owner(source: str, target: str) -> str:
    return shutil.copy2(source, target)


class Rows:
    """The rows of a database as they were: put back, they leave no trace but their versions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._states: list[dict[str, Any]] = []
        self._bookings: list[dict[str, Any]] = []

    async def keep(self) -> None:
        async with self._desk.database.look() as connection:
            self._states = [dict(row) for row in (await connection.execute(select(_STATE))).mappings()]
            self._bookings = [dict(row) for row in (await connection.execute(select(RESERVATION))).mappings()]

    async def put_back(self) -> None:
        async with self._desk.database.unit_of_work() as connection:
            for table, rows in ((_OUTBOX, []), (RESERVATION, self._bookings), (_STATE, self._states)):
                await connection.execute(delete(table))
                if rows:
                    await connection.execute(insert(table), rows)


@pytest.mark.parametrize("noticed_by", ["the first booking", "the scrub"])
async def test_rows_put_back_leave_no_trace_but_their_versions(
    database_url: str, redis: Redis, redis_url: str, noticed_by: str
) -> None:
    period_s = "1" if noticed_by == "the scrub" else "3600"
    async with (
        worker(database_url, redis_url, LOTLINE_SCRUB_SECONDS=period_s),
        town(database_url, redis_url) as here,
    ):
        await until(here.is_true)
        rows = Rows(here.desk)
        await rows.keep()
        await here.goes_on()
        await until(here.is_true)
        epoch = await here.desk.status.epoch(fresh=True)
        await rows.put_back()
        assert not await here.is_true()
        if noticed_by == "the first booking":
            # Redis knows its release already, and takes the booking for something old.
            booked = await reserve(here.desk, ReserveRequest("N 0", slot="here-A2"))
            await unreserve(here.desk, UnreserveRequest("N 0", booked.slot))
        took_s = await here.comes_true_in_another_epoch(epoch)
    print(f"after {took_s:.1f} s")
