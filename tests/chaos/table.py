"""The figures as the table that ``docs/reliability.md`` holds."""

from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import Book
from tests.chaos.form import Form
from tests.chaos.forms import FORMS
from tests.chaos.site import Kind

BEGIN, END = "<!-- figures: bin/chaos --write -->", "<!-- end of figures -->"


def lines(book: Book, forms: Sequence[Form] = FORMS) -> list[str]:
    """A row for each test: what is done, what is promised, what was found on each database."""
    rows = ["| test, by `bin/chaos --only …` | goal | on SQLite | on PostgreSQL |", "|---|---|---|---|"]
    for title in dict.fromkeys(form.title for form in forms):
        by_kind = {form.kind: form for form in forms if form.title == title}
        one = next(iter(by_kind.values()))
        told = [_told(book, by_kind[kind]) if kind in by_kind else "" for kind in Kind]
        rows.append(" | ".join([f"| `{one.name}`: {title}", one.promise, *told]) + " |")
    return rows


def _told(book: Book, form: Form) -> str:
    figures = book[form.key]
    if not figures.runs:
        return "not run yet"
    found = f"{figures.violations} {form.violations}"
    return f"{form.words(figures)}: {f'**{found}**' if figures.violations else found}"


def write(book: Book, page: Path) -> None:
    """Puts the table between the two marks of ``page``."""
    text = page.read_text()
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert mark and end, f"{page} has no place for the table"
    page.write_text("\n".join([before + mark, "", *lines(book), "", end + after]))
