"""Fee lines as a page shows them: they are kept in English, and told in the language of whoever reads them.

What a line was called by its tariff is a name, and stays as it is.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from babel.numbers import format_decimal

from app.core.languages import ENGLISH, language, locale, say, say_in, told
from app.core.words import Length

Told = Callable[..., str]
_LENGTH = re.compile(r"(\d+) (h|min|s)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) %")
_SECONDS = {"h": 3600, "min": 60, "s": 1}


def rule_words(rule: str) -> str:
    """A line's rule as a sentence begins: ``Weekday, per started increment``."""
    words = _rule(rule)
    return words[:1].upper() + words[1:]


def unit_words(unit: str) -> str:
    """What a line counts: ``30 min``, ``stay``, ``12.5 %``."""
    if language() == ENGLISH:
        return unit
    if unit in _UNITS:
        return _UNITS[unit]()
    if (share := _SHARE.fullmatch(unit)) is not None:
        return f"{format_decimal(Decimal(share[1]), locale=locale())} %"
    return length_words(unit)


def length_words(length: str) -> str:
    """A length as :func:`~app.payments.tariffs.charging.length_text` writes it."""
    found = _LENGTH.fullmatch(length)
    return length if found is None else str(Length(int(found[1]) * _SECONDS[found[2]]))


def reasons_words(reasons: Sequence[str]) -> str:
    """Why a stay has no price: ``The longest stay is 2 h.``"""
    words = "; ".join(told(one) for one in reasons)
    return f"{words[:1].upper()}{words[1:]}."


def _rule(rule: str) -> str:
    if language() == ENGLISH:
        return rule
    for pattern, tell in _RULES:
        found = pattern.fullmatch(rule)
        if found is not None:
            name, *values = found.groups()
            words = tell(*values)
            return f"{name}, {words}" if name else words
    return rule


def _known(pattern: str, tell: Told) -> tuple[re.Pattern[str], Told]:
    return re.compile(rf"(?:(.+), )?{pattern}"), tell


# The longer ones first: what is left before a rule is the name of its line.
_RULES = (
    _known("overstay, per started increment", lambda: say("overstay, per started increment")),
    _known(
        "held before the start, per started increment",
        lambda: say("held before the start, per started increment"),
    ),
    _known("per started increment", lambda: say("per started increment")),
    _known("per started increment, beyond", lambda: say("per started increment, beyond")),
    _known(
        r"per started increment, up to (\d+ \w+)",
        lambda length: say("per started increment, up to {length}", length=length_words(length)),
    ),
    _known("at most the flat rate", lambda: say("at most the flat rate")),
    _known("flat rate", lambda: say("flat rate")),
    _known("surcharge", lambda: say("surcharge")),
    _known("left in time", lambda: say("left in time")),
    _known("free time", lambda: say("free time")),
    _known("not arrived in time", lambda: say("not arrived in time")),
    _known("at most per window", lambda: say("at most per window")),
    _known("at most per day", lambda: say("at most per day")),
    _known("at most per period", lambda: say("at most per period")),
    _known("at least", lambda: say("at least")),
    _known("offer (.+)", lambda code: say("offer {code}", code=code)),
    _known("paid before", lambda: say("paid before")),
    _known("not charged: (.+)", lambda why: say("not charged: {why}", why=_why(why))),
)
_WHY = (
    (
        re.compile(r"the longest stay is (\d+ \w+)"),
        lambda length: say("the longest stay is {length}", length=length_words(length)),
    ),
    (
        re.compile("no rate line says what a part of this time costs"),
        lambda: say("no rate line says what a part of this time costs"),
    ),
    (
        re.compile(r"nobody may park there from (\S+) to (\S+)"),
        lambda begins, ends: say("nobody may park there from {begins} to {ends}", begins=begins, ends=ends),
    ),
    (re.compile("nobody may park there"), lambda: say("nobody may park there")),
)
_UNITS = {
    "stay": lambda: say_in("what a fee line counts", "stay"),
    "booking": lambda: say_in("what a fee line counts", "booking"),
    "payment": lambda: say_in("what a fee line counts", "payment"),
    "time": lambda: say_in("what a fee line counts", "time"),
    "day": lambda: say_in("what a fee line counts", "day"),
    "window": lambda: say_in("what a fee line counts", "window"),
}


def _why(why: str) -> str:
    for pattern, tell in _WHY:
        found = pattern.fullmatch(why)
        if found is not None:
            return tell(*found.groups())
    return why
