"""Where the workers' protocols are tried: one SQL with two lots, and several databases of one Redis."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.lifespan import opened_desk
from app.slots.rebuild import rebuild_all
from app.slots.relay import relay_once
from tests.chaos.steps.boundary import REFUSING_TABLE, listening
from tests.chaos.steps.ground import Ground
from tests.chaos.steps.rebuilds import try_rebuilds
from tests.chaos.steps.relays import try_relays
from tests.chaos.steps.table import REBUILD, RELAY, WORK, functions
from tests.chaos.steps.trials import Tried
from tests.chaos.steps.watched import watching
from tests.integration.lots import lot_plan, open_lot

LOTS = {1: "many", 2: "few"}
_FEW_SLOTS = 3
# Of Redis; the first one is for the protocols of bookings.
_DATABASE = 1


async def try_work(ground: Ground, folder: Path, trials: Sequence[Tried]) -> None:
    """Tries all of them, over an empty SQL."""
    ground = replace(ground, redis_db=_DATABASE)
    rebuilds = [trial for trial in trials if trial.cell.protocol is REBUILD]
    relays = [trial for trial in trials if trial.cell.protocol is RELAY]
    async with opened_desk(ground.settings) as (desk, redis):
        database = desk.database
        async with database.unit_of_work() as connection:
            await connection.execute(text(REFUSING_TABLE))
        await rebuild_all(database, desk.status)
        for code, slots in zip(LOTS.values(), (2 * len(relays), _FEW_SLOTS), strict=True):
            await open_lot(desk, lot_plan(code, slots=slots))
        for code in LOTS.values():
            await reserve(desk, ReserveRequest(f"FIRST {code}", lot=code))
        await relay_once(database, desk.status, 0.0)
        with watching(functions(WORK)), listening():
            await try_rebuilds(ground, folder, database, list(LOTS), rebuilds)
            await try_relays(ground, folder, database, redis, 1, LOTS[1], relays)
