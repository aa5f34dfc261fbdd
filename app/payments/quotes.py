"""A quote: what a booking costs now, signed, so that what is paid is what was said."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.signing import Secrets
from app.payments import records
from app.payments.bills import Bill, with_paid_before
from app.payments.fees import Fee

_PURPOSE = "quote"
_NAMESPACE = uuid.UUID("6f0a9c55-94ab-5a0f-9f5c-7a1c0f6b8a3e")


@dataclass(frozen=True)
class Quote:
    """An amount for one attempt to pay for a booking. Instants are Unix microseconds.

    It is the fee at the end of ``valid_until_us``, less ``settled_minor``: what was paid before and not given
    back. ``ordinal`` counts the attempts that have ended, and one.
    """

    reservation: str
    ordinal: int
    amount_minor: int
    currency: str
    settled_minor: int
    tariff: int
    valid_until_us: int

    @property
    def payment(self) -> str:
        """The payment that this quote can become, however often it is sent."""
        return payment_id(self.reservation, self.ordinal)


def payment_id(reservation: str, ordinal: int) -> str:
    """The same attempt has the same identifier, wherever it is made up (UUID version 5)."""
    return str(uuid.uuid5(_NAMESPACE, f"{reservation}:{ordinal}"))


def other_payment_id(payment: str, provider: str, means: str, by: str, amount_minor: int) -> str:
    """What a payment is called whose quote's own identifier is another attempt's: the same, sent again."""
    return str(uuid.uuid5(_NAMESPACE, f"{payment}:{provider}:{means}:{by}:{amount_minor}"))


@dataclass(frozen=True)
class Quoted:
    """A quote with the fee that it is of; ``quote`` is ``None`` where nothing is due."""

    quote: Quote | None
    fee: Fee
    settled_minor: int


async def quoted(connection: AsyncConnection, bill: Bill, now: datetime) -> Quoted:
    """What is to be paid for a booking now."""
    standing = await records.standing(connection, bill.reservation)
    until = bill.price_holds_until(now)
    whole = bill.fee_until(until)
    left = with_paid_before(whole, standing.settled_minor, standing.paid)
    if not left.amount_minor:
        return Quoted(None, left, standing.settled_minor)
    quote = Quote(
        reservation=bill.reservation,
        ordinal=standing.ended + 1,
        amount_minor=left.amount_minor,
        currency=left.currency,
        settled_minor=standing.settled_minor,
        tariff=bill.tariff.id,
        valid_until_us=int(until.timestamp() * 1_000_000),
    )
    return Quoted(quote, left, standing.settled_minor)


def sign(secrets: Secrets, quote: Quote) -> str:
    return secrets.sign(_PURPOSE, asdict(quote))


def read(secrets: Secrets, signed: str) -> Quote | None:
    """The quote that was signed here; ``None`` where it was not."""
    facts = secrets.read(_PURPOSE, signed)
    return None if facts is None else Quote(**facts)
