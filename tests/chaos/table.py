"""The figures as the table that ``docs/reliability.md`` holds."""

from collections.abc import Iterable
from pathlib import Path

from tests.chaos.figures import Book
from tests.chaos.forms import FORMS, Form

BEGIN, END = "<!-- figures: bin/chaos --write -->", "<!-- end of figures -->"


def lines(book: Book, forms: Iterable[Form] = FORMS) -> list[str]:
    """A row for each form: what is done, what is promised, what was found, and by which command."""
    rows = ["| test | goal | found so far | command |", "|---|---|---|---|"]
    for form in forms:
        figures = book[form.key]
        told = "not run yet"
        if figures.runs:
            told = f"**{figures.violations} violations** in " if figures.violations else "0 violations in "
            told += form.words(figures)
        rows.append(f"| {form.title} | {form.promise} | {told} | `bin/chaos --only {form.name}` |")
    return rows


def write(book: Book, page: Path) -> None:
    """Puts the table between the two marks of ``page``."""
    text = page.read_text()
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert mark and end, f"{page} has no place for the table"
    page.write_text("\n".join([before + mark, "", *lines(book), "", end + after]))
