"""One payment: what it was for, what became of it, what was given back, and what the books hold of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from app.accounts.access import SigningKey, account
from app.audit.models import AuditEntry
from app.core.ids import sign_id
from app.core.languages import say
from app.core.money import Money
from app.core.parts import part
from app.operator import money_views as views
from app.operator.payments_page import payment_row
from app.operator.spelling import read_amount
from app.payments import listing, problems, records, wording
from app.payments.fee_words import rule_words, unit_words
from app.payments.models import LedgerEntry, Payment, PaymentState, Receipt, Refund, RefundState
from app.payments.paying import Cashier
from app.payments.providers.refusals import OddAmount
from app.payments.providers.stripe_amounts import stripe_amount
from app.payments.receipts import lines_of
from app.payments.refunding import LONGEST_REASON

MOST_REFUNDS = 9_999
_REFUND_TONES: dict[str, views.Tone] = {
    RefundState.PENDING: "waits",
    RefundState.DONE: "",
    RefundState.FAILED: "danger",
}
_NO_OTHER_FACTS = ("payment", "refund")


@dataclass(frozen=True)
class Known:
    """What SQL holds of a payment. ``surplus_minor``: what its ended booking has paid beyond its fee."""

    payment: Payment
    refunds: list[Refund]
    pending_minor: int
    receipt: Receipt | None
    ledger: list[LedgerEntry]
    audit: list[AuditEntry]
    surplus_minor: int
    is_being_paid: bool
    now: datetime

    @property
    def left_minor(self) -> int:
        """What can still be given back of it."""
        is_paid = self.payment.state == PaymentState.PAID
        return self.payment.amount_minor - self.payment.refunded_minor if is_paid else 0

    @property
    def next_number(self) -> int:
        return max((one.number for one in self.refunds), default=0) + 1


async def known(request: Request) -> Known:
    """The payment that the path names. A Problem (404) where there is none."""
    cashier = part(request, Cashier)
    async with cashier.database.look() as connection:
        payment = await records.payment(connection, request.path_params["payment"])
        if payment is None:
            raise problems.no_such_payment()
        refunds = await records.refunds_of(connection, payment.id)
        ids = [payment.id, *(one.id for one in refunds)]
        noted = await listing.audit_of(connection, payment.reservation_id)
        now = await cashier.database.now(connection)
        return Known(
            payment=payment,
            refunds=refunds,
            pending_minor=sum(one.amount_minor for one in refunds if one.state == RefundState.PENDING),
            receipt=await records.receipt_of(connection, payment.id),
            ledger=await listing.ledger_of(connection, ids),
            audit=[one for one in noted if _is_of(json.loads(one.detail), ids)],
            surplus_minor=await _surplus_minor(cashier, connection, payment, now),
            is_being_paid=await records.pending_of(connection, payment.reservation_id) is not None,
            now=now,
        )


def _is_of(detail: Mapping[str, Any], ids: list[str]) -> bool:
    return detail.get("payment") in ids or detail.get("refund") in ids


async def _surplus_minor(
    cashier: Cashier, connection: AsyncConnection, payment: Payment, now: datetime
) -> int:
    if payment.state != PaymentState.PAID:
        return 0
    bill = await cashier.read_bill(connection, payment.reservation_id, now)
    if bill is None or bill.fixed is None or bill.fixed.currency != payment.currency:
        return 0
    settled = (await records.standing(connection, payment.reservation_id)).settled_minor
    return max(0, settled - bill.fixed.amount_minor)


def payment_page(
    request: Request, found: Known, form: views.RefundForm | None = None, /, **said: str
) -> views.PaymentPage:
    """The page; ``form`` as it was sent, where it was. ``said``: notices and problems of the page."""
    payment = found.payment
    place = wording.place_of(payment)
    row = payment_row(request, payment, found.pending_minor)
    bill = json.loads(payment.bill)
    surplus_minor = min(found.surplus_minor, found.left_minor)
    return views.PaymentPage(
        operator=account(request).name,
        title=say("{lot}, slot {slot}", lot=place.lot, slot=place.slot),
        amount=row.amount,
        state=wording.payment_words(payment, found.pending_minor),
        tone=row.tone,
        facts=tuple(_facts(found, bill, place)),
        lines=tuple(_line(one, payment.currency) for one in lines_of(bill, payment.amount_minor)),
        total=row.amount,
        refunds=tuple(_refund(payment, one, place) for one in found.refunds),
        ledger=tuple(_ledger(one, place) for one in found.ledger),
        audit=tuple(_audit(one, place) for one in found.audit),
        form=form or refund_form(request, found),
        receipt_url=row.receipt_url,
        booking_url=f"/bookings/{sign_id(part(request, SigningKey), payment.reservation_id)}",
        surplus=Money(surplus_minor, payment.currency).text() if surplus_minor else "",
        surplus_url=_surplus_url(payment, surplus_minor) if surplus_minor else "",
        **said,
    )


def _surplus_url(payment: Payment, surplus_minor: int) -> str:
    amount = Money(surplus_minor, payment.currency).major
    return (
        views.filled(views.payment_url(payment.id), amount=amount, reason=say("Too much was paid"))
        + "#refund"
    )


def refund_form(request: Request, found: Known) -> views.RefundForm:
    """The form as it stands at first: all that is left, or what the address says."""
    payment, asked = found.payment, request.query_params
    left = Money(found.left_minor, payment.currency)
    return views.RefundForm(
        action_url=f"{views.payment_url(payment.id)}/refund",
        amount=asked.get("amount", left.major)[:40],
        reason=asked.get("reason", "")[:LONGEST_REASON],
        number=found.next_number,
        left=left.text(),
        errors={},
        currency=payment.currency,
        unavailable=_why_not(request, found),
        how=_how(payment),
    )


def _why_not(request: Request, found: Known) -> str:
    payment = found.payment
    if payment.state != PaymentState.PAID:
        return say("Nothing was paid, so nothing can be given back.")
    if not found.left_minor:
        return say("All of it is given back, or about to be.")
    if payment.provider not in part(request, Cashier).providers:
        return say(
            "{provider} is not among those who take money here (LOTLINE_PAYMENTS).",
            provider=payment.provider.capitalize(),
        )
    if found.next_number > MOST_REFUNDS:
        return say("It was given back in too many parts.")
    return ""


def _how(payment: Payment) -> str:
    if payment.provider != wording.DESK:
        return say("It goes back to the card.")
    if payment.means == "cash":
        return say("Take it out of the drawer and hand it over.")
    return say("Give it back at the terminal.")


@dataclass(frozen=True)
class Sent:
    """A refund form as it came in: what it says, and the form with what is wrong with it."""

    amount_minor: int
    reason: str
    number: int
    form: views.RefundForm


def read_refund(request: Request, found: Known, sent: Mapping[str, str]) -> Sent:
    """Every wrong field is named at once."""
    errors: dict[str, str] = {}
    amount_minor, number = 0, 0
    currency, left = found.payment.currency, Money(found.left_minor, found.payment.currency)
    reason = " ".join(sent.get("reason", "").split())
    text = sent.get("number", "")
    if text.isascii() and text.isdigit() and 1 <= len(text) <= 4:
        number = int(text)
    # What was given back already is told of, and not refused because it is gone.
    is_again = sent.get("step") == "give" and any(one.number == number for one in found.refunds)
    try:
        amount_minor = read_amount(sent.get("amount", ""), currency)
        if not amount_minor:
            errors["amount"] = say("Give more than nothing.")
        elif amount_minor > found.left_minor and not is_again:
            errors["amount"] = say("No more than {left} is left of it.", left=left)
        elif _is_too_fine(found.payment, amount_minor):
            errors["amount"] = say(
                "The card's provider moves no amount of {currency} as fine as this.", currency=currency
            )
    except ValueError as error:
        errors["amount"] = str(error)
    if not reason:
        errors["reason"] = say("Say why: it stays in the books.")
    elif len(reason) > LONGEST_REASON:
        errors["reason"] = say("At most {most} characters.", most=LONGEST_REASON)
    if not number:
        errors["number"] = say("This form is not whole: open the payment again.")
    form = replace(
        refund_form(request, found),
        amount=sent.get("amount", "")[:40],
        reason=reason[:LONGEST_REASON],
        number=number or found.next_number,
        errors=errors,
        amount_text=Money(amount_minor, currency).text(),
    )
    return Sent(amount_minor, reason, number, form)


def sent_form(order: Sent, found: Known, *, asks: bool) -> views.RefundForm:
    """The form as it was sent, over the payment as it is now; ``asks``: to be confirmed."""
    left = Money(found.left_minor, found.payment.currency)
    is_used = any(one.number == order.form.number for one in found.refunds)
    return replace(
        order.form, left=left.text(), asks=asks, number=found.next_number if is_used else order.form.number
    )


def _is_too_fine(payment: Payment, amount_minor: int) -> bool:
    """Stripe takes no thousandth of a dinar; nothing is begun that can't be done."""
    if payment.provider != "stripe":
        return False
    try:
        stripe_amount(amount_minor, payment.currency)
    except OddAmount:
        return True
    return False


