"""The worker that ends what time ends, as it runs in its own process."""

import asyncio
from datetime import timedelta
from functools import partial

from redis.asyncio import Redis
from sqlalchemy import update

from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest
from app.bookings.models import BookingBatch, StoredAnswer
from app.bookings.reserve import reserve
from app.settings import Settings
from tests.integration.bookings.test_idempotency import rows_of
from tests.integration.lots import open_lot
from tests.integration.slots.working import until
from workers import bookings, duties


async def test_it_forgets_what_is_old_and_keeps_what_is_not(
    desk: Desk, database_url: str, redis: Redis, redis_url: str
) -> None:
    await open_lot(desk)
    for number in range(3):
        key = IdempotencyKey("test", f"k{number}", "d")
        await reserve(desk, ReserveRequest(f"A {number}", lot="here", idempotency=key))
    await desk.ended()
    async with desk.database.unit_of_work() as connection:
        long_ago = await desk.database.now(connection) - timedelta(hours=26)
        for table, chosen in ((StoredAnswer, StoredAnswer.key == "k0"), (BookingBatch, True)):
            old = update(table).where(chosen).values(created_at=long_ago)  # type: ignore[arg-type]
            await connection.execute(old)
    settings = Settings.from_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    stop, often = asyncio.Event(), partial(bookings.duties, sweeps_every_s=0.05)
    working = asyncio.create_task(duties.run(settings, stop, often, rest_s=0.05))

    async def only_the_new_ones_are_left() -> bool:
        return (await rows_of(desk.database, StoredAnswer), await rows_of(desk.database, BookingBatch)) == (
            2,
            0,
        )

    await until(only_the_new_ones_are_left)
    stop.set()
    await working
    assert await rows_of(desk.database, StoredAnswer) == 2
