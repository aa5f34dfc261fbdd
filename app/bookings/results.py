"""What a booking answers with."""

from dataclasses import dataclass
from datetime import datetime

from app.payments.fees import Fee
from app.payments.tariffs.asked import Price


@dataclass(frozen=True)
class Reserved:
    """A slot that is now the entity's, committed in SQL."""

    reservation: str
    slot: str
    slot_name: str
    lot: str
    area: str
    premium: bool
    start_at: datetime
    until: datetime | None
    arrive_by: datetime | None
    price: Price
    token: str


@dataclass(frozen=True)
class Extended:
    """A booking with its new end: what the stay costs until then, and how much of it is more than before."""

    reservation: str
    slot: str
    lot: str
    start_at: datetime
    until: datetime
    fee: Fee
    more_minor: int


@dataclass(frozen=True)
class Arrived:
    """The car of a booking stands there since then."""

    reservation: str
    slot: str
    lot: str
    arrived_at: datetime


@dataclass(frozen=True)
class Held:
    """A slot that is kept for a browser until then."""

    hold: str
    slot: str
    slot_name: str
    until: datetime


@dataclass(frozen=True)
class InLine:
    """A place in the line of a lot."""

    waiting: str


@dataclass(frozen=True)
class Released:
    """A booking that has ended, with the fee that was fixed when it did."""

    reservation: str
    slot: str
    lot: str
    start_at: datetime
    ended_at: datetime
    fee: Fee


@dataclass(frozen=True)
class Worked:
    """How many slots closed or opened at once; ``later``: how many close when they are released."""

    at_once: int = 0
    later: int = 0

    def __add__(self, other: "Worked") -> "Worked":
        return Worked(self.at_once + other.at_once, self.later + other.later)


@dataclass(frozen=True)
class Relocated:
    """The slot that a booking has now, by its identifier and its name."""

    slot: str
    slot_name: str
