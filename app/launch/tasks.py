"""What the command line does to the database and to Redis. Each opens what it needs, and closes it.

What is imported here is imported inside the functions: `bin/lotline --help` and the supervisor must not wait
for a database driver.
"""

import asyncio
import contextlib
import json
import logging
import random
import sqlite3
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings

if TYPE_CHECKING:
    from app.bookings.desk import Desk
    from app.core.db import Database
    from app.slots.importers import ImportDefaults, ImportPlan, Refusal
    from app.slots.layout import Layout
    from app.slots.scrub import Finding

DEMO_LOT = "riverside"
DEMO_TIME_ZONE = "America/New_York"
DEMO_CURRENCY = "USD"

_COME_BACK_S = 0.1

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportOutcome:
    """What an import brought, or would bring: slots by the code of their lot, and what was refused."""

    slots_by_lot: dict[str, int]
    refusals: "Sequence[Refusal]"
    notes: Sequence[str] = ()


def quiet_logs(least: int = logging.WARNING) -> None:
    """Leaves only warnings in the log, or what is worse: what a command has to say, it says to a person."""
    import structlog

    # A pool tells the log, with a traceback, of every connection that was cut.
    for library in ("sqlalchemy", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    wrapper = structlog.make_filtering_bound_logger(least)
    structlog.configure(wrapper_class=wrapper, logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def migrate(settings: Settings) -> None:
    """Brings the database to the newest schema; SqlAway where it is away. Not for an event loop."""
    from app.core.migrate import upgrade

    # It has a time limit, which a migration must not have.
    asyncio.run(_reach(settings))
    upgrade(settings)


async def _reach(settings: Settings) -> None:
    async with _database(settings) as database, database.look():
        pass


def _open_file(settings: Settings) -> None:
    """SqlAway where the SQLite file cannot be opened.

    Asked here first because aiosqlite's thread reports it to a loop that may be closed by then: a traceback.
    """
    from app.core.db import SqlAway

    if not settings.database_url.startswith("sqlite"):
        return
    try:
        with contextlib.closing(sqlite3.connect(settings.sqlite_path)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise SqlAway(str(error)) from error


async def check_database(settings: Settings) -> None:
    """Raises what stands in the way of a process that needs the database and its tables."""

    async with _desk(settings):
        pass


async def first_lot(settings: Settings) -> str | None:
    """The code of the demo lot where there is one, else of the first by name; None in an empty database."""
    from app.slots.queries import lots

    async with _database(settings) as database, database.look() as connection:
        codes = [lot.code for lot in await lots(connection)]
    return DEMO_LOT if DEMO_LOT in codes else next(iter(codes), None)


async def import_demo(settings: Settings) -> str:
    """Imports the lots that come with the package; returns the code of the one to show, ``DEMO_LOT``."""
    from app.slots.demo import demo_file
    from app.slots.importers import ImportDefaults, plan_import

    plan = plan_import("demo.geojson", demo_file(), ImportDefaults(DEMO_TIME_ZONE, DEMO_CURRENCY))
    await _write(settings, plan, plates=True)
    return DEMO_LOT


async def import_slots(
    settings: Settings,
    file: Path,
    *,
    dry_run: bool,
    time_zone: str,
    currency: str,
    plates: bool,
    on_progress: OnProgress,
) -> ImportOutcome:
    """Imports ``file`` (GeoJSON or CSV). Raises ``ImportRefused`` where it cannot be read as a whole."""
    from app.slots.importers import ImportDefaults

    plan = await asyncio.to_thread(_plan, file, ImportDefaults(time_zone, currency), on_progress)
    return await (_only_look(settings, plan) if dry_run else _write(settings, plan, plates=plates))


def _plan(file: Path, defaults: "ImportDefaults", on_progress: OnProgress) -> "ImportPlan":
    from app.slots.importers import plan_import

    return plan_import(file.name, file.read_bytes(), defaults, on_progress)


async def _write(settings: Settings, plan: "ImportPlan", *, plates: bool) -> ImportOutcome:
    from app.bookings.opening import import_lots

    async with _desk(settings) as desk:
        done = await import_lots(desk, plan, plates=plates)
    written = {lot.code for lot in done.lots}
    refused = {refusal.reference for refusal in done.refusals}
    slots_by_lot = {
        lot.code: sum(slot.identifier not in refused for slot in lot.slots)
        for lot in plan.lots
        if lot.code in written
    }
    return ImportOutcome(slots_by_lot, done.refusals, plan.notes)


async def _only_look(settings: Settings, plan: "ImportPlan") -> ImportOutcome:
    """What ``_write`` would do, as far as can be seen without writing."""
    from app.bookings.opening import what_is_new

    refusals = list(plan.refusals)
    slots_by_lot: dict[str, int] = {}
    async with _database(settings) as database, database.look() as connection:
        for lot in plan.lots:
            fresh, refused = await what_is_new(connection, lot)
            refusals += refused
            if fresh is not None:
                slots_by_lot[lot.code] = len(fresh.slots)
    return ImportOutcome(slots_by_lot, refusals, plan.notes)


async def require_check_in(settings: Settings, lot: str, minutes: int | None) -> None:
    """Asks who books in this lot to check in within so many minutes, or nobody. ValueError: no such lot."""
    from app.slots import service

    async with _database(settings) as database, database.unit_of_work() as connection:
        if not await service.require_check_in(connection, lot, None if minutes is None else 60 * minutes):
            raise ValueError(f"No lot has the code {lot!r}.")


async def tariff(settings: Settings, lot: str, area: str | None) -> str:
    """The rate lines in force in a lot, or in an area of it, as a JSON document.

    ValueError where there is no such lot or area, or no tariff yet.
    """
    from app.operator.tariff_form import as_json
    from app.payments.queries import tariff_in_force
    from app.payments.tariffs.documents import written

    async with _database(settings) as database:
        layout, area_id = await _lot_and_area(database, lot, area)
        async with database.look() as connection:
            now = await database.now(connection)
            found = await tariff_in_force(connection, layout.lot_id, area_id, now)
    if found is None:
        raise ValueError(f"{lot} has no tariff yet.")
    return "[\n" + ",\n".join(f"  {as_json(line)}" for line in written(found.lines)) + "\n]"


async def set_tariff(
    settings: Settings, lot: str, area: str | None, document: str, starts: datetime | None
) -> tuple[int, list[str]]:
    """Publishes a JSON document of rate lines; the number of the version, and when no line has a price.

    ``starts`` is aware; ``None``: at once. ValueError says, a line each, what is wrong.
    """
    from app.operator.publishing import Publication, publish
    from app.operator.wording import gap_texts
    from app.payments.tariffs.documents import WrongLines, read

    try:
        given = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON: {error}.") from None
    if not isinstance(given, list) or not given:
        raise ValueError("A tariff is a JSON list of rate lines: docs/tariffs.md.")
    try:
        lines = read(given)
    except WrongLines as wrong:
        raise ValueError("\n".join(f"{one.field}: {one.message}" for one in wrong.errors)) from None
    async with _database(settings) as database:
        layout, area_id = await _lot_and_area(database, lot, area)
        async with database.unit_of_work() as connection:
            now = await database.now(connection)
            if starts is not None and starts < now:
                raise ValueError(f"--from has passed: it is {now:%Y-%m-%dT%H:%M:%SZ}.")
            asked = Publication(layout.lot, area_id, lines, starts, "command line")
            return await publish(connection, asked, now), list(gap_texts(lines))


async def _lot_and_area(database: "Database", lot: str, area: str | None) -> "tuple[Layout, int | None]":
    from app.slots.layout import Layouts

    layout = await Layouts(database).of_code(lot)
    if layout is None:
        raise ValueError(f"No lot has the code {lot!r}.")
    if area is None:
        return layout, None
    area_id = next((one.id for one in layout.areas if one.code == area), None)
    if area_id is None:
        raise ValueError(f"Lot {lot} has no area {area!r}.")
    return layout, area_id


async def rebuild(settings: Settings, on_progress: OnProgress) -> int:
    """Writes the status of every lot to Redis anew, from SQL. Returns the number of lots.

    Raises RedisAway where Redis does not answer.
    """
    from app.core.redis import REDIS_IS_GONE
    from app.launch.plain_words import RedisAway

    try:
        return await _rebuild(settings, on_progress)
    except REDIS_IS_GONE as error:
        raise RedisAway(str(error)) from error


async def _rebuild(settings: Settings, on_progress: OnProgress) -> int:
    from app.slots.rebuild import lot_ids, rebuild_all, rebuild_lot
    from app.slots.status import NotBuilt, OtherOrder

    async with _desk(settings) as desk:
        left = deque(await lot_ids(desk.database))
        count = len(left)
        while left:
            try:
                await rebuild_lot(desk.database, desk.status, left[0])
            except (NotBuilt, OtherOrder):
                # A worker is at it, or begins an epoch: the others first.
                left.rotate(-1)
                await asyncio.sleep(_COME_BACK_S)
                continue
            left.popleft()
            on_progress(count - len(left), count)
        await rebuild_all(desk.database, desk.status)
    return count


async def scrub(settings: Settings, on_progress: OnProgress) -> "list[Finding]":
    """Compares every lot in Redis with SQL, mends what is wrong, and returns what that was.

    Raises RedisAway where Redis does not answer, and ValueError where the status is not built.
    """
    from app.core.redis import REDIS_IS_GONE
    from app.launch.plain_words import RedisAway
    from app.slots.scrub import scrub_all
    from app.slots.status import NotBuilt

    try:
        async with _desk(settings) as desk:
            return await scrub_all(desk.database, desk.status, on_progress)
    except NotBuilt as reason:
        raise ValueError("The status is not built: start bin/run, or type bin/lotline rebuild.") from reason
    except REDIS_IS_GONE as error:
        raise RedisAway(str(error)) from error


async def run_simulation(
    settings: Settings,
    *,
    lot: str,
    per_minute: float,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Lets made-up drivers come and go until it is cancelled. ValueError where there is no such lot."""
    from app.launch.persistence import Persistence
    from app.launch.simulation import simulate

    def begun() -> None:
        say(f"Made-up drivers come and go in {lot}, {per_minute:g} a minute. Ctrl-C stops them.")

    persistence = Persistence(warn)
    async with contextlib.AsyncExitStack() as stack:
        desk = await persistence.until_done(lambda: stack.enter_async_context(_desk(settings)))
        await simulate(desk, lot, per_minute, random.Random(), persistence, begun)


async def has_operator(settings: Settings) -> bool:
    """True where somebody may sign in as an operator."""
    from app.accounts.service import first_operator

    async with _database(settings) as database:
        return await first_operator(database) is not None


async def create_operator(settings: Settings, name: str, password: str | None = None) -> None:
    """Creates an operator. Raises ValueError, with a sentence for the person, where that is impossible."""
    from app.accounts.models import Role
    from app.accounts.service import create_account
    from app.core.errors import InvalidInput

    async with _database(settings) as database:
        try:
            await create_account(database, name, Role.OPERATOR, password)
        except InvalidInput as error:
            raise ValueError(" ".join(f"The {one.field} {one.message}." for one in error.errors)) from error


async def sign_in_path(settings: Settings, name: str | None = None) -> str | None:
    """The path of a link that signs ``name`` (or any operator) in once; None where nobody is found."""
    from app.accounts.service import create_link, first_operator

    async with _database(settings) as database:
        found = await first_operator(database) if name is None else await _account(database, name)
        return None if found is None else f"/sign-in/{await create_link(database, found)}"


async def _account(database: "Database", name: str) -> int | None:
    from sqlmodel import select

    from app.accounts.models import Account

    async with database.look() as connection:
        found = await connection.execute(select(Account.id).where(Account.name == name.strip()))
        account_id: int | None = found.scalar_one_or_none()
        return account_id


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> "AsyncIterator[Database]":
    from app.core.db import Database

    _open_file(settings)
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _desk(settings: Settings) -> "AsyncIterator[Desk]":
    from app.lifespan import opened_desk

    _open_file(settings)
    async with opened_desk(settings) as (desk, _):
        yield desk
