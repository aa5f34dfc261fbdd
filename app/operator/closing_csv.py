"""A day's books for a spreadsheet: one row for each till, each person, and each check."""

import csv
import io

from app.core.money import Money
from app.operator.closing_sheet import Books, totals
from app.payments.daybook import CASH, Sum

_HEAD = (
    "lot", "day", "time_zone", "kind", "name", "currency", "payments", "taken", "refunds", "given_back",
    "net", "counted", "difference",
)  # fmt: skip
# With these a spreadsheet begins a formula, whoever has typed them as a name.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(books: Books) -> str:
    """Amounts are plain decimals in major units. ``kind``: ``till``, ``total``, ``cash_of``, ``ledger``,
    ``pending`` or ``drawer``, whose ``net`` is what should be there, and which only a closed day has."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_HEAD)
    here = (as_text(books.lot.code), books.day.isoformat(), as_text(books.lot.time_zone))
    parts = (
        ("till", books.book.tills),
        ("total", totals(books.book, books.lot.currency)),
        ("cash_of", books.book.hands),
    )
    for kind, sums in parts:
        for one in sums:
            writer.writerow((*here, kind, *_row(one), "", ""))
    for check in books.book.checks:
        verdict = "agrees" if check.agrees else "differs"
        in_ledger = Money(check.ledger_minor, check.currency).major
        writer.writerow((*here, "ledger", verdict, check.currency, "", "", "", "", in_ledger, "", ""))
    for payment in books.book.pending:
        amount = Money(payment.amount_minor, payment.currency).major
        writer.writerow((*here, "pending", payment.id, payment.currency, 1, amount, "", "", "", "", ""))
    for closed in books.closed:
        if closed.provider != CASH or closed.counted_minor is None:
            continue
        net_minor = closed.amount_minor - closed.refunded_minor
        amounts = (net_minor, closed.counted_minor, closed.counted_minor - net_minor)
        said = [Money(minor, closed.currency).major for minor in amounts]
        writer.writerow((*here, "drawer", as_text(closed.by), closed.currency, "", "", "", "", *said))
    return out.getvalue()


def _row(one: Sum) -> tuple[str | int, ...]:
    taken, back, net = (
        Money(minor, one.currency).major for minor in (one.amount_minor, one.refunded_minor, one.net_minor)
    )
    return (as_text(one.key), one.currency, one.count, taken, one.refunds, back, net)


def as_text(cell: str) -> str:
    """The cell as text, whatever it begins with: no spreadsheet reckons with it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