def _facts(found: Known, bill: Mapping[str, Any], place: wording.Place) -> list[views.Fact]:
    payment, zone = found.payment, place.time_zone
    facts = [
        views.Fact(say("Begun"), wording.moment(payment.created_at, zone)),
        views.Fact(
            say("Paid with"),
            say(
                "{means}, by {provider}", means=wording.means_words(payment.means), provider=payment.provider
            ),
        ),
    ]
    if payment.settled_at is not None:
        name = say("Paid") if payment.state == PaymentState.PAID else say("Ended")
        facts.insert(1, views.Fact(name, wording.moment(payment.settled_at, zone)))
    if payment.by:
        facts.append(views.Fact(say("Taken by"), payment.by))
    begin, until = (datetime.fromisoformat(bill[name]) for name in ("from", "until"))
    facts += [
        views.Fact(say("Parked from"), wording.moment(begin, zone)),
        views.Fact(
            say("Until") if bill["ended"] else say("Good for leaving until"), wording.moment(until, zone)
        ),
        views.Fact(say("Attempt"), say("number {number}", number=payment.ordinal)),
        views.Fact(say("Payment"), payment.id, is_id=True),
        views.Fact(
            say("Booking"),
            say("all payments of it"),
            views.filled(views.PAYMENTS, q=payment.reservation_id),
        ),
    ]
    if found.receipt is not None:
        facts.append(views.Fact(say("Receipt"), f"{found.receipt.number:06}"))
    if payment.charge and payment.charge != payment.id:
        facts.append(
            views.Fact(say("With {provider}", provider=payment.provider), payment.charge, is_id=True)
        )
    return facts


