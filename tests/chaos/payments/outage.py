"""SQL is away while people pay, and what serves them is killed: what was accepted is posted once."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

from app.accounts.models import Role
from app.accounts.service import create_account, create_link, use_link
from app.core.tasks import end_all
from app.payments.models import RefundState
from app.payments.refunding import hand_back
from tests.chaos.checker import Violation
from tests.chaos.payments.checker import check
from tests.chaos.payments.customers import Customer
from tests.chaos.payments.facts import DESK, Facts
from tests.chaos.payments.reading import left_over, read_facts
from tests.chaos.payments.shop import Shop
from tests.chaos.payments.till import Attendant, Till
from tests.chaos.site import Kind
from tests.chaos.waiting import TooLate, until_none
from tests.integration.outages import LockedFile

DONE_WITHIN_S = 60.0
# Some pay just before, and are in the middle of it when SQL goes.
_BEFORE_S = 0.5
_ANSWERED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Pace:
    """``away_s``: how long SQL is away; ``posting_s``: how long processes are killed from then on, too."""

    customers: int
    away_s: float
    posting_s: float
    kill_pause_s: float = 0.8


# While SQLite is locked it takes nine seconds at most until nobody waits for it any more.
SHORT = {Kind.SQLITE: Pace(30, 12.0, 2.0), Kind.POSTGRESQL: Pace(50, 5.0, 3.0)}
BROKEN = Pace(24, 3.0, 1.5)
LONG = Pace(150, 30.0, 6.0, 2.0)


@dataclass
class Parted:
    """What came of it. ``took_s``: from when SQL was back and all was ready until everything was posted."""

    accepted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    handed_back: int = 0
    took_s: float = 0.0
    found: list[Violation] = field(default_factory=list)


async def pay_without_sql(shop: Shop, seed: str, pace: Pace, done_within_s: float = DONE_WITHIN_S) -> Parted:
    """One outage, and what became of all who paid in it."""
    source, parted = random.Random(seed), Parted()
    attendants = [await _signed_in(shop, name) for name in ("Ann", "Bob")]
    customers = [
        Customer(shop, random.Random(f"{seed} {number}"), attendants) for number in range(pace.customers)
    ]
    bookings = await asyncio.gather(*(one.prepare(f"C{number}") for number, one in enumerate(customers)))
    await _known_everywhere(shop, attendants)
    begin, end = _outage_of(shop)
    over_s = monotonic() + _BEFORE_S + pace.away_s + _ANSWERED_WITHIN_S
    paying = [asyncio.create_task(_pay_in_time(one, pace, over_s)) for one in customers]
    try:
        await asyncio.sleep(_BEFORE_S)
        await begin()
        try:
            await _kill_while_away(shop, source, pace, parted)
        finally:
            await end()
        await _kill_while_posted(shop, source, pace, parted)
        await shop.deployment.ready()
        began_s = monotonic()
        await asyncio.gather(*paying)
    finally:
        await end_all(paying)
    await asyncio.gather(*(one.pay_again() for one in customers))
    till = Till(shop, source)
    await asyncio.gather(*(till.unreserve(one) for one in bookings if one is not None))
    await _settle_down(shop, parted, began_s, done_within_s)
    return parted


async def _settle_down(shop: Shop, parted: Parted, began_s: float, within_s: float) -> None:
    """Compares everything when all is posted, and again when what was too much is handed back."""
    await _all_is_done(shop, parted, within_s)
    parted.took_s = monotonic() - began_s
    facts = await read_facts(shop)
    parted.found += [*shop.diary.found, *check(facts)]
    parted.handed_back = await _hand_back(shop, facts)
    await _all_is_done(shop, parted, within_s)
    after = await read_facts(shop)
    parted.found += [one for one in check(after) if one not in parted.found]
    parted.found += [
        Violation("not handed back", one.id) for one in after.refunds if one.state == RefundState.PENDING
    ]
    parted.accepted = shop.diary.did["accepted"]
    parted.outcomes = Counter(one.outcome for one in facts.postings)


async def _all_is_done(shop: Shop, parted: Parted, within_s: float) -> None:
    try:
        await until_none(lambda: left_over(shop), within_s, "what was accepted is posted")
    except TooLate as late:
        parted.found.append(Violation("not done in time", f"{late}"))


async def _hand_back(shop: Shop, facts: Facts) -> int:
    """What the list says: each twice, as by two people who have both read it."""
    of_desk = {one.id for one in facts.payments if one.provider == DESK}
    owed = [one for one in facts.refunds if one.state == RefundState.PENDING and one.payment in of_desk]
    for refund in owed:
        await asyncio.gather(*(hand_back(shop.cashier, refund.id, "Cleo") for _ in range(2)))
    return len(owed)


async def _signed_in(shop: Shop, name: str) -> Attendant:
    database = shop.desk.database
    account = await create_account(database, name, Role.ATTENDANT)
    return Attendant(name, await use_link(database, await create_link(database, account)))


async def _known_everywhere(shop: Shop, attendants: list[Attendant]) -> None:
    """Each process has seen each attendant while SQL could still say who they are."""
    for wire in shop.wires:
        for one in attendants:
            status, _ = await wire.send("GET", "/attendant", headers=one.headers(wire))
            assert status == 200, status


async def _pay_in_time(customer: Customer, pace: Pace, over_s: float) -> None:
    await asyncio.sleep(customer.begins * (_BEFORE_S + pace.away_s))
    await customer.pay(over_s)


def _outage_of(shop: Shop) -> tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]:
    """What takes SQL away, and what gives it back."""
    server = shop.deployment.processes.get("postgresql")
    if server is not None:

        async def kill() -> None:
            server.kill()

        async def start() -> None:
            server.start()
            await server.until_ready()

        return kill, start
    locked = LockedFile(shop.deployment.folder / "lotline.db")

    async def lock() -> None:
        # Who writes just now holds a lock for a moment.
        await asyncio.to_thread(locked.lock)

    async def unlock() -> None:
        await asyncio.to_thread(locked.unlock)

    return lock, unlock


async def _kill_while_away(shop: Shop, source: random.Random, pace: Pace, parted: Parted) -> None:
    """Workers, who come back at once; and web processes, who can't before SQL does: so one of them stays."""
    deployment, until_s = shop.deployment, monotonic() + pace.away_s
    while (left_s := until_s - monotonic()) > 0:
        pause_s = source.uniform(0, 2 * pace.kill_pause_s)
        await asyncio.sleep(min(pause_s, left_s))
        webs = [name for name in deployment.ports if deployment[name].is_running]
        may_die = webs if len(webs) > 1 else []
        name = source.choice([*may_die, *deployment.finishers])
        if deployment[name].is_running:
            deployment[name].kill()
            parted.kills[name] += 1
        if name in deployment.finishers:
            deployment[name].start()
    # The last one as well, with all that it has accepted.
    for name in deployment.ports:
        if deployment[name].is_running:
            deployment[name].kill()
            parted.kills[name] += 1


async def _kill_while_posted(shop: Shop, source: random.Random, pace: Pace, parted: Parted) -> None:
    deployment, until_s = shop.deployment, monotonic() + pace.posting_s
    for name in deployment.ports:
        deployment[name].start()
    while (left_s := until_s - monotonic()) > 0:
        await asyncio.sleep(min(source.uniform(0, pace.kill_pause_s), left_s))
        process = deployment[source.choice([*deployment.ports, *deployment.finishers, *deployment.finishers])]
        if process.is_running:
            process.kill()
            parted.kills[process.name] += 1
        process.start()
