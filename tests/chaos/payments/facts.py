"""What is known of payments when all is at rest: from the provider's books, from SQL, and from the payers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SANDBOX, DESK = "sandbox", "desk"


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
    means: str = ""
    by: str = ""


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


@dataclass(frozen=True)
class Posting:
    """What became of a payment that was accepted while SQL was away. ``payment``: the one that it is now."""

    payment: str
    reservation: str
    provider: str
    by: str
    outcome: str


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
class Accepted:
    """Somebody was told that a payment is accepted, and its receipt follows. ``by``: who took the money."""

    reservation: str
    means: str
    by: str = ""


@dataclass(frozen=True)
class Taken:
    """Money that an attendant has in hand; not ``certain`` where no answer came, and then a refusal."""

    reservation: str
    means: str
    by: str
    amount_minor: int
    certain: bool = True


@dataclass(frozen=True)
class Facts:
    """All of it. ``receipts``: the payments that there is one of; ``noted``: those whose money the audit
    trail has; ``fees``: what each booking costs, in minor units; ``tasks``: what a worker still has to ask;
    ``wrong_seals``: what the audit trail says against itself; ``in_journals``: what is not posted.
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
    accepted: tuple[Accepted, ...] = ()
    taken: tuple[Taken, ...] = ()
    postings: tuple[Posting, ...] = ()
    in_journals: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    wrong_seals: tuple[str, ...] = ()
