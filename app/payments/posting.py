"""What was accepted while SQL was away is posted, once, as it was valid when it was accepted.

Cash is in the till already: it is written down as paid, and what it is too much is to be given back. A card
has not been charged yet: that is left to the worker, under the payment's own identifier, as with any other,
and where the booking was paid otherwise meanwhile the card is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.core import metrics
from app.core.db import SqlAway
from app.core.money import Money
from app.payments import journal, receipts, records, refunding
from app.payments.bills import Bill
from app.payments.journal import Entry, Pages
from app.payments.models import Payment, PostingOutcome
from app.payments.paying import Cashier, back_url, order_of, settle_in
from app.payments.quotes import other_payment_id
from app.payments.records import Standing

log = structlog.get_logger()
PAID_TWICE = "It was paid twice while the database was away."


class Later(Exception):
    """Another attempt to pay for the same booking is under way: what becomes of it decides about this one."""


# Ends a booking as of when its payer left, however often it is told.
Leave = Callable[[str, datetime], Awaitable[None]]


class Posting:
    """One worker's way through the journals of its machine."""

    def __init__(self, cashier: Cashier, leave: Leave) -> None:
        self._cashier = cashier
        self._leave = leave
        # So many bytes of a file have been posted whole: it is not read again before it has grown.
        self._posted_bytes: dict[Path, int] = {}

    async def go_on(self) -> None:
        """Posts what is there, and ends the files of which nothing more will come. SqlAway."""
        waiting = 0
        for path in journal.files(self._cashier.journal.folder):
            pages = journal.read(path)
            if pages is not None:
                waiting += await self._post_file(pages)
        metrics.JOURNAL_WAITS.set(waiting)

    async def _post_file(self, pages: Pages) -> int:
        """How many of its entries have to wait."""
        waiting = 0
        if self._posted_bytes.get(pages.path) != pages.size_bytes:
            for entry in pages.entries:
                waiting += not await self._posted(entry)
        if not waiting:
            self._posted_bytes[pages.path] = pages.size_bytes
            if pages.is_ended:
                if pages.unreadable:
                    metrics.JOURNAL_UNREADABLE.inc(pages.unreadable)
                journal.end(pages)
                del self._posted_bytes[pages.path]
        return waiting

    async def _posted(self, entry: Entry) -> bool:
        """Whether it is; one that has to wait, or can't be posted, keeps none of the others from it."""
        try:
            await post(self._cashier, entry)
            if entry.leaves:
                await self._leave(entry.quote.reservation, entry.accepted_at)
        except (SqlAway, asyncio.CancelledError):
            raise
        except Later:
            return False
        except Exception:
            log.exception("journal.not_posted", entry=entry.id, payment=entry.quote.payment)
            return False
        return True


async def post(cashier: Cashier, entry: Entry) -> PostingOutcome | None:
    """Writes down what was accepted; ``None`` where that had been done. Raises Later, SqlAway."""
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        await records.lock_booking(connection, entry.quote.reservation)
        if await records.is_posted(connection, entry.id):
            return None
        outcome, payment = await _post(cashier, connection, entry, now)
        await records.insert_posting(
            connection,
            {
                "id": entry.id,
                "payment_id": payment,
                "reservation_id": entry.quote.reservation,
                "provider": entry.provider,
                "amount_minor": entry.quote.amount_minor,
                "currency": entry.quote.currency,
                "by": entry.by,
                "accepted_at": entry.accepted_at,
                "posted_at": now,
                "outcome": outcome,
            },
        )
        await note(
            connection,
            entry.by or "payer",
            "accepted",
            entry.quote.reservation,
            entry.accepted_at,
            payment=payment,
            amount=Money(entry.quote.amount_minor, entry.quote.currency).major,
            currency=entry.quote.currency,
            provider=entry.provider,
            outcome=outcome,
        )
    metrics.POSTED.labels(outcome).inc()
    log.info("journal.posted", payment=payment, outcome=outcome, provider=entry.provider)
    return outcome


async def _post(
    cashier: Cashier, connection: AsyncConnection, entry: Entry, now: datetime
) -> tuple[PostingOutcome, str]:
    """What became of it, and the payment that it is now, or was for."""
    quote = entry.quote
    for name in (quote.payment, _other_name(entry)):
        before = await records.payment(connection, name)
        if before is not None and _is_this(entry, before):
            return PostingOutcome.KNOWN, before.id
    if await records.pending_of(connection, quote.reservation) is not None:
        raise Later
    bill = await cashier.read_bill(connection, quote.reservation, entry.accepted_at)
    if bill is None or entry.provider not in cashier.providers:
        log.error("journal.no_booking", **asdict(quote), provider=entry.provider, by=entry.by)
        return PostingOutcome.NO_BOOKING, quote.payment
    standing = await records.standing(connection, quote.reservation)
    until = datetime.fromtimestamp(quote.valid_until_us / 1_000_000, UTC)
    due_minor = max(0, bill.fee_until(until).amount_minor - standing.settled_minor)
    too_much_minor = max(0, quote.amount_minor - due_minor)
    is_in_till = cashier.providers[entry.provider].by_attendant
    if not due_minor and not is_in_till:
        return PostingOutcome.NOT_CHARGED, quote.payment
    # A card is charged what is due by now, where that is less than what was said.
    amount_minor = quote.amount_minor if is_in_till else min(quote.amount_minor, due_minor)
    created_at = entry.accepted_at if is_in_till else now
    payment = _payment(entry, bill, standing, until, amount_minor, created_at, cashier.issuer)
    if not await records.insert_payment(connection, payment.model_dump()):
        raise Later
    if not is_in_till:
        await records.insert_task(connection, payment.id, now, now)
        return PostingOutcome.POSTED, payment.id
    charged = await cashier.providers[entry.provider].charge(order_of(payment))
    await settle_in(cashier, connection, payment, charged, entry.accepted_at)
    if not too_much_minor:
        return PostingOutcome.POSTED, payment.id
    await refunding.begin(
        connection, payment, too_much_minor, PAID_TWICE, "journal", number=1, now=now, by_hand=True
    )
    return PostingOutcome.PAID_TWICE, payment.id


def _is_this(entry: Entry, before: Payment) -> bool:
    """Whether it is what was accepted; of a card less may have been charged than was said."""
    in_same_way = entry.is_alike(before.provider, before.means, before.by, entry.quote.amount_minor)
    more_minor = entry.quote.amount_minor - before.amount_minor
    return in_same_way and (more_minor == 0 or (more_minor > 0 and not before.by))


def _other_name(entry: Entry) -> str:
    """Where another process has accepted the same, it is found by this."""
    amount_minor = entry.quote.amount_minor
    return other_payment_id(entry.quote.payment, entry.provider, entry.means, entry.by, amount_minor)


def _payment(
    entry: Entry,
    bill: Bill,
    standing: Standing,
    until: datetime,
    amount_minor: int,
    created_at: datetime,
    issuer: str,
) -> Payment:
    """The next attempt of its booking: where nothing came in between, the very one that was quoted."""
    quote, ordinal = entry.quote, standing.ended + 1
    name = quote.payment if ordinal == quote.ordinal else _other_name(entry)
    return Payment(
        id=name,
        reservation_id=quote.reservation,
        lot_id=bill.lot_id,
        ordinal=ordinal,
        amount_minor=amount_minor,
        currency=quote.currency,
        provider=entry.provider,
        means=entry.means,
        return_url=back_url(entry.origin, name),
        leaves=entry.leaves,
        bill=receipts.bill_text(bill, bill.fee_until(until), until, issuer),
        by=entry.by,
        created_at=created_at,
    )
