"""The rate lines that a tariff is made of, a class for each kind.

Amounts are minor units of the tariff's currency, lengths are whole seconds, times are those of the clock on
the lot's wall. What each kind means, also where lines meet, is told in ``docs/tariffs.md``.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

DAY_S = 86_400
WEEK = frozenset(range(7))
# So that no stay of a year costs more than SQL can count, whatever its tariff.
LARGEST_MINOR = 10**9
Amount = Annotated[int, Field(ge=0, le=LARGEST_MINOR)]
Length = Annotated[int, Field(ge=1, le=366 * DAY_S)]
Share = Annotated[int, Field(ge=0, le=100_000)]
# Without control characters: it stands in fees and on receipts.
Name = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]
Weekday = Annotated[int, Field(ge=0, le=6)]


@dataclass(frozen=True)
class Window:
    """A stretch of some weekdays (0 is Monday), from ``from_s`` to ``to_s`` after local midnight.

    Where it ends no later than it begins it is the rest of those days: from midnight to ``to_s``, and from
    ``from_s`` to midnight. What lies on both sides of one midnight is one occurrence.
    """

    days: Annotated[frozenset[Weekday], Field(min_length=1)] = WEEK
    from_s: Annotated[int, Field(ge=0, lt=DAY_S)] = 0
    to_s: Annotated[int, Field(ge=0, le=DAY_S)] = DAY_S

    @property
    def wraps(self) -> bool:
        return self.to_s <= self.from_s


@dataclass(frozen=True)
class Line:
    """What all kinds have. Without windows a line always holds; ``None`` and () mean: for all slots.

    ``name`` is the operator's own word for it, which stands in the fee.
    """

    name: Name = ""
    windows: Annotated[tuple[Window, ...], Field(max_length=20)] = ()
    premium: bool | None = None
    sizes: tuple[str, ...] = ()

    def is_for(self, size: str, premium: bool) -> bool:
        return self.premium in (None, premium) and (not self.sizes or size in self.sizes)


# What time costs: at any instant one of these holds, besides a flat rate, and ``Free`` where no other does.


@dataclass(frozen=True, kw_only=True)
class PerIncrement(Line):
    """``price_minor`` for each ``per_s``, in started increments of ``increment_s``."""

    price_minor: Amount
    increment_s: Length
    per_s: Length


@dataclass(frozen=True)
class Tier:
    """Up to so long a stay, in time that this line has charged for; ``None``: for all that is beyond."""

    up_to_s: Length | None
    price_minor: Amount
    increment_s: Length


@dataclass(frozen=True, kw_only=True)
class Tiers(Line):
    """A price per started increment that depends on how long the stay has lasted already."""

    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=20)]


@dataclass(frozen=True, kw_only=True)
class FlatRate(Line):
    """Once for each occurrence of its window. Beside a price for time it is the most that this costs."""

    price_minor: Amount


@dataclass(frozen=True, kw_only=True)
class Free(Line):
    """Time that costs nothing, where no other line says what it costs."""


@dataclass(frozen=True, kw_only=True)
class NoParking(Line):
    """Time in which nobody may stand there; for no longer than ``loading_s`` one may, and pays nothing."""

    loading_s: Annotated[int, Field(ge=0, le=DAY_S)] = 0


@dataclass(frozen=True, kw_only=True)
class Overstay(Line):
    """What time costs past the planned end or past the longest stay, in place of all other prices."""

    price_minor: Amount
    increment_s: Length


@dataclass(frozen=True, kw_only=True)
class Holding(Line):
    """What time costs from when the slot is billed to when the booking was made for."""

    price_minor: Amount
    increment_s: Length


# What changes what time costs.


@dataclass(frozen=True, kw_only=True)
class FreeTime(Line):
    """The first so many seconds that would cost something cost nothing."""

    lasts_s: Length


@dataclass(frozen=True, kw_only=True)
class Grace(Line):
    """A stay that is no longer costs nothing; a longer one costs from its start."""

    lasts_s: Length


@dataclass(frozen=True, kw_only=True)
class EndGrace(Line):
    """So long past the planned end, or past the longest stay, nothing more is charged."""

    lasts_s: Length


@dataclass(frozen=True, kw_only=True)
class LongestStay(Line):
    """One may stand there no longer than this, in each occurrence of its window."""

    lasts_s: Length


@dataclass(frozen=True, kw_only=True)
class Surcharge(Line):
    """A share of what time costs (in hundredths of a percent), or an amount for each occurrence."""

    percent_bp: Share = 0
    amount_minor: Amount = 0


@dataclass(frozen=True, kw_only=True)
class Maximum(Line):
    """No more than this ``per`` calendar day, window, or period of ``period_s`` from the stay's start."""

    amount_minor: Amount
    per: Literal["window", "day", "period"]
    period_s: Annotated[int, Field(ge=0, le=366 * DAY_S)] = 0


@dataclass(frozen=True, kw_only=True)
class Minimum(Line):
    """What costs anything costs at least this."""

    amount_minor: Amount


@dataclass(frozen=True, kw_only=True)
class Offer(Line):
    """For who has the code, or whose stay was validated with it: a share off, an amount off, time free."""

    code: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^\S+$")]
    percent_bp: Share = 0
    amount_minor: Amount = 0
    free_s: Annotated[int, Field(ge=0, le=31 * DAY_S)] = 0


@dataclass(frozen=True, kw_only=True)
class NoShow(Line):
    """What a booking costs whose driver did not arrive in time, in place of everything else."""

    amount_minor: Amount


TimePrice = PerIncrement | Tiers | FlatRate | Free | NoParking


@dataclass(frozen=True)
class Tariff:
    """Rate lines in one currency, for a lot in one time zone (an IANA name).

    ``plans``: what :mod:`~app.payments.tariffs.plan` has made of it, by size and premium.
    """

    id: int
    version: int
    currency: str
    time_zone: str
    lines: tuple[Line, ...]
    plans: dict[tuple[str, bool], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
