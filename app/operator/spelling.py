"""How amounts, lengths, shares, days and hours are written in a form's fields, and read from them.

What a writer writes its reader reads as the same again. Readers raise ValueError with a sentence.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Literal

from babel.dates import get_day_names
from babel.numbers import get_currency_symbol, get_decimal_symbol

from app.core.languages import LANGUAGES, language, locale, say, speaking
from app.core.money import Money, exponent
from app.payments.tariffs.charging import length_text
from app.payments.tariffs.lines import DAY_S, LARGEST_MINOR, WEEK

_LENGTH = re.compile(r"(?:(\d{1,5}) *d)? *(?:(\d{1,6}) *h)? *(?:(\d{1,7}) *(?:min|m)?)?")
LONGEST_WORDS = 200
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d+)?")


@cache
def _names(code: str, width: Literal["abbreviated", "wide"]) -> tuple[str, ...]:
    names = get_day_names(width, context="stand-alone", locale=code)
    return tuple(names[day].removesuffix(".") for day in range(7))


def day_names() -> tuple[str, ...]:
    """``Mon`` to ``Sun``, as the reader writes them."""
    return _names(language(), "abbreviated")


def always() -> str:
    """What stands for no stretch of days at all."""
    return say("always")


def every_day() -> str:
    return say("every day")


def usual_days() -> tuple[str, ...]:
    """What a list of suggestions offers; any other days may be typed."""
    runs = ({0, 1, 2, 3, 4}, {5, 6}, {0, 1, 2, 3, 4, 5}, {5}, {6})
    return (*map(days_text, runs), every_day(), always())


def symbol(currency: str) -> str:
    """``€``; the code, where a currency has no sign."""
    return str(get_currency_symbol(currency, locale="en"))


def amount_text(minor: int, currency: str) -> str:
    """``€0.70``, ``KWD 0.500``, ``¥100``, ``0,70 €``: without marks between thousands."""
    sign, plain = symbol(currency), Money(minor, currency).major
    point = get_decimal_symbol(locale())
    if point != ".":
        return f"{plain.replace('.', point)} {sign}"
    return f"{sign}{' ' if sign[-1:].isalpha() else ''}{plain}"


def read_amount(text: str, currency: str) -> int:
    """Minor units."""
    plain = text.strip()
    for sign in (symbol(currency), currency):
        plain = plain.removeprefix(sign).removesuffix(sign).strip()
    if "." not in plain:
        plain = plain.replace(",", ".", 1)
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        example = amount_text(10 ** exponent(currency), currency)
        raise ValueError(say("Give an amount, such as {example}.", example=example))
    digits = exponent(currency)
    minor = Decimal(plain).scaleb(digits)
    if minor != int(minor):
        if not digits:
            raise ValueError(say("{currency} has no digits after the point.", currency=currency))
        raise ValueError(
            say(
                "{currency} has no more than {digits} digits after the point.",
                currency=currency,
                digits=digits,
            )
        )
    if minor > LARGEST_MINOR:
        raise ValueError(say("At most {most}.", most=amount_text(LARGEST_MINOR, currency)))
    return int(minor)


def read_length(text: str, longest_s: int = 366 * DAY_S) -> int:
    """Seconds of ``15``, ``15 min``, ``2 h``, ``1 h 30``."""
    plain = _in_short(text)
    found = _LENGTH.fullmatch(plain) if plain.isascii() else None
    if not plain or found is None:
        raise ValueError(say("Give minutes, such as 15 min, or 2 h."))
    days, hours, minutes = (int(part or 0) for part in found.groups())
    seconds = (days * 24 + hours) * 3600 + minutes * 60
    if seconds < 60:
        raise ValueError(say("At least 1 min."))
    if seconds > longest_s:
        raise ValueError(say("At most {most}.", most=length_text(longest_s)))
    return seconds


def share_text(basis_points: int) -> str:
    """``+ 50 %``."""
    return f"+ {(Decimal(basis_points) / 100).normalize():f} %"


def read_share(text: str) -> int:
    """Hundredths of a percent."""
    plain = text.strip().removeprefix("+").removesuffix("%").strip().replace(",", ".", 1)
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        raise ValueError(say("Give a share, such as 50 %."))
    points = Decimal(plain) * 100
    if points != int(points):
        raise ValueError(say("No more than 2 digits after the point."))
    if not 0 < points <= 100_000:
        raise ValueError(say("More than 0 %, at most 1000 %."))
    return int(points)


def days_text(days: Iterable[int]) -> str:
    """``Mon to Fri``, ``Sat, Sun``, ``every day``."""
    chosen = sorted(days)
    if len(chosen) == 7:
        return every_day()
    runs: list[list[int]] = []
    for day in chosen:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        names = [day_names()[day] for day in run]
        parts += [say("{first} to {last}", first=names[0], last=names[-1])] if len(run) > 2 else names
    return ", ".join(parts)


def read_days(text: str) -> frozenset[int] | None:
    """The weekdays, 0 is Monday; ``None`` for ``always``, which is no stretch of days at all.

    What any of our languages writes is read, whichever the reader's is.
    """
    plain = _in_short(text)
    if plain in _in_all_languages("always"):
        return None
    if plain in ("daily", "all", "alle", *_in_all_languages("every day")):
        return WEEK
    days: set[int] = set()
    for part in plain.split(","):
        ends = [_day(word) for word in re.split(r"\s+(?:to|bis)\s+|\s*[-–]\s*", part.strip())]
        if len(ends) == 1:
            days.add(ends[0])
        elif len(ends) == 2:
            days.update((ends[0] + step) % 7 for step in range((ends[1] - ends[0]) % 7 + 1))
        else:
            raise ValueError(_which_days())
    return frozenset(days)


def _in_short(text: str) -> str:
    """In small letters, with single blanks; nothing of what is far too long to be meant.

    An expression that may match blanks in several ways takes the square of their number to find out.
    """
    return " ".join(text.lower().split()) if len(text) <= LONGEST_WORDS else ""


def _in_all_languages(word: str) -> set[str]:
    said = set()
    for code in LANGUAGES:
        with speaking(code):
            said.add(always() if word == "always" else every_day())
    return said


def _which_days() -> str:
    return say(
        "Say which days: {week}, or {weekend}, or {every_day}.",
        week=days_text(range(5)),
        weekend=days_text((5, 6)),
        every_day=every_day(),
    )


def _day(word: str) -> int:
    if len(word) >= 2:
        for code in LANGUAGES:
            for number, name in enumerate(_names(code, "wide")):
                if name.lower().startswith(word.rstrip(".")):
                    return number
    raise ValueError(_which_days())


def read_clock(text: str) -> int:
    """Seconds after midnight of ``07:00``, up to ``24:00``."""
    plain = text.strip()
    found = _CLOCK.fullmatch(plain) if plain.isascii() else None
    seconds = int(found[1]) * 3600 + int(found[2] or 0) * 60 if found else -1
    if found is None or int(found[2] or 0) > 59 or seconds > DAY_S:
        raise ValueError(say("Give a time, such as 07:00."))
    return seconds
