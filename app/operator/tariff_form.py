"""A tariff's form: its fields as text, and the rate lines that they stand for.

Most lines of most tariffs have fields of their own: a row for each price, a field for each limit. Every other
line is a JSON object in one more field. What was typed is kept as it was typed, whatever is wrong with it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.forms import fit_text
from app.operator.spelling import always, amount_text, days_text, share_text
from app.payments.tariffs.charging import length_text
from app.payments.tariffs.documents import written
from app.payments.tariffs.lines import (
    DAY_S,
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    NoShow,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
)
from app.payments.tariffs.wall_clock import clock_text

PREMIUM_NAME = "Premium"
LIMITS = (
    "grace",
    "free_time",
    "day_most",
    "period_most",
    "minimum",
    "premium",
    "longest_stay",
    "overstay",
    "overstay_minutes",
    "no_show",
)
SLOTS: dict[bool | None, str] = {None: "all", False: "standard", True: "premium"}
STARTED, BY_THE_MINUTE, FLAT, FREE = "started", "minute", "flat", "free"
MINUTE_S, HOUR_S = 60, 3600
MOST_BANDS = 100
MOST_CODES = 100
_CODE = re.compile(r"code-(\d{1,4})-(code|gives)")
_BAND = re.compile(r"band-(\d{1,4})-(name|slots|days|from|to|price|how|minutes)")


@dataclass(frozen=True)
class Band:
    """A row of the form as it was typed. ``key`` tells it from the others, whichever are added or removed."""

    key: int
    name: str = ""
    slots: str = "all"
    days: str = ""
    from_: str = ""
    to: str = ""
    price: str = ""
    how: str = STARTED
    minutes: str = ""

    @property
    def is_empty(self) -> bool:
        return not any((self.name, self.days, self.from_, self.to, self.price, self.minutes))


@dataclass(frozen=True)
class Code:
    """A code of an offer as it was typed: ``gives`` is a share, an amount or a time."""

    key: int
    code: str = ""
    gives: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.code and not self.gives


@dataclass(frozen=True)
class Typed:
    """Everything that stands in the form.

    ``order`` says where each line stood in the tariff that the form was made from, so that it stays there.
    """

    bands: tuple[Band, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    other: str = ""
    order: str = ""
    start_day: str = ""
    start_time: str = ""
    codes: tuple[Code, ...] = ()

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> "Typed":
        """What a form sent."""
        rows: dict[int, dict[str, str]] = {}
        codes: dict[int, dict[str, str]] = {}
        for name, text in sent.items():
            if found := _BAND.fullmatch(name):
                part = "from_" if found[2] == "from" else found[2]
                rows.setdefault(int(found[1]), {})[part] = text.strip()
            elif found := _CODE.fullmatch(name):
                codes.setdefault(int(found[1]), {})[found[2]] = text.strip()
        return cls(
            bands=tuple(Band(key, **rows[key]) for key in sorted(rows)[:MOST_BANDS]),
            limits={name: sent.get(name, "").strip() for name in LIMITS},
            other=sent.get("other", "").replace("\r\n", "\n"),
            order=sent.get("order", ""),
            start_day=sent.get("start_day", "").strip(),
            start_time=sent.get("start_time", "").strip(),
            codes=tuple(Code(key, **codes[key]) for key in sorted(codes)[:MOST_CODES]),
        )

    @classmethod
    def of(cls, lines: Sequence[Line], currency: str) -> "Typed":
        """The form of these lines."""
        bands: list[Band] = []
        limits: dict[str, str] = dict.fromkeys(LIMITS, "")
        others: list[str] = []
        codes: list[Code] = []
        order = []
        for line in lines:
            limit = _limit(line, currency)
            if limit and not any(limits[name] for name in limit):
                limits |= limit
                order.append(next(iter(limit)))
            elif band := _band(line, currency, len(bands)):
                order.append(band_token(band.key))
                bands.append(band)
            elif code := _code(line, currency, len(codes)):
                order.append(code_token(code.key))
                codes.append(code)
            else:
                order.append(other_token(len(others)))
                others.append(_json(line))
        return cls(tuple(bands), limits, "\n".join(others), " ".join(order), codes=tuple(codes))

    def with_another_band(self) -> "Typed":
        """With one row more, which is empty."""
        key = max((band.key for band in self.bands), default=-1) + 1
        if len(self.bands) >= MOST_BANDS or key > 9999:
            return self
        return replace(self, bands=(*self.bands, Band(key)))

    def without_band(self, key: int) -> "Typed":
        return replace(self, bands=tuple(band for band in self.bands if band.key != key))

    def with_another_code(self) -> "Typed":
        """With one code more, which is empty."""
        key = max((code.key for code in self.codes), default=-1) + 1
        if len(self.codes) >= MOST_CODES or key > 9999:
            return self
        return replace(self, codes=(*self.codes, Code(key)))

    def without_code(self, key: int) -> "Typed":
        return replace(self, codes=tuple(code for code in self.codes if code.key != key))


def band_token(key: int) -> str:
    """By what ``Typed.order`` names a row."""
    return f"b{key}"


def code_token(key: int) -> str:
    """By what ``Typed.order`` names a code."""
    return f"c{key}"


def other_token(number: int) -> str:
    """By what ``Typed.order`` names one of the other lines, counted from 0."""
    return f"o{number}"


def _limit(line: Line, currency: str) -> dict[str, str] | None:
    """The fields of a line that says nothing but what these fields say."""
    match line:
        case Grace(lasts_s=s) if line == Grace(lasts_s=s) and _is_minutes(s):
            return {"grace": length_text(s)}
        case FreeTime(lasts_s=s) if line == FreeTime(lasts_s=s) and _is_minutes(s):
            return {"free_time": length_text(s)}
        case LongestStay(lasts_s=s) if line == LongestStay(lasts_s=s) and _is_minutes(s):
            return {"longest_stay": length_text(s)}
        case Maximum(amount_minor=minor) if line == Maximum(amount_minor=minor, per="day"):
            return {"day_most": amount_text(minor, currency)}
        case Maximum(amount_minor=minor) if line == day_from_the_start(minor):
            return {"period_most": amount_text(minor, currency)}
        case Minimum(amount_minor=minor) if line == Minimum(amount_minor=minor):
            return {"minimum": amount_text(minor, currency)}
        case NoShow(amount_minor=minor) if line == NoShow(amount_minor=minor):
            return {"no_show": amount_text(minor, currency)}
        case Surcharge(percent_bp=share) if share and line == premium_surcharge(share):
            return {"premium": share_text(share)}
        case Overstay(price_minor=minor, increment_s=s) if line == Overstay(
            price_minor=minor, increment_s=s
        ) and _is_minutes(s):
            return {"overstay": amount_text(minor, currency), "overstay_minutes": length_text(s)}
    return None


def premium_surcharge(share: int) -> Surcharge:
    """What premium slots cost besides, in hundredths of a percent."""
    return Surcharge(PREMIUM_NAME, premium=True, percent_bp=share)


def day_from_the_start(minor: int) -> Maximum:
    """The most that each 24 hours from the start may cost."""
    return Maximum(amount_minor=minor, per="period", period_s=DAY_S)


def _band(line: Line, currency: str, key: int) -> Band | None:
    """The row of a line that says nothing but what a row says."""
    price = _price(line, currency)
    if price is None or line.sizes or len(line.windows) > 1 or not _is_plain(line.name):
        return None
    days, from_s, to_s = always(), 0, DAY_S
    for window in line.windows:
        days, from_s, to_s = days_text(window.days), window.from_s, window.to_s
    if not _is_minutes(from_s) or not _is_minutes(to_s):
        return None
    how, amount, minutes = price
    return Band(
        key,
        line.name,
        SLOTS[line.premium],
        days,
        clock_text(from_s),
        clock_text(to_s),
        amount,
        how,
        minutes,
    )


def _code(line: Line, currency: str, key: int) -> Code | None:
    """The row of an offer that gives one thing, whatever the slot and the time."""
    if not isinstance(line, Offer) or line != Offer(
        code=line.code, percent_bp=line.percent_bp, amount_minor=line.amount_minor, free_s=line.free_s
    ):
        return None
    gives = []
    if line.percent_bp:
        gives.append(share_text(line.percent_bp).removeprefix("+ "))
    if line.amount_minor:
        gives.append(amount_text(line.amount_minor, currency))
    if line.free_s and _is_minutes(line.free_s):
        gives.append(length_text(line.free_s))
    return Code(key, line.code, gives[0]) if len(gives) == 1 and line.code.isprintable() else None


def _price(line: Line, currency: str) -> tuple[str, str, str] | None:
    """How it is priced, the amount, and the increment."""
    match line:
        case PerIncrement(increment_s=s, per_s=per_s) if s == per_s and _is_minutes(s):
            return STARTED, amount_text(line.price_minor, currency), length_text(s)
        case PerIncrement(increment_s=60, per_s=3600):
            return BY_THE_MINUTE, amount_text(line.price_minor, currency), ""
        case FlatRate():
            return FLAT, amount_text(line.price_minor, currency), ""
        case Free():
            return FREE, "", ""
    return None


def _is_minutes(seconds: int) -> bool:
    return seconds % MINUTE_S == 0


def _is_plain(name: str) -> bool:
    """Whether a field brings the name back as it is."""
    return name == name.strip() and name.isprintable()


def _json(line: Line) -> str:
    (document,) = written([line])
    return as_json(document)


def as_json(document: Any) -> str:
    """One line of text that a page can show and a form can send."""
    text = json.dumps(document, ensure_ascii=False)
    try:
        return fit_text(text)
    except ValueError:
        return json.dumps(document)
