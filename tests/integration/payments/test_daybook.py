"""A day's books, over both nights of a clock change; and a day is closed once."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.audit.models import AuditEntry
from app.core.clock import FixedClock
from app.core.days import day_span
from app.core.db import Database
from app.core.errors import Problem
from app.payments import closing, records
from app.payments.closing import Closing, close_day, closed, posted_since
from app.payments.daybook import DayBook, Sum, day_book
from app.payments.models import DayClosing, PaymentState, RefundState
from tests.integration.payments.made_up import Books

# The clock is put back in this night: the day has 25 hours.
DAY = date(2026, 10, 25)
BEGIN, END = day_span(DAY, "Europe/Berlin")
MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    """An empty database, and a lot's number."""
    database = Database(database_url, FixedClock(datetime(2026, 10, 26, 8, tzinfo=UTC)))
    yield Books(database, 7)
    await database.close()


async def read(books: Books, day: date = DAY, lot_id: int = 7) -> DayBook:
    async with books.database.look() as connection:
        return await day_book(connection, lot_id, *day_span(day, "Europe/Berlin"))


def order(book: DayBook, by: str = "Ines", counted: int = 0, **changes: object) -> Closing:
    return replace(Closing(7, DAY, BEGIN, END, "EUR", {"EUR": counted}, book.seen, by), **changes)  # type: ignore[arg-type]


async def close(books: Books, asked: Closing) -> None:
    async with books.database.unit_of_work() as connection:
        await close_day(connection, asked, await books.database.now(connection))


async def test_a_day_of_25_hours_has_what_was_paid_in_them_and_nothing_else(books: Books) -> None:
    assert END - BEGIN == 25 * HOUR
    first = await books.paid(BEGIN, 100)
    await books.paid(END - MOMENT, 250, by="Ben")
    await books.paid(BEGIN + 2 * HOUR, 300, "terminal")
    await books.paid(BEGIN + 3 * HOUR, 1_000, "sandbox-success")
    await books.paid(BEGIN - MOMENT, 7_000)
    late = await books.paid(END, 9_000)
    await books.payment(BEGIN + HOUR, 50_000, "sandbox-decline", PaymentState.FAILED)
    await books.refunded(first, BEGIN + 4 * HOUR, 40, by="Ines")
    # Money is of the day on which it moves, not of the day of its payment.
    await books.refunded(late, END - MOMENT, 500, by="Ben")
    await replace_lot(books, 8).paid(BEGIN + HOUR, 60_000)

    book = await read(books)
    assert book.tills == (
        Sum("cash", "EUR", 2, 350, 2, 540),
        Sum("sandbox", "EUR", 1, 1_000),
        Sum("terminal", "EUR", 1, 300),
    )
    assert book.hands == (
        Sum("Ann", "EUR", 1, 100),
        Sum("Ben", "EUR", 1, 250, 1, 500),
        Sum("Ines", "EUR", 0, 0, 1, 40),
    )
    assert [(one.books_minor, one.ledger_minor, one.agrees) for one in book.checks] == [(1_110, 1_110, True)]
    assert (await read(books, DAY - timedelta(days=1))).tills == (Sum("cash", "EUR", 1, 7_000),)
    assert (await read(books, DAY + timedelta(days=1))).tills == (Sum("cash", "EUR", 1, 9_000),)


def replace_lot(books: Books, lot_id: int) -> Books:
    return Books(books.database, lot_id)


async def test_currencies_are_never_added_up(books: Books) -> None:
    await books.paid(BEGIN, 100)
    yen = Books(books.database, 7, currency="JPY")
    await yen.paid(BEGIN, 100)
    book = await read(books)
    assert [(one.currency, one.amount_minor) for one in book.tills] == [("EUR", 100), ("JPY", 100)]
    assert [one.currency for one in book.checks] == ["EUR", "JPY"]


async def test_what_is_under_way_is_named_and_in_no_sum(books: Books) -> None:
    paid = await books.paid(BEGIN, 100)
    await books.refunded(paid, BEGIN + HOUR, 30, state=RefundState.PENDING)
    waits = await books.payment(END - MOMENT, 200, "sandbox-3d", PaymentState.PENDING)
    await books.payment(END, 200, "sandbox-3d", PaymentState.PENDING)
    book = await read(books)
    assert book.tills == (Sum("cash", "EUR", 1, 100),)
    assert [one.id for one in book.pending] == [waits.id]
    assert [(refund.amount_minor, payment.id) for refund, payment in book.returning] == [(30, paid.id)]


