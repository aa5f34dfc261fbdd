"""Sample stays: what they would cost by a draft, line by line, and what they cost by the tariff in force."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from app.core import words
from app.core.languages import locale, say, say_in
from app.core.money import Money
from app.operator import views
from app.operator.spelling import day_names
from app.payments.fee_words import rule_words, unit_words
from app.payments.fees import FeeLine, NotCovered, Stay, fee
from app.payments.tariffs.lines import Tariff
from app.payments.tariffs.wall_clock import as_instant, instant_us

LONGEST = timedelta(days=31)
MOST_OWN = 8
_TUESDAY, _WEDNESDAY, _FRIDAY, _SUNDAY = 1, 2, 4, 6
_LOOKED_AHEAD_DAYS = 370
_ROUND = timedelta(minutes=30)


@dataclass(frozen=True)
class Sample:
    """A stay to be shown; ``note`` says what is out of the ordinary."""

    stay: Stay
    note: str = ""
    dated: bool = False
    number: int | None = None


def samples(time_zone: str, now: datetime) -> tuple[Sample, ...]:
    """Five stays after today: short and long, premium, over a weekend's midnight, over a change of clocks."""
    zone = words.zone(time_zone)
    today = now.astimezone(zone).date()
    tuesday, wednesday = _next(today, _TUESDAY), _next(today, _WEDNESDAY)
    friday, sunday = _next(today, _FRIDAY), _next(today, _SUNDAY)
    changing = clock_change(zone, now)
    return (
        Sample(_stay(zone, tuesday, "10:05", tuesday, "12:35")),
        Sample(_stay(zone, tuesday, "17:40", tuesday, "20:20", premium=True)),
        Sample(_stay(zone, friday, "07:00", friday + timedelta(days=1), "10:00")),
        changing or Sample(_stay(zone, sunday, "22:00", sunday + timedelta(days=1), "06:00")),
        Sample(_stay(zone, wednesday, "09:00", wednesday, "09:08")),
    )


def clock_change(zone: ZoneInfo, now: datetime) -> Sample | None:
    """A stay over the next change of the lot's clocks; ``None`` where none comes within a year."""
    after = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for day in range(_LOOKED_AHEAD_DAYS):
        before, ends = after + timedelta(days=day), after + timedelta(days=day + 1)
        jump = _offset(zone, ends) - _offset(zone, before)
        if not jump:
            continue
        while ends - before > timedelta(minutes=1):
            middle = before + (ends - before) // 2
            if _offset(zone, middle) == _offset(zone, before):
                before = middle
            else:
                ends = middle
        change = ends.replace(second=0, microsecond=0)
        # By the wall clock: from half an hour before both hours that it shows to half an hour after them.
        around = _ROUND + max(-jump, timedelta(0))
        is_back = jump < timedelta(0)
        stay = _of(change - around, change + around)
        note = say("clocks go back") if is_back else say("clocks go forward")
        return Sample(stay, note, dated=True)
    return None


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _next(today: date, weekday: int) -> date:
    """The next such day after today."""
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _stay(zone: ZoneInfo, first: date, start: str, last: date, end: str, *, premium: bool = False) -> Stay:
    return _of(_instant(zone, first, start), _instant(zone, last, end), premium=premium)


def _instant(zone: ZoneInfo, day: date, clock: str) -> datetime:
    hours, minutes = clock.split(":")
    return as_instant(instant_us(zone, day.toordinal(), int(hours) * 3600 + int(minutes) * 60))


def _of(start: datetime, end: datetime, *, premium: bool = False) -> Stay:
    return Stay(start, end, until=end, premium=premium)


def own_stay(from_: str, to: str, *, premium: bool, time_zone: str) -> Stay:
    """The stay that an operator asks for, by the lot's clock. ValueError says what is wrong with it."""
    try:
        first, last = datetime.fromisoformat(from_), datetime.fromisoformat(to)
        zone = words.zone(time_zone)
        start, end = (_instant(zone, one.date(), f"{one.hour}:{one.minute}") for one in (first, last))
        years = {one.year for one in (first, last)}
    except (ValueError, OverflowError):
        raise ValueError(say("Say from when to when.")) from None
    if not years <= set(range(2000, 2200)):
        raise ValueError(say("Say a year from {first} to {last}.", first=2000, last=2199))
    if end <= start:
        raise ValueError(say("It ends before it begins."))
    if end - start > LONGEST:
        raise ValueError(say("At most {days} days.", days=LONGEST.days))
    return _of(start, end, premium=premium)


def kept_stays(text: str, time_zone: str) -> list[tuple[str, str, bool]]:
    """The own stays that a form carries; what is none is left out."""
    try:
        rows = json.loads(text)
        found = [(str(from_), str(to), bool(premium)) for from_, to, premium in rows]
    except (ValueError, TypeError, RecursionError):
        return []
    kept = []
    for from_, to, premium in found[:MOST_OWN]:
        try:
            own_stay(from_, to, premium=premium, time_zone=time_zone)
        except ValueError:
            continue
        kept.append((from_, to, premium))
    return kept


