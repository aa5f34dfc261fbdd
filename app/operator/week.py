"""The week as bands: which line says what time costs, hour by hour."""

from collections.abc import Mapping, Sequence

from app.core.languages import say
from app.operator import views
from app.operator.spelling import days_text
from app.operator.wording import price_text
from app.payments.tariffs.lines import DAY_S, FlatRate, Free, Line, NoParking, PerIncrement, Tariff, Tiers
from app.payments.tariffs.plan import Band, plan_of
from app.payments.tariffs.wall_clock import clock_text

TONES = 6
NO_TONE = "none"
_MARK_MIN = 180


def tones(tariff: Tariff, rows: Sequence[Line | None] = ()) -> dict[int, str]:
    """A tone for each line that prices time, by the line's ``id()``; after some they come again.

    ``rows`` are the form's, ``None`` for one that can't be read just now: the others keep their tones.
    """
    in_rows = {id(line) for line in rows if line is not None}
    found: dict[int, str] = {}
    number = 0
    for line in (*rows, *(line for line in tariff.lines if id(line) not in in_rows)):
        if isinstance(line, Free | NoParking):
            found[id(line)] = "free" if isinstance(line, Free) else "shut"
        elif line is None:
            number += 1
        elif isinstance(line, PerIncrement | Tiers | FlatRate):
            found[id(line)] = f"t{number % TONES}"
            number += 1
    return found


def weeks(tariff: Tariff, toned: Mapping[int, str]) -> tuple[views.Week, ...]:
    """One drawing where all slots are alike, else one for standard and one for premium slots."""
    standard, premium = _week(tariff, toned, premium=False), _week(tariff, toned, premium=True)
    if standard.days == premium.days:
        return (standard,)
    return (_named(standard, say("Standard slots")), _named(premium, say("Premium slots")))


def _named(week: views.Week, label: str) -> views.Week:
    return views.Week(label, week.days, week.rows, week.hours)


def _week(tariff: Tariff, toned: Mapping[int, str], *, premium: bool) -> views.Week:
    days = tuple(
        _merged([_stretch(band, tariff.currency, toned) for band in bands])
        for bands in plan_of(tariff, "car", premium).week
    )
    edges = {edge for day in days for part in day for edge in (part.from_min, part.to_min)}
    return views.Week("", days, _rows(days), _marks(edges))


def _stretch(band: Band, currency: str, toned: Mapping[int, str]) -> views.Stretch:
    held = band.price or band.flat
    line: Line | None = held.line if held else None
    said = (
        say("no price") if line is None else ", ".join(filter(None, [line.name, price_text(line, currency)]))
    )
    return views.Stretch(band.from_s // 60, band.to_s // 60, toned.get(id(line), NO_TONE), said)


def _merged(parts: list[views.Stretch]) -> tuple[views.Stretch, ...]:
    found: list[views.Stretch] = []
    for part in parts:
        if found and (found[-1].tone, found[-1].title) == (part.tone, part.title):
            part = views.Stretch(found.pop().from_min, part.to_min, part.tone, part.title)
        if part.from_min < part.to_min:
            found.append(part)
    return tuple(found)


def _rows(days: tuple[tuple[views.Stretch, ...], ...]) -> tuple[tuple[str, str], ...]:
    """The same in words: weekdays that are alike stand together."""
    alike: dict[tuple[views.Stretch, ...], list[int]] = {}
    for number, day in enumerate(days):
        alike.setdefault(day, []).append(number)
    return tuple(
        (
            days_text(numbers),
            "; ".join(
                say(
                    "{begin} to {end} {price}",
                    begin=clock_text(part.from_min * 60),
                    end=clock_text(part.to_min * 60),
                    price=part.title,
                )
                for part in day
            ),
        )
        for day, numbers in alike.items()
    )


def _marks(edges: set[int]) -> tuple[int, ...]:
    """Hours below the drawing: midnight, where bands change, and noon; none too near to the one before."""
    marks = [0]
    for edge in sorted(edges | {720}):
        if edge - marks[-1] >= _MARK_MIN and DAY_S // 60 - edge >= _MARK_MIN:
            marks.append(edge)
    return (*marks, DAY_S // 60)
