"""Rate lines out of the short texts that parking meters are set up with.

``2 Hour Max $1.25 HR 8am-6pm Mon-Sat (Mobile Pay)``. What is read, capitals and spaces aside::

    text  = ["MSPM"] stay price hours {"," rule}, "." and notes in parentheses behind each of these rules
    stay  = number ("Hour" | "Min") "Max"
    price = "$1.25" "HR"
    hours = part {["/"] part}
    part  = span [days] | days span
    span  = "8am-6:30pm"
    days  = "Mon" | "Mon-Sat" | "Daily"
    rule  = "No Parking" hours | number "Min" "Passenger" "Loading"

All that is not this is refused: a price that was guessed is worse than none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import combinations, pairwise

from app.payments.tariffs.documents import overlap
from app.payments.tariffs.lines import DAY_S, WEEK, Free, Line, LongestStay, NoParking, PerIncrement, Window

# They say where the meter stands or how one pays there, and nothing about what it costs.
KNOWN_NOTES = frozenset({"mobile pay", "fort stockton", "normal street"})
MOST_WINDOWS = 20
_MOST_DIGITS = 3
_LONGEST_QUOTE = 40
_MINUTE_S, _HOUR_S = 60, 3600
_DAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6, "m": 0}


class Refused(ValueError):
    """A text that is no tariff, or not a whole one; the message is a phrase that says why."""


def read_meter_string(text: str) -> tuple[Line, ...]:
    """The rate lines of a meter's text: its price, its longest stay, free time, time without parking.

    Raises Refused with what cannot be read, or what is missing.
    """
    tokens = _tokens(text)
    if all(token.kind is not _Kind.PRICE for token in tokens):
        raise Refused(_why_no_price(text, tokens))
    return _Reader(text, tokens).lines()


class _Kind(Enum):
    NOTE = "note"
    PRICE = "price"
    TIME = "time"
    NUMBER = "number"
    WORD = "word"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True)
class _Token:
    """``text`` is in small letters; from ``at`` to ``ends`` it lies in what was given."""

    kind: _Kind
    text: str
    at: int
    ends: int


# In this order: a time begins like a number. A sign is what is left, also where it has no meaning here.
_TOKEN = re.compile(
    r"""
      (?P<note>   \( [^()]* \) )
    | (?P<price>  \$ [0-9]{1,6} (?: \. [0-9]{2} )? (?! [0-9.,] ) )
    | (?P<time>   [0-9]{1,2} (?: : [0-9]{2} )? [AaPp][Mm] (?! [A-Za-z0-9] ) )
    | (?P<number> [0-9]+ )
    | (?P<word>   [A-Za-z]+ )
    | (?P<sign>   \S )
    """,
    re.VERBOSE,
)


def _tokens(text: str) -> list[_Token]:
    """The text cut up, with a token for its end."""
    found = []
    for match in _TOKEN.finditer(text):
        assert match.lastgroup is not None
        kind = match.lastgroup
        found.append(_Token(_Kind(kind), match.group(kind).lower(), *match.span(kind)))
    return [*found, _Token(_Kind.END, "", len(text), len(text))]


def _quoted(text: str) -> str:
    short = " ".join(text.split())
    return f'"{short[: _LONGEST_QUOTE - 1]}…"' if len(short) > _LONGEST_QUOTE else f'"{short}"'


def _why_no_price(text: str, tokens: Sequence[_Token]) -> str:
    """Without a price there is no tariff; the reason is the one that helps whoever reads it most."""
    words = [token.text for token in tokens]
    if all(token.kind in (_Kind.SIGN, _Kind.END) for token in tokens):
        return f"{_quoted(text)} says nothing" if text.strip() else "it is empty"
    for index, pair in enumerate(pairwise(words)):
        if pair == ("special", "event"):
            event = text[tokens[max(0, index - 1)].at : tokens[index + 1].ends]
            return f"{_quoted(event)} is named, and not what parking costs then"
    if "default" in words:
        return f"{_quoted(text)} names a default, and not what it is"
    return f"{_quoted(text)} names no price that can be read"


@dataclass(frozen=True)
class _Hours:
    """From and to so many seconds after midnight, on ``days`` (None: none are named), ``said`` like this."""

    from_s: int
    to_s: int
    days: frozenset[int] | None
    said: str


class _Reader:
    """One text, read from its start to its end. Every method raises Refused where its part is not there."""

    def __init__(self, text: str, tokens: Sequence[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0
        self._no_parking: NoParking | None = None

    def lines(self) -> tuple[Line, ...]:
        # A pay machine for several spaces. What it charges is said in the same words.
        self._takes("mspm")
        lasts_s = self._longest_stay()
        price_minor = self._price()
        windows = self._windows()
        # By the minute: whoever pays for a part of an hour gets that part.
        price = PerIncrement(price_minor=price_minor, per_s=_HOUR_S, increment_s=_MINUTE_S, windows=windows)
        while self._is_followed_by_a_rule():
            self._rule()
        longest = LongestStay(lasts_s=lasts_s, windows=windows)
        if self._no_parking is None:
            return (price, longest, Free())
        if (shared := overlap(price, self._no_parking)) is not None:
            raise Refused(f"one may park and may not park {shared}")
        return (price, longest, self._no_parking, Free())

    def _longest_stay(self) -> int:
        what = 'a longest stay such as "2 Hour Max"'
        number = self._takes_number(what)
        unit_s = _HOUR_S if self._takes("hour") else _MINUTE_S if self._takes("min") else 0
        if not unit_s:
            raise self._instead_of(what, number)
        self._must_take("max", what)
        return self._whole(number) * unit_s

    def _price(self) -> int:
        """In cents for an hour."""
        price = self._token
        if price.kind is not _Kind.PRICE:
            raise self._instead_of('a price such as "$1.25 HR"', price)
        self._next += 1
        if not self._takes("hr"):
            raise Refused(f'how long {_quoted(price.text)} lasts is not said: no "HR" stands behind it')
        dollars, _, cents = price.text[1:].partition(".")
        return int(dollars) * 100 + int(cents or 0)

    def _rule(self) -> None:
        token = self._token
        if self._takes("no"):
            self._must_take("parking", '"No Parking"')
            if self._no_parking is not None:
                raise Refused('"No Parking" is said twice')
            self._no_parking = NoParking(windows=self._windows())
        elif token.kind is _Kind.NUMBER:
            self._loading()
        else:
            raise self._instead_of('"No Parking" or a time for loading', token)

    def _loading(self) -> None:
        what = 'a time for loading such as "3 Min Passenger Loading"'
        number = self._takes_number(what)
        for word in ("min", "passenger", "loading"):
            self._must_take(word, what)
        said = self._said(number)
        if self._no_parking is None:
            raise Refused(f'when {said} is meant is not said: no "No Parking" stands before it')
        if self._no_parking.loading_s:
            raise Refused(f"{said} is a second time for loading")
        self._no_parking = replace(self._no_parking, loading_s=self._whole(number) * _MINUTE_S)

    def _windows(self) -> tuple[Window, ...]:
        parts = self._parts()
        if len(parts) > MOST_WINDOWS:
            raise Refused(f"more than {MOST_WINDOWS} stretches of hours are named")
        windows = tuple(self._window(part, alone=len(parts) == 1) for part in parts)
        for one, other in combinations(windows, 2):
            if (shared := overlap(Free(windows=(one,)), Free(windows=(other,)))) is not None:
                raise Refused(f"two stretches of hours hold {shared}")
        return windows

    def _parts(self) -> list[_Hours]:
        """Without a slash between them all parts begin alike: else days could belong to either neighbour."""
        parts = []
        while True:
            begins_with = self._token.kind
            parts.append(self._part())
            if not self._takes("/") and self._token.kind is not begins_with:
                return parts

    def _part(self) -> _Hours:
        first = self._token
        if first.kind is _Kind.TIME:
            from_s, to_s = self._span()
            days = self._days() if self._token.text in (*_DAYS, "daily") else None
        else:
            days = self._days()
            from_s, to_s = self._span()
        return _Hours(from_s, to_s, days, self._said(first))

    def _window(self, part: _Hours, *, alone: bool) -> Window:
        """Hours alone and without days are those of every day, as on a sign."""
        if part.days is None and not alone:
            raise Refused(f"on which days {part.said} holds is not said")
        window = Window(WEEK if part.days is None else part.days, part.from_s, part.to_s)
        if window.wraps and window.days != WEEK:
            # A window is a stretch of its own days. This one would lie on the mornings after them.
            raise Refused(f"{part.said} ends on the day after, which is read for every day alone")
        return window

    def _span(self) -> tuple[int, int]:
        first = self._token
        from_s = self._time()
        self._must_take("-", 'hours such as "8am-6pm"')
        to_s = self._time()
        if from_s == to_s:
            raise Refused(f"{self._said(first)} ends when it begins")
        return from_s, to_s or DAY_S

    def _time(self) -> int:
        """Seconds after midnight; 12am is the midnight with which a day begins."""
        token = self._token
        if token.kind is not _Kind.TIME:
            raise self._instead_of('hours such as "8am-6pm"', token)
        self._next += 1
        hour, _, minute = token.text[:-2].partition(":")
        if not 1 <= int(hour) <= 12 or int(minute or 0) > 59:
            raise Refused(f"{_quoted(token.text)} is no time of the day")
        afternoon_s = 12 * _HOUR_S if token.text.endswith("pm") else 0
        return int(hour) % 12 * _HOUR_S + int(minute or 0) * _MINUTE_S + afternoon_s

    def _days(self) -> frozenset[int]:
        if self._takes("daily"):
            return WEEK
        first = self._day()
        if not self._takes("-"):
            return frozenset({first})
        last = self._day()
        if first == last:
            raise Refused("days that end with the day that they begin with may be one or all seven")
        return frozenset((first + later) % 7 for later in range((last - first) % 7 + 1))

    def _day(self) -> int:
        token = self._token
        if token.text not in _DAYS:
            raise self._instead_of('hours and days such as "8am-6pm Mon-Sat"', token)
        self._next += 1
        return _DAYS[token.text]

    def _is_followed_by_a_rule(self) -> bool:
        """Steps over what may stand behind a rule."""
        while self._takes(".") or self._token.kind is _Kind.NOTE:
            if self._token.kind is _Kind.NOTE:
                self._note()
        if self._takes(","):
            return True
        if self._token.kind is not _Kind.END:
            raise Refused(f"{_quoted(self._word_at(self._token.at))} cannot be read")
        return False

    def _note(self) -> None:
        note = " ".join(self._token.text[1:-1].split())
        if note not in KNOWN_NOTES:
            raise Refused(f"what the note {_quoted(f'({note})')} means is not known")
        self._next += 1

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _takes(self, text: str) -> bool:
        """Whether that comes next; then it has been read."""
        found = self._token.text == text
        self._next += found
        return found

    def _must_take(self, text: str, what: str) -> None:
        if not self._takes(text):
            raise self._instead_of(what, self._token)

    def _takes_number(self, what: str) -> _Token:
        token = self._token
        if token.kind is not _Kind.NUMBER:
            raise self._instead_of(what, token)
        self._next += 1
        return token

    def _whole(self, token: _Token) -> int:
        """The number, of which a length of time is made: neither none nor absurdly long."""
        if len(token.text) > _MOST_DIGITS or not int(token.text):
            raise Refused(f"{_quoted(token.text)} is no length that parking has")
        return int(token.text)

    def _instead_of(self, what: str, token: _Token) -> Refused:
        if token.kind is _Kind.END:
            return Refused(f"it ends where {what} should stand")
        return Refused(f"{_quoted(self._word_at(token.at))} stands where {what} should")

    def _said(self, first: _Token) -> str:
        """What was read last, from that token on, in quotes."""
        return _quoted(self._text[first.at : self._tokens[self._next - 1].ends])

    def _word_at(self, at: int) -> str:
        """From there to the next space."""
        return self._text[at:].split(maxsplit=1)[0]
