"""A day's books as a sheet: to be read, counted against, and printed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from starlette.requests import Request

from app.core import words
from app.core.days import day_span
from app.core.languages import say, say_in
from app.core.money import Money
from app.core.words import day_text
from app.operator import money_views as views
from app.operator.payments_page import payment_row
from app.payments import closing, wording
from app.payments.daybook import CASH, MOST_NAMED, Check, DayBook, Sum
from app.payments.models import DayClosing, Payment, Refund
from app.slots.models import Lot

_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Books:
    """A lot's day: the books as they are, and the tills as they were when it was closed, if it was."""

    lot: Lot
    day: date
    book: DayBook
    closed: list[DayClosing]


def counted_field(currency: str) -> str:
    """The name of the field for the cash in the drawer."""
    return f"counted-{currency}"


def sheet(request: Request, books: Books, *, runs: bool) -> views.Sheet:
    """``runs``: the day is not over yet."""
    lot, book, day = books.lot, books.book, books.day.isoformat()
    return views.Sheet(
        lot=lot.name,
        day=day_text(books.day),
        hours=_hours(books),
        figures=_figures(totals(book, lot.currency)),
        tills=_tills(book, lot.currency),
        hands=tuple(_row(one, one.key or say("Nobody is named")) for one in book.hands),
        checks=tuple(_check(one) for one in book.checks)
        or (views.CheckRow(say("Agrees with the ledger."), True),),
        pending=tuple(payment_row(request, one, 0) for one in book.pending),
        returning=tuple(_returning(refund, payment) for refund, payment in book.returning),
        drawers=tuple(_closed_drawers(books) if books.closed else _drawers(books)),
        csv_url=views.filled(f"{views.CLOSING}.csv", lot=lot.code, day=day),
        payments_url=views.filled(views.PAYMENTS, lot=lot.code, day=day),
        seen=book.seen,
        closed=_closed(books),
        since=tuple(_since(one) for one in closing.posted_since(books.closed, book)) if books.closed else (),
        pending_said=_cut_short(book),
        runs=runs,
    )


def _cut_short(book: DayBook) -> str:
    is_cut = MOST_NAMED in (len(book.pending), len(book.returning))
    return say("The oldest {count} of a kind are shown.", count=MOST_NAMED) if is_cut else ""


def with_typed(
    view: views.ClosingPage, sent: Mapping[str, str], errors: Mapping[str, str]
) -> views.ClosingPage:
    """The page with what was typed into the drawer's fields, and what is wrong with it."""
    if view.sheet is None or view.sheet.closed:
        return view
    drawers = tuple(
        replace(one, typed=sent.get(one.field, "")[:40], error=errors.get(one.field, ""))
        for one in view.sheet.drawers
    )
    return replace(view, sheet=replace(view.sheet, drawers=drawers))


def totals(book: DayBook, currency: str) -> tuple[Sum, ...]:
    """All tills together, by currency; of the lot's own where there is nothing else."""
    sums: dict[str, Sum] = {}
    for one in book.tills or (Sum("", currency),):
        was = sums.get(one.currency, Sum("", one.currency))
        sums[one.currency] = Sum(
            "",
            one.currency,
            was.count + one.count,
            was.amount_minor + one.amount_minor,
            was.refunds + one.refunds,
            was.refunded_minor + one.refunded_minor,
        )
    return tuple(sums.values())


def _hours(books: Books) -> str:
    begin, end = day_span(books.day, books.lot.time_zone)
    city = words.place(books.lot.time_zone)
    if end - begin == _DAY:
        return say("by the clock in {city}", city=city)
    hours = (end - begin) // timedelta(hours=1)
    return say("by the clock in {city}, a day of {hours} hours", city=city, hours=hours)


