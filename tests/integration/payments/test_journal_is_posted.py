"""SQL goes away while people pay: what was accepted is posted once, and nobody is charged twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from app.audit.models import AuditEntry
from app.bookings.bills import read_bill
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.clock import FixedClock
from app.core.db import SqlAway
from app.core.errors import Problem
from app.core.signing import Secrets
from app.payments import journal, records
from app.payments.journal import Entry, Journal
from app.payments.models import JournalEntry, Payment, PaymentState, PostingOutcome, RefundState
from app.payments.paying import Cashier, Order, pay, quote_for
from app.payments.posting import Posting, post
from app.payments.providers.desk import Desk as Till
from app.payments.providers.protocol import Charged, ChargeOrder
from app.payments.providers.sandbox import DECLINE, SUCCESS, THREE_D, Sandbox
from app.payments.refunding import give_back, hand_back
from app.payments.unfinished import finish
from tests.integration.bookings.timed import timed_desk
from tests.integration.lots import lot_plan, open_lot
from tests.integration.outages import Outage

Timed = tuple[Desk, FixedClock]
CASH = Order("cash", by="Ann")
CARD = Order(SUCCESS)
MINUTE = timedelta(minutes=1)


class Wire(Sandbox):
    """Counts how often something was charged."""

    charges = 0

    async def charge(self, order: ChargeOrder) -> Charged:
        self.charges += 1
        return await super().charge(order)


def cashier_at(desk: Desk, clock: FixedClock, folder: Path) -> Cashier:
    wire = Wire(folder / "sandbox.db", ["s" * 32], clock)
    providers = {"desk": Till(), "sandbox": wire}
    return Cashier(desk.database, Secrets((b"k" * 32,)), providers, read_bill, Journal(folder / "journal"))


@pytest.fixture
async def shop(timed: Timed, tmp_path: Path) -> tuple[Cashier, FixedClock, list[str]]:
    """A cashier, and bookings that cost 1.00 so far."""
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=4))
    cashier = cashier_at(desk, clock, tmp_path)
    made = [await reserve(desk, ReserveRequest(f"A {number}", lot="here")) for number in range(4)]
    clock.advance(5 * MINUTE)
    return cashier, clock, [one.reservation for one in made]


async def quoted(cashier: Cashier, reservation: str) -> str:
    _, signed = await quote_for(cashier, reservation)
    assert signed
    return signed


@asynccontextmanager
async def silent(cashier: Cashier) -> AsyncIterator[Cashier]:
    """The same cashier, whose SQL refuses everything; other processes go on."""

    class Silent(type(cashier.database)):  # type: ignore[misc]
        def unit_of_work(self) -> object:
            raise SqlAway("away")

        look = unit_of_work

    away = object.__new__(Silent)
    away.__dict__.update(cashier.database.__dict__)
    yield replace(cashier, database=away)


async def accepted(cashier: Cashier, signed: str, order: Order) -> Entry:
    async with silent(cashier) as away:
        found = await pay(away, signed, order)
    assert isinstance(found, Entry)
    return found


async def payments_of(cashier: Cashier, reservation: str) -> list[Payment]:
    async with cashier.database.look() as connection:
        return await records.payments_of(connection, reservation)


async def outcomes(cashier: Cashier) -> list[str]:
    async with cashier.database.look() as connection:
        asked = select(JournalEntry.__table__.c.outcome).order_by(  # type: ignore[attr-defined]
            JournalEntry.__table__.c.id  # type: ignore[attr-defined]
        )
        return list((await connection.execute(asked)).scalars())


async def nobody_leaves(reservation: str, left_at: datetime) -> None:
    raise AssertionError(reservation)


async def test_cash_is_posted_as_of_when_it_was_taken_with_a_receipt(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, clock, (one, *_) = shop
    taken_at = clock.now()
    entry = await accepted(cashier, await quoted(cashier, one), CASH)
    clock.advance(10 * MINUTE)
    for _ in range(2):
        await Posting(cashier, nobody_leaves).go_on()
    (paid,) = await payments_of(cashier, one)
    assert (paid.id, paid.state, paid.by) == (entry.quote.payment, PaymentState.PAID, "Ann")
    assert paid.settled_at == taken_at
    async with cashier.database.look() as connection:
        assert await records.receipt_of(connection, paid.id) is not None
        assert await records.balance(connection) == {"EUR": 0}
        acts = (
            await connection.execute(
                select(AuditEntry.__table__.c.act).where(  # type: ignore[attr-defined]
                    AuditEntry.__table__.c.subject == one  # type: ignore[attr-defined]
                )
            )
        ).scalars()
        assert sorted(acts) == ["accepted", "paid"]
    assert await outcomes(cashier) == [PostingOutcome.POSTED]


async def test_a_card_is_charged_once_when_sql_is_back(shop: tuple[Cashier, FixedClock, list[str]]) -> None:
    cashier, _, (one, two, *_) = shop
    wire = cashier.providers["sandbox"]
    assert isinstance(wire, Wire)
    await accepted(cashier, await quoted(cashier, one), CARD)
    await accepted(cashier, await quoted(cashier, two), Order(DECLINE))
    assert wire.charges == 0
    await Posting(cashier, nobody_leaves).go_on()
    await finish(cashier)
    await finish(cashier)
    assert wire.charges == 2
    assert [each.state for each in await payments_of(cashier, one)] == [PaymentState.PAID]
    assert [each.state for each in await payments_of(cashier, two)] == [PaymentState.FAILED]


async def test_sent_again_it_is_one_and_somebody_else_is_told(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    signed = await quoted(cashier, one)
    first = await accepted(cashier, signed, CASH)
    assert await accepted(cashier, signed, CASH) == first
    for other in (CARD, replace(CASH, means="terminal"), replace(CASH, by="Bob")):
        with pytest.raises(Problem) as caught:
            await accepted(cashier, signed, other)
        assert caught.value.type == "being-paid"
    # Once SQL is back, before the worker has come: it is the same payment.
    paid = await pay(cashier, signed, CASH)
    assert isinstance(paid, Payment)
    assert paid.id == first.quote.payment
    await Posting(cashier, nobody_leaves).go_on()
    assert len(await payments_of(cashier, one)) == 1
    assert await outcomes(cashier) == [PostingOutcome.KNOWN]


async def test_the_same_card_payment_in_two_processes_is_posted_once(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    other = replace(cashier, journal=Journal(cashier.journal.folder))
    signed = await quoted(cashier, one)
    await accepted(cashier, signed, CARD)
    await accepted(other, signed, CARD)
    assert len(journal.files(cashier.journal.folder)) == 2
    await Posting(cashier, nobody_leaves).go_on()
    await finish(cashier)
    assert len(await payments_of(cashier, one)) == 1
    assert sorted(await outcomes(cashier)) == [PostingOutcome.KNOWN, PostingOutcome.POSTED]


async def test_cash_after_a_declined_card_that_two_processes_accepted_is_in_the_till_once(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, two, *_) = shop
    other = replace(cashier, journal=Journal(cashier.journal.folder))
    for booking, order in ((one, CASH), (two, CARD)):
        signed = await quoted(cashier, booking)
        declined = await pay(cashier, signed, Order(DECLINE))
        assert isinstance(declined, Payment)
        await accepted(cashier, signed, order)
        await accepted(other, signed, order)
        for _ in range(2):
            await Posting(cashier, nobody_leaves).go_on()
            await finish(cashier)
        states = [(each.ordinal, each.state) for each in await payments_of(cashier, booking)]
        assert states == [(1, PaymentState.FAILED), (2, PaymentState.PAID)]
    assert sorted(await outcomes(cashier)) == [PostingOutcome.KNOWN] * 2 + [PostingOutcome.POSTED] * 2
    left, none = await quote_for(cashier, one)
    assert (left.fee.amount_minor, none) == (0, "")


async def test_cash_that_was_taken_twice_is_to_be_given_back_by_a_person(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    other = replace(cashier, journal=Journal(cashier.journal.folder))
    signed = await quoted(cashier, one)
    await accepted(cashier, signed, CASH)
    await accepted(other, signed, replace(CASH, by="Bob"))
    await Posting(cashier, nobody_leaves).go_on()
    first, second = await payments_of(cashier, one)
    assert [(each.state, each.by) for each in (first, second)] == [("paid", "Ann"), ("paid", "Bob")]
    assert sorted(await outcomes(cashier)) == [PostingOutcome.PAID_TWICE, PostingOutcome.POSTED]
    # No worker asks for it: it lies in a drawer.
    await finish(cashier)
    async with cashier.database.look() as connection:
        (owed,) = await records.refunds_of(connection, second.id)
    assert (owed.state, owed.amount_minor) == (RefundState.PENDING, 100)
    for _ in range(2):
        done = await hand_back(cashier, owed.id, "Cleo")
        assert done.state == RefundState.DONE
    async with cashier.database.look() as connection:
        assert await records.balance(connection) == {"EUR": 0}
        standing = await records.standing(connection, one)
    assert standing.settled_minor == 100


async def test_a_card_is_left_alone_where_the_booking_was_paid_otherwise(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    wire = cashier.providers["sandbox"]
    assert isinstance(wire, Wire)
    signed = await quoted(cashier, one)
    await accepted(cashier, signed, CARD)
    await pay(cashier, signed, CASH)
    await Posting(cashier, nobody_leaves).go_on()
    await finish(cashier)
    assert wire.charges == 0
    assert await outcomes(cashier) == [PostingOutcome.NOT_CHARGED]
    assert len(await payments_of(cashier, one)) == 1


async def test_it_waits_for_what_becomes_of_another_attempt(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    signed = await quoted(cashier, one)
    await accepted(cashier, signed, CASH)
    waits = await pay(cashier, signed, Order("sandbox-3d"))
    assert isinstance(waits, Payment)
    assert waits.state == PaymentState.PENDING
    posting = Posting(cashier, nobody_leaves)
    await posting.go_on()
    assert await outcomes(cashier) == []
    wire = cashier.providers["sandbox"]
    assert isinstance(wire, Wire)
    await wire.confirm(waits.id, ok=False)
    cashier_clock = shop[1]
    cashier_clock.advance(MINUTE)
    await finish(cashier)
    await posting.go_on()
    assert await outcomes(cashier) == [PostingOutcome.POSTED]
    assert [each.state for each in await payments_of(cashier, one)] == ["failed", "paid"]


async def test_of_cash_that_is_partly_due_the_rest_is_to_be_given_back(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, clock, (one, *_) = shop
    await accepted(cashier, await quoted(cashier, one), CASH)
    clock.advance(30 * MINUTE)
    paid = await pay(cashier, await quoted(cashier, one), CARD)
    assert isinstance(paid, Payment)
    assert paid.amount_minor == 200
    await give_back(cashier, paid.id, 150, "by mistake", "Cleo", number=1)
    await Posting(cashier, nobody_leaves).go_on()
    _, second = await payments_of(cashier, one)
    assert (second.amount_minor, second.refunded_minor) == (100, 50)
    assert await outcomes(cashier) == [PostingOutcome.PAID_TWICE]


async def test_who_leaves_with_it_is_ended_as_of_then(shop: tuple[Cashier, FixedClock, list[str]]) -> None:
    cashier, clock, (one, *_) = shop
    left: list[tuple[str, datetime]] = []

    async def leave(reservation: str, left_at: datetime) -> None:
        left.append((reservation, left_at))

    at = clock.now()
    await accepted(cashier, await quoted(cashier, one), replace(CARD, leaves=True))
    clock.advance(10 * MINUTE)
    await Posting(cashier, leave).go_on()
    assert left == [(one, at)]


async def test_a_quote_that_is_over_is_not_accepted(shop: tuple[Cashier, FixedClock, list[str]]) -> None:
    cashier, clock, (one, *_) = shop
    signed = await quoted(cashier, one)
    clock.advance(16 * MINUTE)
    async with silent(cashier) as away:
        with pytest.raises(SqlAway):
            await pay(away, signed, CASH)
    assert journal.files(cashier.journal.folder) == []


async def test_cash_is_not_accepted_of_who_is_no_attendant(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    signed = await quoted(cashier, one)
    async with silent(cashier) as away:
        with pytest.raises(Problem) as caught:
            await pay(away, signed, Order("cash"))
    assert caught.value.type == "only-an-attendant"


async def test_several_workers_post_each_once(shop: tuple[Cashier, FixedClock, list[str]]) -> None:
    cashier, _, booked = shop
    entries = [await accepted(cashier, await quoted(cashier, one), CASH) for one in booked]
    posted = await asyncio.gather(
        *(post(cashier, entry) for entry in entries for _ in range(5)), return_exceptions=True
    )
    assert sum(one is PostingOutcome.POSTED for one in posted) == len(booked)
    for one in booked:
        assert len(await payments_of(cashier, one)) == 1


async def test_a_worker_that_dies_between_two_entries_posts_the_rest_and_ends_the_file(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, booked = shop
    entries = [await accepted(cashier, await quoted(cashier, one), CASH) for one in booked]
    await post(cashier, entries[0])
    await Posting(cashier, nobody_leaves).go_on()
    assert len(journal.files(cashier.journal.folder)) == 1
    await cashier.journal.sql_is_back()
    await Posting(cashier, nobody_leaves).go_on()
    assert journal.files(cashier.journal.folder) == []
    assert await outcomes(cashier) == [PostingOutcome.POSTED] * len(booked)
    for one in booked:
        assert len(await payments_of(cashier, one)) == 1


@pytest.fixture
async def struck(outage: Outage, redis: Redis) -> AsyncIterator[Timed]:
    async with timed_desk(outage.url, redis) as opened:
        yield opened


async def test_however_sql_goes_away_paying_goes_on(struck: Timed, outage: Outage, tmp_path: Path) -> None:
    desk, clock = struck
    await open_lot(desk, lot_plan(slots=2))
    cashier = cashier_at(desk, clock, tmp_path)
    made = [(await reserve(desk, ReserveRequest(f"A {n}", lot="here"))).reservation for n in range(2)]
    clock.advance(5 * MINUTE)
    quotes = [await quoted(cashier, one) for one in made]
    await asyncio.to_thread(outage.begin)
    try:
        found = await asyncio.gather(pay(cashier, quotes[0], CASH), pay(cashier, quotes[1], CARD))
        assert [type(one) for one in found] == [Entry, Entry]
    finally:
        await asyncio.to_thread(outage.end)
    async with asyncio.timeout(30):
        while True:
            try:
                await Posting(cashier, nobody_leaves).go_on()
                await finish(cashier)
                break
            except SqlAway:
                await asyncio.sleep(0.1)
    for one in made:
        assert [each.state for each in await payments_of(cashier, one)] == [PaymentState.PAID]


async def test_one_that_can_not_be_posted_keeps_no_other_from_it(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, two, *_) = shop

    async def read_or_fail(connection: Any, reservation: str, now: datetime) -> Any:
        if reservation == one:
            raise ValueError("spoilt")
        return await read_bill(connection, reservation, now)

    for each in (one, two):
        await accepted(cashier, await quoted(cashier, each), CASH)
    await cashier.journal.sql_is_back()
    await Posting(replace(cashier, read_bill=read_or_fail), nobody_leaves).go_on()
    assert [len(await payments_of(cashier, each)) for each in (one, two)] == [0, 1]
    assert len(journal.files(cashier.journal.folder)) == 1
    await Posting(cashier, nobody_leaves).go_on()
    assert [len(await payments_of(cashier, each)) for each in (one, two)] == [1, 1]
    assert journal.files(cashier.journal.folder) == []


async def test_a_card_whose_payer_has_something_to_do_first_is_not_accepted(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    signed = await quoted(cashier, one)
    with pytest.raises(Problem) as caught:
        await accepted(cashier, signed, Order(THREE_D))
    assert (caught.value.status, caught.value.type) == (503, "not-while-away")
    assert journal.files(cashier.journal.folder) == []


async def test_a_card_is_charged_what_is_due_by_then_where_that_is_less(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, clock, (one, *_) = shop
    clock.advance(30 * MINUTE)
    entry = await accepted(cashier, await quoted(cashier, one), CARD)
    assert entry.quote.amount_minor == 200
    # Another process has accepted a part of it in cash.
    early = replace(entry.quote, amount_minor=100)
    await post(cashier, replace(entry, id="other", quote=early, provider="desk", means="cash", by="Ann"))
    await Posting(cashier, nobody_leaves).go_on()
    await finish(cashier)
    assert [each.amount_minor for each in await payments_of(cashier, one)] == [100, 100]
    # Whoever finds the same entry again finds it posted.
    assert await post(cashier, replace(entry, id="again")) is PostingOutcome.KNOWN


async def test_a_quote_of_another_amount_is_not_taken_for_the_one_that_was_accepted(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, clock, (one, *_) = shop
    await accepted(cashier, await quoted(cashier, one), CASH)
    clock.advance(30 * MINUTE)
    dearer = await quoted(cashier, one)
    with pytest.raises(Problem) as caught:
        await accepted(cashier, dearer, CASH)
    assert caught.value.type == "being-paid"


@pytest.mark.postgresql
async def test_who_pays_while_a_stalled_process_keeps_the_booking_is_accepted(
    shop: tuple[Cashier, FixedClock, list[str]],
) -> None:
    cashier, _, (one, *_) = shop
    if cashier.database.is_sqlite:
        pytest.skip("SQLite has but one writer, and no rows to wait for")
    signed = await quoted(cashier, one)
    async with cashier.database.unit_of_work() as stalled:
        await records.lock_booking(stalled, one)
        found = await pay(cashier, signed, CASH)
    assert isinstance(found, Entry)
    await Posting(cashier, nobody_leaves).go_on()
    assert [each.state for each in await payments_of(cashier, one)] == [PaymentState.PAID]
