"""What the REST surface answers with."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from app.bookings.codes import Given
from app.bookings.results import Arrived, Extended, Released, Reserved
from app.core.money import Money
from app.payments.fees import Fee
from app.payments.journal import Entry
from app.payments.models import Payment, PaymentState
from app.payments.quotes import Quoted
from app.slots.memory import PageFromMemory
from app.slots.models import State
from app.slots.queries import Cursor, Page, SlotDetails


def unix(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def reserved(done: Reserved) -> dict[str, Any]:
    return {
        "slot": done.slot,
        "reservation": done.reservation,
        "lot": done.lot,
        "area": done.area,
        "name": done.slot_name,
        "premium": done.premium,
        "startTime": unix(done.start_at),
        "until": unix(done.until),
        "arriveBy": unix(done.arrive_by),
        "price": {
            "amount": done.price.money.major,
            "amountMinor": done.price.price_minor,
            "currency": done.price.currency,
            "perSeconds": done.price.per_s or None,
            "perStartedSeconds": done.price.increment_s or None,
        },
        "_links": {"booking": f"/bookings/{done.token}"},
    }


def released(done: Released, is_paid: bool) -> dict[str, Any]:
    return {
        "slot": done.slot,
        "reservation": done.reservation,
        "lot": done.lot,
        "startTime": unix(done.start_at),
        "endTime": unix(done.ended_at),
        **fee(done.fee),
        "paymentStatus": "nothing due" if not done.fee.amount_minor else "paid" if is_paid else "due",
    }


def extended(done: Extended) -> dict[str, Any]:
    """With what the stay costs until its new end; an earlier leave costs less."""
    return {
        "slot": done.slot,
        "reservation": done.reservation,
        "lot": done.lot,
        "startTime": unix(done.start_at),
        "until": unix(done.until),
        **fee(done.fee),
        "more": Money(done.more_minor, done.fee.currency).major,
        "moreMinor": done.more_minor,
    }


def arrived(done: Arrived) -> dict[str, Any]:
    return {
        "slot": done.slot,
        "reservation": done.reservation,
        "lot": done.lot,
        "arrivedAt": unix(done.arrived_at),
    }


def validated(given: Given) -> dict[str, Any]:
    """With what the booking costs if it ends now."""
    return {
        "slot": given.slot,
        "reservation": given.reservation,
        "lot": given.lot,
        "code": given.code,
        "codes": list(given.codes),
        "givenBefore": not given.fresh,
        **fee(given.fee),
    }


def quoted(found: Quoted, signed: str) -> dict[str, Any]:
    """What is to be paid for a booking now, with the quote that pays it: none where nothing is due."""
    facts = fee(found.fee)
    if found.quote is None:
        return facts | {"quote": None, "validUntil": None}
    return facts | {"quote": signed, "validUntil": found.quote.valid_until_us // 1_000_000}


def accepted(entry: Entry) -> dict[str, Any]:
    """A payment that is written down where SQL is not needed: its receipt follows."""
    return {
        "payment": entry.quote.payment,
        "reservation": entry.quote.reservation,
        "status": "accepted",
        "amount": Money(entry.quote.amount_minor, entry.quote.currency).major,
        "amountMinor": entry.quote.amount_minor,
        "currency": entry.quote.currency,
        "receipt": None,
        "next": None,
    }


def payment(paid: Payment, token: str) -> dict[str, Any]:
    """``next``: where the payer has to go before it can be paid."""
    is_paid = paid.state == PaymentState.PAID
    return {
        "payment": paid.id,
        "reservation": paid.reservation_id,
        "status": paid.state,
        "amount": Money(paid.amount_minor, paid.currency).major,
        "amountMinor": paid.amount_minor,
        "currency": paid.currency,
        "receipt": f"/receipts/{token}" if is_paid else None,
        "next": paid.next_url or None,
    }


def fee(charged: Fee) -> dict[str, Any]:
    """An amount in major units as text, in minor units as an integer, and the lines that it is the sum of."""
    return {
        "amount": charged.money.major,
        "amountMinor": charged.amount_minor,
        "currency": charged.currency,
        "lines": [
            {
                "rule": line.rule,
                "quantity": line.quantity,
                "unit": line.unit,
                "amount": Money(line.amount_minor, charged.currency).major,
                "amountMinor": line.amount_minor,
            }
            for line in charged.lines
        ],
    }


def slot(details: SlotDetails) -> dict[str, Any]:
    shown = State.RESERVED if details.state is State.HELD else details.state
    return {
        "identifier": details.identifier,
        "name": details.name,
        "location": details.location or _point(details),
        "size": details.size,
        "status": shown,
        "premium": details.premium,
        "accessible": details.accessible,
        "charging": details.charging,
        "lot": details.lot,
        "area": details.area,
        "outline": details.outline or None,
    }


def slot_list(page: Page, query: dict[str, Any], start: int, limit: int) -> dict[str, Any]:
    return {
        "_links": {
            "self": _link(query),
            "next": _link(query | _beyond(page.slots[-1], backwards=False))
            if page.has_next and page.slots
            else None,
            "prev": _link(query | _beyond(page.slots[0], backwards=True))
            if page.has_previous and page.slots
            else None,
        },
        "slotDetails": [slot(one) for one in page.slots],
        "start": start,
        "limit": limit,
    }


def from_memory(held: PageFromMemory) -> dict[str, Any]:
    """What a page from memory says besides: of when it is, and whether lots may be missing."""
    return {"asOf": int(held.as_of), "complete": held.complete}


def _beyond(edge: SlotDetails, *, backwards: bool) -> dict[str, Any]:
    return {"cursor": Cursor(edge.slot_id, backwards).text(), "start": None}


def _link(query: dict[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return "/parking" + (f"?{urlencode(given)}" if given else "")


def _point(details: SlotDetails) -> dict[str, Any] | None:
    if details.latitude is None or details.longitude is None:
        return None
    return {"type": "Point", "coordinates": [details.longitude, details.latitude]}
