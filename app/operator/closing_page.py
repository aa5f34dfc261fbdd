"""A lot's day: what its tills took, who holds the cash, whether the ledger agrees, and closing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from app.accounts.access import account
from app.bookings import problems as booking_problems
from app.bookings.desk import run_again_on_conflict
from app.core.days import EARLIEST, LATEST, day_of, day_span, read_day
from app.core.errors import Problem
from app.core.languages import say, told
from app.core.parts import part
from app.core.templating import token
from app.core.words import day_text
from app.operator import closing_sheet
from app.operator import money_views as views
from app.operator.closing_csv import csv_text
from app.operator.closing_sheet import Books
from app.operator.payments_page import choice
from app.operator.spelling import read_amount
from app.payments import closing, listing
from app.payments.daybook import day_book
from app.payments.paying import Cashier
from app.slots.models import Lot

_TOLD_HERE = ("closed-already", "books-have-changed")


@dataclass(frozen=True)
class Asked:
    """A lot and a day of it; ``lot`` is ``None`` where there is no lot at all."""

    lot: Lot | None
    lots: list[Lot]
    day: date | None
    typed: str
    errors: dict[str, str]
    today: date | None
    first: date | None
    now: datetime

    @property
    def is_to_come(self) -> bool:
        return self.day is not None and self.today is not None and self.day > self.today

    @property
    def is_before(self) -> bool:
        """Whether nobody had paid there by then."""
        return self.day is not None and (self.first is None or self.day < self.first)


async def closing_page(
    request: Request, fields: Mapping[str, str] | None = None, **said: str
) -> tuple[views.ClosingPage, int]:
    """The page, and its status: 422 where lot or day are wrong. ``said``: its notice or problem."""
    cashier = part(request, Cashier)
    async with cashier.database.look() as connection:
        asked = await _asked(connection, cashier, fields or request.query_params)
        books = await _books(connection, asked)
    notice = (
        say("The day is closed.") if fields is None and request.query_params.get("done") == "closed" else ""
    )
    view = views.ClosingPage(
        operator=account(request).name,
        lot=asked.lot.code if asked.lot else "",
        day=asked.day.isoformat() if asked.day else "",
        typed_day=asked.day.isoformat() if asked.day and asked.day != asked.today else "",
        lots=tuple(views.Option(one.code, one.name) for one in asked.lots),
        errors=asked.errors,
        previous_url=_beside(asked, -1),
        next_url=_beside(asked, 1),
        sheet=closing_sheet.sheet(request, books, runs=asked.day == asked.today) if books else None,
        **(_why_not(asked) | ({"notice": notice} if notice and books and books.closed else {}) | said),
    )
    return view, 422 if asked.errors else 200


async def close(request: Request, sent: Mapping[str, str]) -> tuple[views.ClosingPage | str, int]:
    """Closes the day that a form was sent for: where to go then, or the form with what is wrong."""
    cashier, by = part(request, Cashier), account(request).name
    async with cashier.database.look() as connection:
        asked = await _asked(connection, cashier, sent)
        books = await _books(connection, asked)
    if books is None or asked.lot is None:
        view, status = await closing_page(request, sent)
        return view, status if status != 200 else 409
    counted, errors = _counted(books, sent)
    if errors:
        view, _ = await closing_page(request, sent, problem=say("The day is not closed yet."))
        return closing_sheet.with_typed(view, sent, errors), 422
    begin, end = day_span(books.day, books.lot.time_zone)
    lot_id, seen = books.lot.id or 0, sent.get("seen", "")
    order = closing.Closing(lot_id, books.day, begin, end, books.lot.currency, counted, seen, by)

    async def work() -> None:
        async with cashier.database.unit_of_work() as connection:
            await closing.close_day(connection, order, await cashier.database.now(connection))

    try:
        await run_again_on_conflict(work)
    except Problem as problem:
        if problem.type not in _TOLD_HERE:
            raise
        view, _ = await closing_page(
            request, sent, problem=f"{told(problem.title)}.", problem_more=told(problem.detail)
        )
        return closing_sheet.with_typed(view, sent, {}), 409
    return views.filled(views.CLOSING, lot=books.lot.code, day=books.day.isoformat(), done="closed"), 303


async def csv_file(request: Request) -> tuple[str, str]:
    """Its name and its text. A Problem (404, 422) where there is no such day to be told of."""
    cashier = part(request, Cashier)
    async with cashier.database.look() as connection:
        asked = await _asked(connection, cashier, request.query_params)
        books = await _books(connection, asked)
    if "lot" in asked.errors:
        raise booking_problems.no_such_lot(asked.typed)
    if books is None:
        said = _why_not(asked)
        title = asked.errors.get("day") or said.get("said", say("There is nothing to close"))
        raise Problem(422, "no-such-day", title.rstrip("."), said.get("advice", ""))
    return f"closing-{token(books.lot.code)}-{books.day}.csv", csv_text(books)


async def _asked(connection: AsyncConnection, cashier: Cashier, fields: Mapping[str, str]) -> Asked:
    code, text = fields.get("lot", "").strip(), fields.get("day", "").strip()[:40]
    now = await cashier.database.now(connection)
    lot, lots = await choice(connection, code)
    if code and lot is None:
        return Asked(
            None,
            lots,
            None,
            code[:80],
            {"lot": say("There is no lot {code}.", code=code[:80])},
            None,
            None,
            now,
        )
    lot = lot or (lots[0] if lots else None)
    if lot is None:
        return Asked(None, lots, None, text, {}, None, None, now)
    today = day_of(now, lot.time_zone)
    begun = await listing.first_begun(connection, lot.id or 0)
    first = day_of(begun, lot.time_zone) if begun is not None else None
    try:
        day = read_day(text) if text else today
    except ValueError as error:
        return Asked(lot, lots, None, text, {"day": str(error)}, today, first, now)
    return Asked(lot, lots, day, text, {}, today, first, now)


async def _books(connection: AsyncConnection, asked: Asked) -> Books | None:
    if asked.lot is None or asked.day is None or asked.is_to_come or asked.is_before:
        return None
    lot_id = asked.lot.id or 0
    begin, end = day_span(asked.day, asked.lot.time_zone)
    book = await day_book(connection, lot_id, begin, end)
    return Books(asked.lot, asked.day, book, await closing.closed(connection, lot_id, asked.day))


def _why_not(asked: Asked) -> dict[str, str]:
    if asked.errors:
        return {}
    if asked.lot is None or asked.day is None:
        return {
            "said": say("No lot yet"),
            "advice": say("Make one or import one. Then its days are closed here."),
        }
    if asked.is_to_come:
        return {
            "said": say("{day} is yet to come", day=day_text(asked.day)),
            "advice": say(
                "By the clock of {lot} it is {day}.",
                lot=asked.lot.name,
                day=day_text(asked.today or asked.day),
            ),
        }
    if asked.first is None:
        return {
            "said": say("Nothing was paid here yet"),
            "advice": say("{lot} has no payment so far: there is nothing to close.", lot=asked.lot.name),
        }
    if asked.is_before:
        return {
            "said": say("Nothing was paid by {day}", day=day_text(asked.day)),
            "advice": say(
                "The first payment in {lot} was begun on {day}.",
                lot=asked.lot.name,
                day=day_text(asked.first),
            ),
        }
    return {}


def _beside(asked: Asked, step: int) -> str:
    """The day before or after; none that is yet to come, and none before the first payment."""
    if asked.lot is None or asked.day is None or asked.today is None:
        return ""
    if (step > 0 and asked.day >= asked.today) or (step < 0 and asked.is_before):
        return ""
    if not EARLIEST < asked.day < LATEST:
        return ""
    day = asked.day + timedelta(days=step)
    return views.filled(views.CLOSING, lot=asked.lot.code, day=day.isoformat())


def _counted(books: Books, sent: Mapping[str, str]) -> tuple[dict[str, int], dict[str, str]]:
    counted, errors = {}, {}
    for one in closing.to_count(books.book, books.lot.currency):
        field = closing_sheet.counted_field(one.currency)
        try:
            counted[one.currency] = read_amount(sent.get(field, ""), one.currency)
        except ValueError as error:
            errors[field] = str(error)
    return counted, errors
