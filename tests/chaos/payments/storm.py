"""Payments while what serves them is killed: all comes to its end, and every book says the same."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from app.core.db import SqlAway
from app.core.tasks import end_all
from app.payments import records
from app.payments.models import PaymentState
from tests.chaos.checker import Violation
from tests.chaos.payments.checker import check
from tests.chaos.payments.facts import Facts, Word
from tests.chaos.payments.notices import Postman
from tests.chaos.payments.payers import Payer
from tests.chaos.payments.reading import left_over, read_facts
from tests.chaos.payments.shop import Shop
from tests.chaos.running import running
from tests.chaos.waiting import TooLate, until_none

PAYERS, POSTMEN = 24, 2
# Between two kills, on average: in a long run there is to be time to pay in.
MEAN_PAUSE_S, LONG_MEAN_PAUSE_S = 0.7, 2.0
SQL_AWAY_S = (0.0, 1.5)
LOOKS_EVERY_S = 0.3
DONE_WITHIN_S = 45.0
_KNOWN_WITHIN_S = 60.0


@dataclass
class Stormed:
    """What came of it. ``took_s``: from when every part was ready until nothing was left to be done."""

    kills: Counter[str] = field(default_factory=Counter)
    paid: int = 0
    refunded: int = 0
    looks: int = 0
    took_s: float = 0.0
    found: list[Violation] = field(default_factory=list)


async def pay_while_killed(
    shop: Shop, seed: str, seconds: float, mean_pause_s: float = MEAN_PAUSE_S, least: int = 0
) -> Stormed:
    """Kills for so many seconds, and until each part was killed; goes on until ``least`` payers were told
    that they have paid; then everything is compared.
    """
    stormed = Stormed()

    async def too_few() -> list[str]:
        paid = shop.diary.did[Word.PAID]
        return [] if paid >= least else [f"{paid} of {least}"]

    async with paying(shop, seed), running(_watch_ledger(shop, stormed)):
        await _kill_again_and_again(shop, random.Random(seed), seconds, mean_pause_s, stormed)
        await shop.deployment.ready()
        await until_none(too_few, _KNOWN_WITHIN_S, "payers are served")
    await settle_down(shop, stormed)
    return stormed


async def pay_undisturbed(
    shop: Shop, seed: str, seconds: float, done_within_s: float = DONE_WITHIN_S
) -> Stormed:
    """The same, and nothing is killed."""
    stormed = Stormed()
    async with paying(shop, seed):
        await asyncio.sleep(seconds)
    await settle_down(shop, stormed, done_within_s)
    return stormed


@asynccontextmanager
async def paying(shop: Shop, seed: str) -> AsyncIterator[None]:
    """Payers and a postman beside the block; at its end each payer is told what they asked for last."""
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        for number in range(POSTMEN):
            await stack.enter_async_context(running(Postman(shop, f"{seed} {number}").run()))
        payers = [
            asyncio.create_task(Payer(number, shop, random.Random(f"{seed} {number}")).live(over))
            for number in range(PAYERS)
        ]
        stack.push_async_callback(end_all, payers)
        yield
        over.set()
        async with asyncio.timeout(_KNOWN_WITHIN_S):
            await asyncio.gather(*payers)


async def settle_down(shop: Shop, stormed: Stormed, within_s: float = DONE_WITHIN_S) -> Facts:
    """Waits until the workers have done what there is to do, and compares everything."""
    began_s = monotonic()
    try:
        await until_none(lambda: left_over(shop), within_s, "payments come to their end")
    except TooLate as late:
        stormed.found.append(Violation("not done in time", f"{late}"))
    stormed.took_s = monotonic() - began_s
    facts = await read_facts(shop)
    stormed.found += [*shop.diary.found, *check(facts)]
    stormed.paid = sum(one.state == PaymentState.PAID for one in facts.payments)
    stormed.refunded = len(facts.refunds)
    return facts


async def _kill_again_and_again(
    shop: Shop, source: random.Random, seconds: float, mean_pause_s: float, stormed: Stormed
) -> None:
    deployment = shop.deployment
    names = [name for name in deployment.processes if name.startswith(("web", "payments", "postgresql"))]
    until_s, first = monotonic() + seconds, source.sample(names, len(names))
    while monotonic() < until_s or first:
        await asyncio.sleep(source.uniform(0, 2 * mean_pause_s))
        process = deployment[first.pop() if first else source.choice(names)]
        if process.is_running:
            process.kill()
            stormed.kills[process.name] += 1
        if process.name == "postgresql":
            await asyncio.sleep(source.uniform(*SQL_AWAY_S))
        process.start()
        if process.name == "postgresql":
            # Who is killed while it mends itself begins anew: then nobody would ever be served.
            await process.until_ready()


async def _watch_ledger(shop: Shop, stormed: Stormed) -> None:
    """At no moment does it not sum to zero."""
    while True:
        await asyncio.sleep(LOOKS_EVERY_S)
        try:
            async with shop.desk.database.look() as connection:
                off = await records.balance(connection)
        except SqlAway:
            continue
        stormed.looks += 1
        if any(off.values()):
            stormed.found.append(Violation("ledger off meanwhile", f"{off}"))
