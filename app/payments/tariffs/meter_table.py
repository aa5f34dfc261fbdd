"""What became of each text that San Diego's parking meters are set up with, as a page of the documentation.

``python -m app.payments.tariffs.meter_table NAMES.csv`` writes the page to its standard output. The file has
a row for each text, with the number of meters that have it; lines that begin with # are remarks.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.payments.tariffs.charging import length_text
from app.payments.tariffs.lines import WEEK, Line, LongestStay, NoParking, PerIncrement, Window
from app.payments.tariffs.meter_strings import KNOWN_NOTES, Refused, read_meter_string
from app.payments.tariffs.wall_clock import clock_text

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PAGE = """# Tariffs of real parking meters

Each of San Diego's parking meters is set up with a short text that says what it charges, such as
`2 Hour Max $1.25 HR 8am-6pm Mon-Sat`. `app/payments/tariffs/meter_strings.py` makes rate lines out of such a
text, or refuses it and says why. Nothing is guessed.

Source: City of San Diego, parking meters ([data.sandiego.gov](https://data.sandiego.gov/)). Licence:
[ODC-PDDL](https://opendatacommons.org/licenses/pddl/), public domain.

How a text is read:

- `2 Hour Max`: nobody may stand there longer than that, within one stretch of the hours on one day.
- `$1.25 HR`: an hour costs that. It is charged by the minute, since who pays at a meter for a part of an hour
  gets just that part.
- `8am-6pm Mon-Sat`: the hours in which it is charged, and in which the longest stay holds. All other time is
  free. Where no days are named the hours are those of every day.
- `8:30am-6pm Mon-Fri/Sat 8am-6pm`: several stretches of hours. A slash parts them, so that behind it days may
  stand first.
- `No Parking 5pm-2am`: nobody may stand there in these hours, on every day, until 2am of the next one.
- `3 Min Passenger Loading`, behind hours without parking: in these one may stand for so long, and pays
  nothing. Without such hours it is not clear when it is meant.
- `MSPM` (a pay machine for several spaces) and the notes
  {notes}
  say where or how one pays, and change nothing. A note that is not known is refused.
- Capitals, repeated spaces and a full stop at the end change nothing.

{compiled} of {texts} texts are read, those of {compiled_meters} of {meters} meters. Some texts differ in
nothing but the number of their spaces, which not every browser shows.

| text | meters | what became of it |
|---|---|---|
{rows}
"""


def page(names: Sequence[tuple[str, int]]) -> str:
    """The page about these texts and numbers of meters, in the order in which they are given."""
    read = [(text, meters) for text, meters in names if _is_read(text)]
    return _PAGE.format(
        notes=", ".join(f"`({note.title()})`" for note in sorted(KNOWN_NOTES)),
        compiled=len(read),
        texts=len(names),
        compiled_meters=sum(meters for _, meters in read),
        meters=sum(meters for _, meters in names),
        rows="\n".join(
            f"| `{_in_cell(text)}` | {meters} | {_in_cell(_told(text))} |" for text, meters in names
        ),
    )


def names_from(lines: Iterable[str]) -> list[tuple[str, int]]:
    """The texts of a file and on how many meters each is, the most frequent first."""
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    names = [(row["config_name"], int(row["meters"])) for row in rows]
    return sorted(names, key=lambda name: (-name[1], name[0]))


def _is_read(text: str) -> bool:
    try:
        read_meter_string(text)
    except Refused:
        return False
    return True


def _told(text: str) -> str:
    try:
        lines = read_meter_string(text)
    except Refused as why:
        return f"refused: {why}"
    return "; ".join(words for line in lines if (words := _words(line)))


def _words(line: Line) -> str:
    """A line as it stands in the table; free time stands in none of its rows."""
    if isinstance(line, PerIncrement):
        return f"${line.price_minor // 100}.{line.price_minor % 100:02} an hour, {_hours(line.windows)}"
    if isinstance(line, LongestStay):
        return f"at most {length_text(line.lasts_s)}"
    if isinstance(line, NoParking):
        loading = f", but {length_text(line.loading_s)} to load" if line.loading_s else ""
        return f"no parking {_hours(line.windows)}{loading}"
    return ""


def _hours(windows: Sequence[Window]) -> str:
    return " and ".join(
        f"{_days(one.days)} {clock_text(one.from_s)} to {clock_text(one.to_s)}" for one in windows
    )


def _days(days: frozenset[int]) -> str:
    if days == WEEK:
        return "every day"
    first, last = min(days), max(days)
    if len(days) == 1:
        return _DAYS[first]
    if len(days) == last - first + 1:
        return f"{_DAYS[first]} to {_DAYS[last]}"
    return ", ".join(_DAYS[day] for day in sorted(days))


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
        sys.stdout.write(page(names_from(file)))
