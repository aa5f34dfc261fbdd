"""What there is in a car park, as plain facts that never change; a change makes a new one."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.slots.models import State


@dataclass(frozen=True)
class Tariff:
    """A price in minor units for each started ``increment_s``."""

    version: int
    increment_s: int
    price_minor: int
    premium_price_minor: int


@dataclass(frozen=True)
class Lot:
    code: str
    currency: str = "EUR"
    exclusive: bool = True
    plates: bool = False
    closed: bool = False

    def compared(self, entity: str) -> str:
        """Two entities are the same where these forms of them are."""
        normal = unicodedata.normalize("NFKC", entity.strip())
        return normal.upper().replace(" ", "").replace("-", "") if self.plates else normal


@dataclass(frozen=True)
class Kind:
    area: str
    size: str = "car"
    premium: bool = False
    accessible: bool = False
    charging: bool = False

    @property
    def but_for_the_area(self) -> tuple[str, bool, bool, bool]:
        return (self.size, self.premium, self.accessible, self.charging)


@dataclass(frozen=True)
class Place:
    """A slot with its status. ``number`` is its row in SQL, ``holder`` the reservation that has it.

    ``closed_itself``: whatever its lot is.
    """

    identifier: str
    number: int
    lot: str
    name: str
    rank: int
    kind: Kind
    centre: tuple[float, float]
    state: State = State.FREE
    version: int = 1
    revision: int = 1
    holder: str | None = None
    closed_itself: bool = False


@dataclass(frozen=True)
class Stay:
    """A booking. ``entity`` is as its lot compares it."""

    reservation: str
    slot: str
    lot: Lot
    entity: str
    given: str
    tariff: Tariff
    size: str
    premium: bool
    created_at: datetime
    start_at: datetime
    until: datetime | None
    arrived_at: datetime | None

    def amount_minor(self, end: datetime) -> int:
        """Every increment that was begun counts whole; nothing where the stay has not begun."""
        price = self.tariff.premium_price_minor if self.premium else self.tariff.price_minor
        begun = -((self.start_at - end) // timedelta(seconds=self.tariff.increment_s))
        return max(0, begun) * price


@dataclass(frozen=True)
class Ended:
    stay: Stay
    ended_at: datetime
    billed_until: datetime
    time_given: datetime | None
    amount_minor: int
