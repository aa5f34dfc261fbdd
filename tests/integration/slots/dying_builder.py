"""A worker that begins a rebuild, and stands still in the middle of its second lot until it is killed."""

import asyncio
import sys

from app.accounts.incarnation import read_incarnation
from app.core.db import Database
from app.core.redis import connect
from app.slots import rebuild
from app.slots.rebuild import StateRow, rebuild_all
from app.slots.status import Status


async def main(database_url: str, redis_url: str) -> None:
    database, redis = Database(database_url), connect(redis_url)
    read, lots = rebuild.read_states, []

    async def read_one(database: Database, lot_id: int) -> list[StateRow]:
        if lots:
            print(f"halfway {lot_id}", flush=True)
            await asyncio.Event().wait()
        lots.append(lot_id)
        return await read(database, lot_id)

    rebuild.read_states = read_one
    await rebuild_all(database, Status(redis, await read_incarnation(database)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
