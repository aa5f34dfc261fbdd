"""A lot that is watched at the very moment at which the subscription connects."""

import asyncio

from redis.asyncio import Redis

from app.live.channels import Reader, lot_channel
from tests.chaos.running import running


async def test_a_lot_that_is_watched_while_the_connection_is_made_is_subscribed_to(redis: Redis) -> None:
    heard = asyncio.Event()
    subscription = Reader(redis, lambda *_: heard.set(), lambda _: None, lambda _: None)
    async with running(subscription.run()):
        # One step: it has asked for its channels and waits for the connection.
        await asyncio.sleep(0)
        assert await subscription.watch(7)
        await redis.execute_command("SPUBLISH", lot_channel(7), '{"epoch":"e","seq":1,"changes":[]}')
        async with asyncio.timeout(5):
            await heard.wait()