def _line(line: Mapping[str, Any], currency: str) -> views.BillLine:
    quantity = f"{line['quantity']} × {unit_words(line['unit'])}"
    return views.BillLine(rule_words(line["rule"]), quantity, Money(line["amountMinor"], currency).text())


def _refund(payment: Payment, one: Refund, place: wording.Place) -> views.RefundRow:
    waits = one.state == RefundState.PENDING and payment.provider == wording.DESK
    return views.RefundRow(
        when=wording.moment(one.settled_at or one.created_at, place.time_zone),
        amount=Money(one.amount_minor, one.currency).text(),
        state=wording.refund_words(one.state, payment.provider),
        tone=_REFUND_TONES[one.state],
        reason=one.reason,
        by=one.by,
        give_url=f"{views.PAYMENTS}/refunds/{one.id}/given-back" if waits else "",
    )


def _ledger(one: LedgerEntry, place: wording.Place) -> views.LedgerRow:
    kind, _, of = one.account.partition(":")
    account_ = say("Till, {name}", name=of) if kind == "till" else say("Revenue, {lot}", lot=place.lot)
    amount = Money(one.amount_minor, one.currency).text()
    return views.LedgerRow(wording.moment(one.at, place.time_zone), account_, amount)


def _audit(one: AuditEntry, place: wording.Place) -> views.AuditRow:
    facts = {name: value for name, value in json.loads(one.detail).items() if name not in _NO_OTHER_FACTS}
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if value not in ("", None))
    return views.AuditRow(wording.moment(one.at, place.time_zone), one.who, one.act, said)
