"""Rate lines in words, for who reads a tariff and not its form."""

from collections.abc import Sequence

from app.core.money import Money
from app.operator.spelling import days_text, share_text
from app.payments.tariffs.charging import length_text
from app.payments.tariffs.documents import gaps, kind_of, slots_told_apart
from app.payments.tariffs.lines import (
    EndGrace,
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Holding,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    NoShow,
    Overstay,
    PerIncrement,
    Surcharge,
    Tiers,
    Window,
)
from app.payments.tariffs.wall_clock import clock_text

_DAYS = {
    name: number
    for number, name in enumerate(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    )
}


def line_text(line: Line, currency: str) -> str:
    """``Weekday, Mon to Fri 07:00 to 19:00: €0.70 per started 15 min``."""
    whom = {True: "premium", False: "standard", None: ""}[line.premium]
    where = [line.name, " and ".join(map(window_text, line.windows)), whom, " and ".join(line.sizes)]
    about = ", ".join(dict.fromkeys(filter(None, where)))
    return f"{about}: {price_text(line, currency)}" if about else price_text(line, currency)


def window_text(window: Window) -> str:
    hours = f"{clock_text(window.from_s)} to {clock_text(window.to_s)}"
    return f"{days_text(window.days)} {hours}"


def price_text(line: Line, currency: str) -> str:
    """What the line says, without when and for whom."""

    def money(minor: int) -> str:
        return Money(minor, currency).text()

    match line:
        case PerIncrement():
            each = f"{money(line.price_minor)} per "
            if line.per_s == line.increment_s:
                return f"{each}started {length_text(line.increment_s)}"
            return f"{each}{length_text(line.per_s)}, by started {length_text(line.increment_s)}"
        case Tiers():
            return "tiers from " + money(line.tiers[0].price_minor)
        case FlatRate():
            return f"{money(line.price_minor)} flat"
        case Free():
            return "free"
        case Overstay() | Holding():
            each = f"{money(line.price_minor)} per started {length_text(line.increment_s)}"
            return f"{kind_of(line)} {each}"
        case FreeTime():
            return f"first {length_text(line.lasts_s)} free"
        case Grace():
            return f"free when left within {length_text(line.lasts_s)}"
        case EndGrace():
            return f"{length_text(line.lasts_s)} over cost nothing"
        case LongestStay():
            return f"at most {length_text(line.lasts_s)} long"
        case Maximum():
            per = length_text(line.period_s) if line.per == "period" else line.per
            return f"at most {money(line.amount_minor)} per {per}"
        case Minimum():
            return f"at least {money(line.amount_minor)}"
        case NoShow():
            return f"no-show {money(line.amount_minor)}"
        case Surcharge(percent_bp=share) if share:
            return share_text(share)
        case Surcharge():
            return f"+ {money(line.amount_minor)}"
        case _:
            return kind_of(line).replace("-", " ")


def summary(lines: Sequence[Line], currency: str) -> str:
    """A tariff in one line: its prices for time, then the most that a day may cost."""
    prices = [line for line in lines if isinstance(line, PerIncrement | Tiers | FlatRate | Free)]
    most = [line for line in lines if isinstance(line, Maximum) and line.per in ("day", "period")]
    told = [_short(line, currency) for line in prices[:4]]
    if len(prices) > 4:
        told.append(f"{len(prices) - 4} more")
    told += [price_text(line, currency) for line in most[:1]]
    return "; ".join(told) if told else "No line says what time costs"


def _short(line: Line, currency: str) -> str:
    name = line.name or {True: "premium", False: "standard", None: ""}[line.premium]
    return f"{name} {price_text(line, currency)}".strip()


def differences(old: Sequence[Line], new: Sequence[Line], currency: str) -> tuple[list[str], list[str]]:
    """The lines that only the old one has, and those that only the new one has."""
    gone = [line_text(line, currency) for line in old if line not in new]
    come = [line_text(line, currency) for line in new if line not in old]
    return gone, come


def gap_texts(lines: Sequence[Line]) -> tuple[str, ...]:
    """When no line says what time costs: ``Mon to Fri 19:00 to 24:00``; for whom, where that differs."""
    found: dict[str, set[int]] = {}
    kinds = slots_told_apart(lines)
    by_kind = {kind: _by_hours(gaps(lines, *kind)) for kind in kinds}
    if len({str(sorted(one.items(), key=str)) for one in by_kind.values()}) == 1:
        found = by_kind[kinds[0]]
        return tuple(f"{days_text(days)} {hours}" for hours, days in found.items())
    return tuple(
        f"{' '.join(filter(None, [size, 'premium' if premium else 'standard']))}: {days_text(days)} {hours}"
        for (size, premium), one in by_kind.items()
        for hours, days in one.items()
    )


def _by_hours(told: Sequence[str]) -> dict[str, set[int]]:
    """``Monday from 19:00 to 24:00`` by hours, with the days on which they are the same."""
    found: dict[str, set[int]] = {}
    for text in told:
        day, _, hours = text.partition(" from ")
        found.setdefault(hours, set()).add(_DAYS[day])
    return found
