"""A receipt's page: who issues it, what was given back, and how an older one without all that reads."""

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from app.core.languages import speaking
from app.driver.paying import receipt_of
from app.driver.views import ReceiptPage
from app.payments.models import Refund, RefundState

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REFUND = Refund(
    id="f",
    payment_id="p",
    number=1,
    amount_minor=100,
    currency="EUR",
    reason="",
    state=RefundState.DONE,
    by="ada",
    created_at=NOON,
)


def kept(**bill: Any) -> dict[str, Any]:
    """A receipt as it is stored."""
    return {
        "payment": "p",
        "amountMinor": 300,
        "currency": "EUR",
        "by": "desk",
        "means": "cash",
        "paidAt": "2026-11-23T12:30:00+00:00",
        "bill": {
            "reservation": "r",
            "lot": {"code": "riverside", "name": "Riverside", "timeZone": "UTC"},
            "slot": {"identifier": "riverside-B75", "name": "B75", "area": "B"},
            "from": "2026-11-23T11:00:00+00:00",
            "until": "2026-11-23T12:30:00+00:00",
            "ended": True,
            "lines": [{"rule": "per started increment", "quantity": 3, "unit": "30 min", "amountMinor": 300}],
            "dueMinor": 300,
            **bill,
        },
    }


def page(bill: dict[str, Any] | None = None, *refunds: Refund) -> ReceiptPage:
    return receipt_of(12, bill or kept(), list(refunds), "http://testserver/receipts/x")


def test_the_issuer_of_its_day_stands_on_it_line_by_line() -> None:
    shown = page(kept(issuer="Harbour Parking Ltd; Quay 1 ;20457 Hamburg;"))
    assert shown.issuer == ("Harbour Parking Ltd", "Quay 1", "20457 Hamburg")


def test_where_nobody_else_does_the_lot_issues_it() -> None:
    lot = {"code": "riverside", "name": "Riverside", "address": "College Road", "timeZone": "UTC"}
    assert page(kept(issuer="", lot=lot)).issuer == ("Riverside", "College Road")
    assert page().issuer == ("Riverside",), "a receipt from before there were issuers"


def test_what_was_given_back_is_taken_off() -> None:
    (row,) = page(None, REFUND).refunds
    assert (row.amount, row.note) == ("-€1.00", "given back")


def test_it_is_written_in_the_language_of_who_reads_it() -> None:
    english = page()
    assert (english.paid_text, english.lines[0].quantity) == (
        "Paid Mon 23 Nov 2026 12:30, cash",
        "3 × 30 min",
    )
    with speaking("de"):
        german = page(None, REFUND)
    assert german.paid_text == "Bezahlt am Mo. 23. Nov. 2026 12:30, bar"
    assert (german.amount, german.refunds[0].amount) == ("3,00\xa0€", "-1,00\xa0€")
    assert german.lines[0].rule == "Je angefangenem Takt"
    assert isinstance(german.qr, Markup)
