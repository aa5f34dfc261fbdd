"""What is known of payments when all is at rest: from the provider's books, from SQL, and from the payers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SANDBOX = "sandbox"


@dataclass(frozen=True)
class Charge:
    """A charge as the provider has it; ``payment`` is the identifier that it was ordered under."""

    payment: str
    charge: str
    amount_minor: int
    currency: str
    fate: str


@dataclass(frozen=True)
class GivenBack:
    """A refund as the provider has it; ``refund`` is the identifier that it was ordered under."""

    refund: str
    payment: str
    amount_minor: int
    currency: str
    fate: str


@dataclass(frozen=True)
class PaymentFact:
    """A payment as SQL has it."""

    id: str
    reservation: str
    amount_minor: int
    currency: str
    refunded_minor: int
    provider: str
    charge: str
    state: str


@dataclass(frozen=True)
class RefundFact:
    """A refund as SQL has it."""

    id: str
    payment: str
    amount_minor: int
    currency: str
    state: str


@dataclass(frozen=True)
class Entry:
    """One side of a movement in the ledger."""

    movement: str
    account: str
    amount_minor: int
    currency: str


class Word(StrEnum):
    """What a payer was told for good."""

    PAID = "paid"
    DECLINED = "declined"


@dataclass(frozen=True)
class Told:
    """What somebody was told of a payment."""

    payment: str
    word: Word


@dataclass(frozen=True)
class Facts:
    """All of it. ``receipts``: the payments that there is one of; ``noted``: those whose money the audit
    trail has; ``fees``: what each booking costs, in minor units; ``tasks``: what a worker still has to ask;
    ``wrong_seals``: what the audit trail says against itself.
    """

    charges: tuple[Charge, ...] = ()
    given_back: tuple[GivenBack, ...] = ()
    payments: tuple[PaymentFact, ...] = ()
    refunds: tuple[RefundFact, ...] = ()
    receipts: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    noted: tuple[str, ...] = ()
    fees: Mapping[str, int] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    tasks: tuple[str, ...] = ()
    wrong_seals: tuple[str, ...] = ()
