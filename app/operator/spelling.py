"""How amounts, lengths, shares, days and hours are written in a form's fields, and read from them.

What a writer writes its reader reads as the same again. Readers raise ValueError with a sentence.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from babel.numbers import get_currency_symbol

from app.core.money import Money, exponent
from app.payments.tariffs.charging import length_text
from app.payments.tariffs.lines import DAY_S, LARGEST_MINOR, WEEK

DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ALWAYS = "always"
EVERY_DAY = "every day"
# What a list of suggestions offers; any other days may be typed.
USUAL_DAYS = ("Mon to Fri", "Sat, Sun", "Mon to Sat", "Sat", "Sun", EVERY_DAY, ALWAYS)
_LENGTH = re.compile(r"(?:(\d{1,5}) *d)? *(?:(\d{1,6}) *h)? *(?:(\d{1,7}) *(?:min|m)?)?")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d+)?")


def symbol(currency: str) -> str:
    """``€``; the code, where a currency has no sign."""
    return str(get_currency_symbol(currency, locale="en"))


def amount_text(minor: int, currency: str) -> str:
    """``€0.70``, ``KWD 0.500``, ``¥100``: without marks between thousands."""
    sign = symbol(currency)
    return f"{sign}{' ' if sign[-1:].isalpha() else ''}{Money(minor, currency).major}"


def read_amount(text: str, currency: str) -> int:
    """Minor units."""
    plain = text.strip()
    for sign in (symbol(currency), currency):
        plain = plain.removeprefix(sign).removesuffix(sign).strip()
    if "." not in plain:
        plain = plain.replace(",", ".", 1)
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        raise ValueError(f"Give an amount, such as {amount_text(10 ** exponent(currency), currency)}.")
    digits = exponent(currency)
    minor = Decimal(plain).scaleb(digits)
    if minor != int(minor):
        has = f"no more than {digits} digits" if digits else "no digits"
        raise ValueError(f"{currency} has {has} after the point.")
    if minor > LARGEST_MINOR:
        raise ValueError(f"At most {amount_text(LARGEST_MINOR, currency)}.")
    return int(minor)


def read_length(text: str, longest_s: int = 366 * DAY_S) -> int:
    """Seconds of ``15``, ``15 min``, ``2 h``, ``1 h 30``."""
    plain = text.strip().lower()
    found = _LENGTH.fullmatch(plain) if plain.isascii() else None
    if not plain or found is None:
        raise ValueError("Give minutes, such as 15 min, or 2 h.")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    seconds = (days * 24 + hours) * 3600 + minutes * 60
    if seconds < 60:
        raise ValueError("At least 1 min.")
    if seconds > longest_s:
        raise ValueError(f"At most {length_text(longest_s)}.")
    return seconds


def share_text(basis_points: int) -> str:
    """``+ 50 %``."""
    return f"+ {(Decimal(basis_points) / 100).normalize():f} %"


def read_share(text: str) -> int:
    """Hundredths of a percent."""
    plain = text.strip().removeprefix("+").removesuffix("%").strip().replace(",", ".", 1)
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        raise ValueError("Give a share, such as 50 %.")
    points = Decimal(plain) * 100
    if points != int(points):
        raise ValueError("No more than 2 digits after the point.")
    if not 0 < points <= 100_000:
        raise ValueError("More than 0 %, at most 1000 %.")
    return int(points)


def days_text(days: Iterable[int]) -> str:
    """``Mon to Fri``, ``Sat, Sun``, ``every day``."""
    chosen = sorted(days)
    if len(chosen) == 7:
        return EVERY_DAY
    runs: list[list[int]] = []
    for day in chosen:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        names = [DAY_NAMES[day] for day in run]
        parts += [f"{names[0]} to {names[-1]}"] if len(run) > 2 else names
    return ", ".join(parts)


def read_days(text: str) -> frozenset[int] | None:
    """The weekdays, 0 is Monday; ``None`` for ``always``, which is no stretch of days at all."""
    plain = text.strip().lower()
    if plain == ALWAYS:
        return None
    if plain in (EVERY_DAY, "daily", "all"):
        return WEEK
    days: set[int] = set()
    for part in plain.split(","):
        ends = [_day(word) for word in re.split(r"\s+to\s+|\s*[-–]\s*", part.strip())]
        if len(ends) == 1:
            days.add(ends[0])
        elif len(ends) == 2:
            days.update((ends[0] + step) % 7 for step in range((ends[1] - ends[0]) % 7 + 1))
        else:
            raise ValueError(_WHICH_DAYS)
    return frozenset(days)


_WHICH_DAYS = "Say which days: Mon to Fri, or Sat, Sun, or every day."


def _day(word: str) -> int:
    if len(word) >= 2:
        for number, name in enumerate(
            ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        ):
            if name.startswith(word.rstrip(".")):
                return number
    raise ValueError(_WHICH_DAYS)


def read_clock(text: str) -> int:
    """Seconds after midnight of ``07:00``, up to ``24:00``."""
    plain = text.strip()
    found = _CLOCK.fullmatch(plain) if plain.isascii() else None
    seconds = int(found[1]) * 3600 + int(found[2] or 0) * 60 if found else -1
    if found is None or int(found[2] or 0) > 59 or seconds > DAY_S:
        raise ValueError("Give a time, such as 07:00.")
    return seconds
