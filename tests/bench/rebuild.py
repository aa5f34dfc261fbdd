"""How long until the status of everything is in Redis again? A whole rebuild from SQL, with nobody about and
while another process changes slots, beside what merely reading the same rows takes; and a scrub of it all.

    bin/bench rebuild [--lots 100] [--lot-slots 10000] [--workers 1] [--changes 300]
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text

from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.core.db import Database
from app.core.migrate import upgrade_url
from app.core.redis import connect
from app.launch.tasks import quiet_logs
from app.slots.models import State
from app.slots.rebuild import read_states, rebuild_all
from app.slots.scrub import scrub_all
from app.slots.status import LotKey, NotBuilt, SlotChange, Status
from tests import servers
from tests.conftest import as_settings_have_it

# A made-up lot of one area and one class, past the application; three slots in four are free.
FILL = """
INSERT INTO lot (id, code, name, address, time_zone, currency, outline, map_angle_deg, gate_name, attribution,
                 entities_are_plates, exclusive, closed, layout_version, order_version)
VALUES ({lot}, 'lot{lot}', '', '', 'UTC', 'EUR', '[]', 0, '', '', false, true, false, 1, 1);
INSERT INTO area (id, lot_id, code, name, level, premium, sign_upright)
VALUES ({lot}, {lot}, 'A', '', 0, false, false);
INSERT INTO slot_class (lot_id, number, area_id, size, premium, accessible, charging)
VALUES ({lot}, 1, {lot}, 'car', false, false, false);
INSERT INTO slot (id, identifier, lot_id, area_id, name, position, rank, size, premium, accessible, charging,
                  outline, revision)
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {slots} - 1)
SELECT {lot} * {slots} + n, 's{lot}-' || n, {lot}, {lot}, 'A' || n, n, n, 'car', false, false, false, '[]', 1
FROM numbers;
INSERT INTO slot_state (slot_id, lot_id, class_number, kind, rank, state, version)
SELECT id, lot_id, 1, 16, rank, CASE WHEN id % 4 = 0 THEN 'reserved' ELSE 'free' END, 1 FROM slot
WHERE lot_id = {lot}
"""
CHANGE = """
UPDATE slot_state SET version = version + 1, state = CASE state WHEN 'free' THEN 'reserved' ELSE 'free' END
WHERE slot_id = {slot} RETURNING rank, version, class_number, state
"""


async def fill(database: Database, asked: argparse.Namespace) -> None:
    for lot in range(1, asked.lots + 1):
        async with database.unit_of_work() as connection:
            for statement in FILL.format(lot=lot, slots=asked.lot_slots).split(";\n"):
                await connection.execute(text(statement))
    async with database.unit_of_work() as connection:
        await connection.execute(text("ANALYZE"))


async def change(url: str, redis_url: str, asked: argparse.Namespace, over: Event, count: Any) -> None:
    """Slots that change, each committed and then applied, as a booking does it."""
    database, redis = Database(url), connect(redis_url)
    status = Status(redis, await read_incarnation(database))
    while not over.is_set():
        lot = count.value % asked.lots + 1
        slot = lot * asked.lot_slots + count.value * 7 % asked.lot_slots
        async with database.unit_of_work() as connection:
            row = (await connection.execute(text(CHANGE.format(slot=slot)))).one()
        with contextlib.suppress(NotBuilt):
            await status.apply(LotKey(lot, 1), [SlotChange(row[0], row[1], row[2], State(row[3]))])
        count.value += 1
        await asyncio.sleep(1 / asked.changes)
    await redis.aclose()
    await database.close()


def run_changes(*arguments: Any) -> None:
    asyncio.run(change(*arguments))


@contextmanager
def changing(url: str, redis_url: str, asked: argparse.Namespace) -> Iterator[Any]:
    """Another process that changes slots; yields how many it has changed."""
    here = multiprocessing.get_context("spawn")
    over, count = here.Event(), here.Value("i", 0)
    process = here.Process(target=run_changes, args=(url, redis_url, asked, over, count))
    process.start()
    while not count.value:
        time.sleep(0.01)
    try:
        yield count
    finally:
        over.set()
        process.join()


async def until_built(database: Database, status: Status) -> None:
    while True:
        with contextlib.suppress(NotBuilt):
            built = await rebuild_all(database, status)
            if await status.is_built():
                return
            if not built:
                await asyncio.sleep(0.05)


async def rebuild(what: str, database: Database, redis: Redis, asked: argparse.Namespace) -> None:
    incarnation = await read_incarnation(database)
    await redis.flushall()
    began_s = time.perf_counter()
    await asyncio.gather(*(until_built(database, Status(redis, incarnation)) for _ in range(asked.workers)))
    said(what, asked, began_s)


async def measure(url: str, redis_url: str, asked: argparse.Namespace) -> None:
    database, redis = Database(url), connect(redis_url)
    print("SQLite" if database.is_sqlite else "PostgreSQL")
    await installation(database)
    await fill(database, asked)
    began_s = time.perf_counter()
    for lot in range(1, asked.lots + 1):
        await read_states(database, lot)
    said("reading alone", asked, began_s)
    await rebuild("rebuild", database, redis, asked)
    with changing(url, redis_url, asked) as count:
        before, began_s = count.value, time.perf_counter()
        await rebuild("rebuild while slots change", database, redis, asked)
        print(f"  {(count.value - before) / (time.perf_counter() - began_s):.0f} changes a second meanwhile")
    status = Status(redis, await read_incarnation(database))
    began_s = time.perf_counter()
    findings = await scrub_all(database, status, lambda done, total: None, again_after_s=0)
    said("scrub", asked, began_s)
    print(f"  {len(findings)} findings")
    await redis.aclose()
    await database.close()


def said(what: str, asked: argparse.Namespace, began_s: float) -> None:
    took_s = time.perf_counter() - began_s
    print(f"  {what:<28}{took_s:>8.2f} s{asked.lots * asked.lot_slots / took_s:>12,.0f} slots/s", flush=True)


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[list[str]]:
    with servers.start_postgresql(folder) as server:
        async with servers.new_database(server) as url:
            urls = [f"sqlite+aiosqlite:///{folder / 'lotline.db'}", as_settings_have_it(url)]
            for one in urls:
                await upgrade_url(one)
            yield urls


async def run(asked: argparse.Namespace) -> None:
    print(f"{asked.lots} lots of {asked.lot_slots} slots, {asked.workers} at it")
    with tempfile.TemporaryDirectory() as folder, servers.start_redis(Path(folder) / "redis") as redis_url:
        async with databases(Path(folder)) as urls:
            for url in urls:
                await measure(url, redis_url, asked)
    used_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"this process never used more than {used_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser()
    for option, default in (("--lots", 100), ("--lot-slots", 10_000), ("--workers", 1), ("--changes", 300)):
        parser.add_argument(option, type=int, default=default)
    quiet_logs()
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
