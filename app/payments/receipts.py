"""Receipts: what a payment was for, written once as canonical JSON, and shown from that alone.

No number plate stands in it: whoever finds it learns nothing of whose car it was.
"""

import json
from datetime import datetime
from typing import Any

from app.audit.trail import canonical
from app.core.money import Money
from app.payments.bills import Bill
from app.payments.fees import Fee
from app.payments.models import Payment

VERSION = 1


def bill_text(bill: Bill, fee: Fee, until: datetime, issuer: str = "") -> str:
    """What a payment pays for, as it is kept with it from its beginning: the fee up to ``until``.

    ``issuer``: who issues its receipt, the lines by semicolons; "" where the lot does.

    Of a booking that has ended it is that of its end.
    """
    return canonical(
        {
            "reservation": bill.reservation,
            "issuer": issuer,
            "lot": {
                "code": bill.lot,
                "name": bill.lot_name,
                "address": bill.lot_address,
                "timeZone": bill.tariff.time_zone,
            },
            "slot": {"identifier": bill.slot, "name": bill.slot_name, "area": bill.area},
            "from": bill.stay.start.isoformat(),
            "until": (until if bill.fixed is None else bill.stay.end).isoformat(),
            "ended": bill.fixed is not None,
            "tariff": {"number": bill.tariff.id, "version": bill.tariff.version},
            "currency": fee.currency,
            "lines": [
                {
                    "rule": line.rule,
                    "quantity": line.quantity,
                    "unit": line.unit,
                    "amountMinor": line.amount_minor,
                }
                for line in fee.lines
            ],
            "dueMinor": fee.amount_minor,
        }
    )


def lines_of(bill: dict[str, Any], amount_minor: int) -> list[dict[str, Any]]:
    """A bill's lines that sum to what was paid then: with what had been paid before, where that is so."""
    lines: list[dict[str, Any]] = list(bill["lines"])
    before_minor = bill["dueMinor"] - amount_minor
    if before_minor:
        lines.append({"rule": "paid before", "quantity": 1, "unit": "booking", "amountMinor": -before_minor})
    return lines


def issuer_of(bill: dict[str, Any]) -> tuple[str, ...]:
    """Lines with the issuer's name and address; of a lot that issues its own, the lot's."""
    lot = bill["lot"]
    lines = bill.get("issuer", "").split(";") if bill.get("issuer") else [lot["name"], lot.get("address", "")]
    return tuple(line.strip() for line in lines if line.strip())


def receipt_text(payment: Payment, charge: str, settled_at: datetime) -> str:
    """The receipt of a payment that was paid then."""
    return canonical(
        {
            "version": VERSION,
            "payment": payment.id,
            "ordinal": payment.ordinal,
            "amount": Money(payment.amount_minor, payment.currency).major,
            "amountMinor": payment.amount_minor,
            "currency": payment.currency,
            "by": payment.provider,
            "means": payment.means if payment.provider == "desk" else "card",
            "charge": charge,
            "paidAt": settled_at.isoformat(),
            "bill": json.loads(payment.bill),
        }
    )