async def test_a_ledger_that_differs_is_named_movement_by_movement(books: Books) -> None:
    """Also where the sums are equal by chance."""
    paid, other = await books.paid(BEGIN, 100), await books.paid(BEGIN, 100)
    assert (await read(books)).checks[0].agrees
    async with books.database.unit_of_work() as connection:
        await connection.execute(
            records.PAYMENT.update().where(records.PAYMENT.c.id == paid.id).values(amount_minor=140)
        )
    (check,) = (await read(books)).checks
    assert (check.books_minor, check.ledger_minor, check.odd) == (240, 200, (paid.id,))
    async with books.database.unit_of_work() as connection:
        await connection.execute(
            records.PAYMENT.update().where(records.PAYMENT.c.id == other.id).values(amount_minor=60)
        )
    (check,) = (await read(books)).checks
    assert check.books_minor == check.ledger_minor == 200
    assert not check.agrees
    assert set(check.odd) == {paid.id, other.id}


async def test_a_closed_day_keeps_its_sums_what_was_counted_and_who_did_it(books: Books) -> None:
    paid = await books.paid(BEGIN, 500)
    await books.paid(BEGIN, 900, "sandbox-success")
    await close(books, order(await read(books), counted=480))
    async with books.database.look() as connection:
        rows = await closed(connection, 7, DAY)
        noted = (await connection.execute(select(AuditEntry.__table__))).mappings().one()  # type: ignore[attr-defined]
    told = [(one.provider, one.amount_minor, one.refunded_minor, one.counted_minor, one.by) for one in rows]
    assert told == [("cash", 500, 0, 480, "Ines"), ("sandbox", 900, 0, None, "Ines")]
    assert (noted["who"], noted["act"], noted["subject"]) == ("Ines", "day.closed", "closing:7:2026-10-25")
    assert json.loads(noted["detail"])["drawers"] == [
        {"currency": "EUR", "counted": "4.80", "difference": "-0.20"}
    ]
    assert posted_since(rows, await read(books)) == ()
    await books.refunded(paid, END - MOMENT, 20)
    await books.paid(END - MOMENT, 70, "terminal")
    assert posted_since(rows, await read(books)) == (
        Sum("cash", "EUR", 0, 0, 0, 20),
        Sum("terminal", "EUR", 0, 70, 0, 0),
    )


async def test_of_many_who_close_a_day_at_once_one_does(books: Books) -> None:
    await books.paid(BEGIN, 500)
    book = await read(books)
    many = [close(books, order(book, by=f"N{number}", counted=number)) for number in range(6)]
    told = await asyncio.gather(*many, return_exceptions=True)
    assert sorted(getattr(one, "type", "") for one in told) == [""] + ["closed-already"] * 5
    async with books.database.look() as connection:
        assert len(await closed(connection, 7, DAY)) == 1


async def test_who_does_not_look_whether_a_day_is_closed_is_stopped_by_the_table(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: without the look, and its lock, others would be told nothing else."""

    async def sees_none(*_: object) -> list[DayClosing]:
        return []

    async def locks_nothing(*_: object) -> None:
        return None

    book = await read(books)
    monkeypatch.setattr(closing, "closed", sees_none)
    monkeypatch.setattr(records, "lock_booking", locks_nothing)
    many = [close(books, order(book, by=f"N{number}", counted=number)) for number in range(4)]
    told = await asyncio.gather(*many, return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["IntegrityError"] * 3 + ["NoneType"]
    async with books.database.look() as connection:
        assert len(await closed(connection, 7, DAY)) == 1


async def test_the_same_button_pressed_twice_closes_once_and_says_nothing_else(books: Books) -> None:
    book = await read(books)
    await close(books, order(book, counted=5))
    await close(books, order(book, counted=5))
    for other in (order(book, counted=6), order(book, by="Ben", counted=5)):
        with pytest.raises(Problem) as refused:
            await close(books, other)
        assert refused.value.type == "closed-already"
    async with books.database.look() as connection:
        assert [one.amount_minor for one in await closed(connection, 7, DAY)] == [0]


async def test_who_has_seen_other_sums_is_told_to_look_again(books: Books) -> None:
    seen = await read(books)
    await books.paid(BEGIN, 500)
    with pytest.raises(Problem) as refused:
        await close(books, order(seen, counted=0))
    assert refused.value.type == "books-have-changed"
    async with books.database.look() as connection:
        assert await closed(connection, 7, DAY) == []


async def test_a_closing_is_changed_by_nobody_and_stands_once_for_each_till(books: Books) -> None:
    await close(books, order(await read(books)))
    again = (
        "INSERT INTO day_closing"
        " (lot_id, day, provider, currency, count, amount_minor, refunded_minor, by, at)"
        " SELECT lot_id, day, provider, currency, 0, 0, 0, by, at FROM day_closing"
    )
    for act in ("DELETE FROM day_closing", "UPDATE day_closing SET counted_minor = 7", again):
        with pytest.raises(DBAPIError):
            async with books.database.unit_of_work() as connection:
                await connection.execute(text(act))
