"""What whoever moves money is asked, and answers: the desk, a card provider, whatever comes later.

A provider is told one identifier for one charge, ever: asked again it answers what became of that one, and
never charges twice. What it does not know yet it says so; what can't be reached raises ProviderAway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ProviderAway(Exception):
    """The provider can't be reached, or not in time: whether it has charged is not known."""


class BadWebhook(Exception):
    """What was sent was not sent by the provider, or is too old, or can't be read."""


class Fate(StrEnum):
    """What became of a charge or a refund."""

    PAID = "paid"
    DECLINED = "declined"
    WAITING = "waiting"  # for the payer (a 3-D step), or for the provider itself
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # the provider has never heard of it


@dataclass(frozen=True)
class ChargeOrder:
    """An amount to be charged. ``payment``: its identifier, the same however often it is asked for.

    ``means``: what the payer pays with, in the provider's own words, never a card's number: a token of the
    provider, or "cash" and "terminal" at the desk. ``return_url``: where a payer comes back to who was sent
    elsewhere for a moment. ``words`` stand on the payer's statement. ``charge``: what the provider has called
    it before, "" where that is not known.
    """

    payment: str
    amount_minor: int
    currency: str
    means: str
    words: str
    return_url: str = ""
    charge: str = ""


@dataclass(frozen=True)
class Charged:
    """``charge``: the provider's own name for it, "" where it has none yet. ``reason``: why it was declined,
    in words for the payer. ``next_url``: where the payer has to go before it can be decided.
    """

    fate: Fate
    charge: str = ""
    reason: str = ""
    next_url: str = ""
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True)
class RefundOrder:
    """An amount of a charge to be given back. ``refund``: its identifier, as ``payment`` is of a charge."""

    refund: str
    payment: str
    charge: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class Refunded:
    """``fate`` is PAID where the money is on its way back, DECLINED where it can't be given back."""

    fate: Fate
    refund: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """What a webhook says: ``event`` is its unique name; ``payment`` the identifier that was ordered."""

    event: str
    payment: str
    charged: Charged


class Provider(Protocol):
    """Each call may be made again with the same order and answers alike. All may raise ProviderAway."""

    name: str
    # What a payer may choose, with the words for it: of a desk only an attendant may.
    means: Mapping[str, str]
    by_attendant: bool
    # Those of its means whose payer has something to do before it is charged.
    needs_payer: frozenset[str]

    async def charge(self, order: ChargeOrder) -> Charged:
        """Charges, once; what was begun before goes on."""

    async def ask(self, order: ChargeOrder) -> Charged:
        """What became of a charge, without beginning one."""

    async def cancel(self, order: ChargeOrder) -> Charged:
        """Ends a charge that waits; where it was paid meanwhile it says so."""

    async def refund(self, order: RefundOrder) -> Refunded:
        """Gives back, once."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event | None:
        """What the provider says of its own accord; ``None`` where it is of no interest. BadWebhook."""

    async def aclose(self) -> None:
        """Ends all connections."""
