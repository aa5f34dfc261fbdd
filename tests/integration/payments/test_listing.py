"""Looking through payments: every page once, by whatever filter, at the same cost however far down."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from app.core.clock import FixedClock
from app.core.db import Database
from app.payments import records
from app.payments.listing import (
    PAGE,
    After,
    Page,
    Wanted,
    payment_page,
    pending_minor,
    pending_refunds,
    statement,
)
from app.payments.models import PaymentState, RefundState
from tests.integration.payments.made_up import Books

START = datetime(2026, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SEED = 20260601


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    database = Database(database_url, FixedClock(START))
    yield Books(database, 1)
    await database.close()


async def pages(books: Books, wanted: Wanted) -> list[list[str]]:
    found: list[list[str]] = []
    after: After | None = None
    while True:
        async with books.database.look() as connection:
            page: Page = await payment_page(connection, wanted, after)
        found.append([one.id for one in page.payments])
        if page.following is None:
            return found
        # As the address of the next page has it.
        after = After.read(page.following.text())


async def test_every_payment_stands_on_one_page_also_of_those_begun_at_once(books: Books) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    other = Books(books.database, 2)
    for _ in range(PAGE * 2 + 7):
        its = books if chance.random() < 0.6 else other
        means = chance.choice(["cash", "terminal", "sandbox-success"])
        # Many in one microsecond, and some at the ends of it.
        await its.paid(
            START + chance.randrange(4) * MINUTE + timedelta(microseconds=chance.randrange(2)), 100, means
        )
    made = sorted([*books.made, *other.made], key=lambda one: (one.created_at, one.id), reverse=True)
    wishes = {
        "all": (Wanted(), lambda one: True),
        "lot": (Wanted(lot_id=2), lambda one: one.lot_id == 2),
        "desk": (Wanted(provider="desk"), lambda one: one.provider == "desk"),
        "day": (
            Wanted(begun=(START + MINUTE, START + 3 * MINUTE)),
            lambda one: START + MINUTE <= one.created_at < START + 3 * MINUTE,
        ),
        "failed": (Wanted(state=PaymentState.FAILED), lambda one: False),
    }
    for name, (wanted, is_it) in wishes.items():
        found = await pages(books, wanted)
        assert [one for page in found for one in page] == [one.id for one in made if is_it(one)], name
        assert all(len(page) == PAGE for page in found[:-1])


async def test_a_payment_that_comes_while_one_reads_moves_nothing(books: Books) -> None:
    for number in range(PAGE + 3):
        await books.paid(START + number * MINUTE, 100)
    async with books.database.look() as connection:
        first = await payment_page(connection, Wanted())
    await books.paid(START + timedelta(days=1), 100)
    async with books.database.look() as connection:
        second = await payment_page(connection, Wanted(), first.following)
    assert [one.id for one in second.payments] == [one.id for one in reversed(books.made[:3])]


async def test_a_payment_is_found_by_its_receipt_its_identifier_and_its_booking(books: Books) -> None:
    paid = await books.paid(START, 100)
    await books.paid(START, 100)
    async with books.database.look() as connection:
        receipt = await records.receipt_of(connection, paid.id)
    assert receipt is not None
    for wanted in (
        Wanted(receipt=receipt.number),
        Wanted(named=(paid.id,)),
        Wanted(named=(paid.reservation_id,)),
    ):
        assert await pages(books, wanted) == [[paid.id]]
    assert await pages(books, Wanted(receipt=10**17)) == [[]]


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(lot_id=1), Wanted(begun=(START, START + MINUTE))], ids=str
)
async def test_a_page_far_down_is_read_from_its_place_in_an_index(books: Books, wanted: Wanted) -> None:
    """No page sorts, and none passes over those before it."""
    await books.paid(START, 100)
    is_sqlite = books.database.is_sqlite
    asked = statement(wanted, After(START, "x"))
    dialect = sqlite.dialect() if is_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]
    written = str(asked.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    async with books.database.unit_of_work() as connection:
        if not is_sqlite:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
        rows = (await connection.execute(text((explain + written).replace(":", "\\:")))).all()
    plan = "\n".join(" ".join(map(str, row)) for row in rows)
    index = "payment_lot_begun" if wanted.lot_id else "payment_begun"
    assert index in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
    assert ("created_at,id)<" in plan) if is_sqlite else ("ROW(created_at" in plan.partition("Filter")[0])


async def test_what_is_to_be_given_back_is_told_of_the_desk_alone(books: Books) -> None:
    cash, card = await books.paid(START, 500), await books.paid(START, 500, "sandbox-success")
    for number, payment in enumerate((cash, card, cash), 1):
        await books.refunded(payment, START + number * MINUTE, 100, state=RefundState.PENDING, number=number)
    await books.refunded(cash, START, 100, number=9)
    async with books.database.look() as connection:
        found = await pending_refunds(connection, ["desk"])
        assert [(refund.number, payment.id) for refund, payment in found] == [(1, cash.id), (3, cash.id)]
        assert await pending_refunds(connection, ["desk"], lot_id=2) == []
        assert await pending_minor(connection, [cash.id, card.id]) == {cash.id: 200, card.id: 100}


@pytest.mark.parametrize("text_", ["x", ".", "5", "5.", "-5.x", "٥.x", "9" * 40 + ".x"])
def test_what_is_no_place_is_refused(text_: str) -> None:
    with pytest.raises(ValueError, match="not whole"):
        After.read(text_)