def own_samples(kept: Sequence[tuple[str, str, bool]], time_zone: str) -> tuple[Sample, ...]:
    """The own stays to be shown, the newest first."""
    found = [
        Sample(own_stay(from_, to, premium=premium, time_zone=time_zone), dated=True, number=number)
        for number, (from_, to, premium) in enumerate(kept)
    ]
    return tuple(reversed(found))


def shown(sample: Sample, draft: Tariff, in_force: Tariff | None) -> views.SampleStay:
    """The stay by the draft, with what it costs now where that is something else."""
    stay, currency = sample.stay, draft.currency
    now = _now(stay, in_force)
    title, about = _title(sample, draft.time_zone), _about(sample)
    try:
        cost = fee(draft, stay)
    except NotCovered as why:
        said = "; ".join(why.reasons)
        return views.SampleStay(
            title, about, "", now, (), say("Not priced: {reasons}.", reasons=said), sample.number
        )
    lines = tuple(_line(line, currency) for line in cost.lines)
    amount = cost.money.text()
    is_same = now == say("now {amount}", amount=amount)
    return views.SampleStay(title, about, amount, "" if is_same else now, lines, number=sample.number)


def _now(stay: Stay, in_force: Tariff | None) -> str:
    if in_force is None:
        return ""
    try:
        return say("now {amount}", amount=fee(in_force, stay).money)
    except NotCovered:
        return say("now not priced")


def _title(sample: Sample, time_zone: str) -> str:
    zone = words.zone(time_zone)
    start, end = sample.stay.start.astimezone(zone), sample.stay.end.astimezone(zone)
    first = f"{_day(start, sample)} {start:%H:%M}"
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{_day(end, sample)} {end:%H:%M}"
    return say("{first} to {last}", first=first, last=last)


def _day(instant: datetime, sample: Sample) -> str:
    name = day_names()[instant.weekday()]
    return f"{name} {format_date(instant.date(), 'd MMM', locale())}" if sample.dated else name


def _about(sample: Sample) -> str:
    kind = say_in("of a slot", "premium") if sample.stay.premium else say("standard")
    lasts = _length(sample.stay.end - sample.stay.start)
    return f"{kind}, {lasts}: {sample.note}" if sample.note else f"{kind}, {lasts}"


def _length(lasts: timedelta) -> str:
    """``27 h``, ``2 h 40``, ``8 min``: days only where there are several."""
    if lasts >= timedelta(days=3):
        return words.span(lasts)
    hours, minutes = divmod(int(lasts.total_seconds()) // 60, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes:02}" if minutes else f"{hours} h"


def _line(line: FeeLine, currency: str) -> views.CostLine:
    """A line of a fee, with the price of one where the line is so many times that."""
    name, _, rule = line.rule.rpartition(", ")
    if rule == "surcharge":
        times = f"+ {line.unit}" if line.unit.endswith("%") else _times(line, currency)
        return views.CostLine(name or say("Surcharge"), times, _amount(line, currency))
    if rule in _rules(unit_words(line.unit)):
        if rule == "per started increment":
            said = name or say("Per started {unit}", unit=unit_words(line.unit))
            return views.CostLine(said, _times(line, currency), _amount(line, currency))
        said = _rules(unit_words(line.unit))[rule]
        return views.CostLine(f"{name}, {said}" if name else said, "", _amount(line, currency))
    said = rule_words(line.rule)
    times = (
        _times(line, currency) if line.quantity > 1 else unit_words(line.unit) if rule == "free time" else ""
    )
    return views.CostLine(said, times, _amount(line, currency))


def _rules(unit: str) -> dict[str, str]:
    """How the rules of a fee are called here."""
    return {
        "left in time": say("Free when you leave within {unit}", unit=unit),
        "per started increment": say("Per started {unit}", unit=unit),
        "at most per day": say("Day limit"),
        "at most per period": say("Limit for {unit}", unit=unit),
        "at most per window": say("Limit"),
    }


def _times(line: FeeLine, currency: str) -> str:
    """``10 × €0.70``; ``10 × 15 min`` where the price of one is no whole amount."""
    if line.quantity and line.amount_minor % line.quantity == 0:
        return f"{line.quantity} × {Money(line.amount_minor // line.quantity, currency).text()}"
    return f"{line.quantity} × {unit_words(line.unit)}"


def _amount(line: FeeLine, currency: str) -> str:
    """With a minus that stands apart, as a sum is written by hand."""
    text = Money(abs(line.amount_minor), currency).text()
    return f"− {text}" if line.amount_minor < 0 else text
