"""Rate lines in words, for who reads a tariff and not its form."""

from collections.abc import Sequence

from app.core.languages import say, say_in
from app.core.money import Money
from app.operator.spelling import amount_text, days_text, share_text
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
    Offer,
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
    times = _and([window_text(window) for window in line.windows])
    where = [line.name, times, _kind(line.premium), _and(list(line.sizes))]
    about = ", ".join(dict.fromkeys(filter(None, where)))
    return f"{about}: {price_text(line, currency)}" if about else price_text(line, currency)


def _and(parts: list[str]) -> str:
    text = parts[0] if parts else ""
    for part in parts[1:]:
        text = say("{one} and {other}", one=text, other=part)
    return text


def _kind(premium: bool | None) -> str:
    return {True: say_in("of a slot", "premium"), False: say("standard"), None: ""}[premium]


def window_text(window: Window) -> str:
    hours = say("{first} to {last}", first=clock_text(window.from_s), last=clock_text(window.to_s))
    return f"{days_text(window.days)} {hours}"


def price_text(line: Line, currency: str) -> str:
    """What the line says, without when and for whom."""

    def money(minor: int) -> str:
        return Money(minor, currency).text()

    match line:
        case PerIncrement() if line.per_s == line.increment_s:
            price, each = money(line.price_minor), length_text(line.increment_s)
            return say("{price} per started {each}", price=price, each=each)
        case PerIncrement():
            price, step = money(line.price_minor), length_text(line.increment_s)
            return say(
                "{price} per {each}, by started {step}", price=price, each=length_text(line.per_s), step=step
            )
        case Tiers():
            return say("tiers from {price}", price=money(line.tiers[0].price_minor))
        case FlatRate():
            return say("{price} flat", price=money(line.price_minor))
        case Free():
            return say_in("of a price", "free")
        case Overstay():
            price, each = money(line.price_minor), length_text(line.increment_s)
            return say("overstay {price} per started {each}", price=price, each=each)
        case Holding():
            price, each = money(line.price_minor), length_text(line.increment_s)
            return say("holding {price} per started {each}", price=price, each=each)
        case FreeTime():
            return say("first {length} free", length=length_text(line.lasts_s))
        case Grace():
            return say("free when left within {length}", length=length_text(line.lasts_s))
        case EndGrace():
            return say("{length} over cost nothing", length=length_text(line.lasts_s))
        case LongestStay():
            return say("at most {length} long", length=length_text(line.lasts_s))
        case Maximum():
            per = length_text(line.period_s) if line.per == "period" else _per(line.per)
            return say("at most {price} per {each}", price=money(line.amount_minor), each=per)
        case Minimum():
            return say("at least {price}", price=money(line.amount_minor))
        case NoShow():
            return say("no-show {price}", price=money(line.amount_minor))
        case Surcharge(percent_bp=share) if share:
            return share_text(share)
        case Surcharge():
            return f"+ {money(line.amount_minor)}"
        case Offer():
            return say("code {code}: {worth}", code=line.code, worth=worth_text(line, currency))
        case _:
            return kind_of(line).replace("-", " ")


def worth_text(offer: Offer, currency: str) -> str:
    """What an offer gives, as its field says it: ``10 %``, ``€2.00``, ``30 min``."""
    parts = []
    if offer.percent_bp:
        parts.append(share_text(offer.percent_bp).removeprefix("+ "))
    if offer.amount_minor:
        parts.append(amount_text(offer.amount_minor, currency))
    if offer.free_s:
        parts.append(length_text(offer.free_s))
    return " + ".join(parts)


def _per(what: str) -> str:
    return {"day": say("day"), "window": say("window")}.get(what, what)


def summary(lines: Sequence[Line], currency: str) -> str:
    """A tariff in one line: its prices for time, then the most that a day may cost."""
    prices = [line for line in lines if isinstance(line, PerIncrement | Tiers | FlatRate | Free)]
    most = [line for line in lines if isinstance(line, Maximum) and line.per in ("day", "period")]
    told = [_short(line, currency) for line in prices[:4]]
    if len(prices) > 4:
        told.append(say("{count} more", count=len(prices) - 4))
    told += [price_text(line, currency) for line in most[:1]]
    return "; ".join(told) if told else say("No line says what time costs")


def _short(line: Line, currency: str) -> str:
    return f"{line.name or _kind(line.premium)} {price_text(line, currency)}".strip()


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
        f"{' '.join(filter(None, [size, _kind(premium)]))}: {days_text(days)} {hours}"
        for (size, premium), one in by_kind.items()
        for hours, days in one.items()
    )


def _by_hours(told: Sequence[str]) -> dict[str, set[int]]:
    """``Monday from 19:00 to 24:00`` by hours, with the days on which they are the same."""
    found: dict[str, set[int]] = {}
    for text in told:
        day, _, hours = text.partition(" from ")
        first, _, last = hours.partition(" to ")
        found.setdefault(say("{first} to {last}", first=first, last=last), set()).add(_DAYS[day])
    return found