def _figures(sums: Iterable[Sum]) -> tuple[views.Figure, ...]:
    found = []
    for one in sums:
        found += [
            views.Figure(say("Net"), _money(one.net_minor, one.currency)),
            views.Figure(say("Taken"), _money(one.amount_minor, one.currency)),
            views.Figure(say("Given back"), _money(one.refunded_minor, one.currency)),
            views.Figure(say("Payments"), f"{one.count:,}"),
        ]
    return tuple(found)


def _tills(book: DayBook, currency: str) -> tuple[views.SumRow, ...]:
    rows = []
    for total in totals(book, currency):
        its = [one for one in book.tills if one.currency == total.currency]
        rows += [_row(one, wording.till_words(one.key)) for one in its]
        rows.append(replace(_row(total, say("Total, {currency}", currency=total.currency)), is_total=True))
    return tuple(rows)


def _row(one: Sum, name: str) -> views.SumRow:
    return views.SumRow(
        name=name,
        taken=_money(one.amount_minor, one.currency),
        count=_counted(one.count, "payment"),
        back=_money(one.refunded_minor, one.currency),
        refunds=_counted(one.refunds, "refund"),
        net=_money(one.net_minor, one.currency),
    )


def _check(one: Check) -> views.CheckRow:
    if one.agrees:
        return views.CheckRow(f"{one.currency}: agrees with the ledger.", True)
    here, there = _money(one.books_minor, one.currency), _money(one.ledger_minor, one.currency)
    said = say(
        "{currency}: does not agree with the ledger. The ledger has {there}, "
        "the payments and refunds come to {here}.",
        currency=one.currency,
        there=there,
        here=here,
    )
    odd = tuple(views.Fact(say("Movement"), movement, views.payment_url(movement)) for movement in one.odd)
    return views.CheckRow(said, False, odd)


def _returning(refund: Refund, payment: Payment) -> views.Fact:
    place = wording.place_of(payment)
    stands = wording.refund_words(refund.state, payment.provider)
    said = f"{_money(refund.amount_minor, refund.currency)} {stands}"
    return views.Fact(say("Slot {slot}", slot=place.slot), said, views.payment_url(payment.id))


def _drawers(books: Books) -> Iterable[views.Drawer]:
    for one in closing.to_count(books.book, books.lot.currency):
        expected = _money(one.net_minor, one.currency)
        yield views.Drawer(
            counted_field(one.currency), say("Counted in {currency}", currency=one.currency), expected
        )


def _closed_drawers(books: Books) -> Iterable[views.Drawer]:
    for one in books.closed:
        if one.provider != CASH or one.counted_minor is None:
            continue
        expected_minor = one.amount_minor - one.refunded_minor
        off_minor = one.counted_minor - expected_minor
        yield views.Drawer(
            counted_field(one.currency),
            say("Counted in {currency}", currency=one.currency),
            _money(expected_minor, one.currency),
            counted=_money(one.counted_minor, one.currency),
            difference=_difference(off_minor, one.currency),
            is_off=off_minor != 0,
        )


def _difference(off_minor: int, currency: str) -> str:
    if not off_minor:
        return say_in("a difference", "none")
    amount = _money(abs(off_minor), currency)
    return (
        say("{amount} too much", amount=amount)
        if off_minor > 0
        else say("{amount} too little", amount=amount)
    )


def _closed(books: Books) -> str:
    if not books.closed:
        return ""
    first = books.closed[0]
    when = wording.moment(first.at, books.lot.time_zone)
    return say("Closed by {name}, {when}.", name=first.by, when=when)


def _since(one: Sum) -> str:
    parts = []
    if one.amount_minor:
        parts.append(say("{amount} taken", amount=_money(one.amount_minor, one.currency)))
    if one.refunded_minor:
        parts.append(say("{amount} given back", amount=_money(one.refunded_minor, one.currency)))
    return f"{wording.till_words(one.key)}: {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    """Empty where there is none: the amount says so."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else ""


def _money(minor: int, currency: str) -> str:
    return Money(minor, currency).text()
