"""What a booking's page says of money: what is to be paid, how, and what has been."""

import io
import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import segno
from markupsafe import Markup
from starlette.requests import Request

from app.accounts.access import SigningKey
from app.bookings.desk import Desk
from app.bookings.leaving import leave
from app.core import words
from app.core.ids import read_signed_id, sign_id
from app.core.languages import say, say_in, sentence, told
from app.core.money import Money
from app.core.parts import part
from app.core.web import origin_of
from app.driver.cookies import reservations
from app.driver.views import (
    AcceptedPage,
    CameBackPage,
    Choice,
    FeeLine,
    Notice,
    OnwardPage,
    Pay,
    PaymentRow,
    ReceiptPage,
    SandboxPage,
)
from app.payments import listing, problems, records, wording
from app.payments.asking import hear
from app.payments.fee_words import rule_words, unit_words
from app.payments.journal import Entry
from app.payments.models import Payment, PaymentState, Receipt, Refund
from app.payments.paying import Cashier, quote_for, settle
from app.payments.providers.protocol import Fate
from app.payments.providers.sandbox import Sandbox
from app.payments.receipts import issuer_of, lines_of

# In the query of a booking's address: its payer has just paid, or not.
COMES_FROM_PAYING = "paying"
_DECIDED = {
    Fate.PAID: sentence("It is paid."),
    Fate.DECLINED: sentence("It was not confirmed."),
    Fate.CANCELLED: sentence("It took too long."),
}


async def pay_form(request: Request, reservation: str, time_zone: str, *, runs: bool) -> Pay | None:
    """What is to be paid for a booking now; ``None`` where nothing is. SqlAway."""
    cashier = part(request, Cashier)
    found, signed = await quote_for(cashier, reservation)
    if found.quote is None:
        return None
    means = tuple(
        Choice(value, told(words_))
        for provider in cashier.providers.values()
        if not provider.by_attendant
        for value, words_ in provider.means.items()
    )
    valid_until = datetime.fromtimestamp(found.quote.valid_until_us / 1_000_000).astimezone()
    before = Money(found.settled_minor, found.fee.currency)
    return Pay(
        action_url=f"/bookings/{request.path_params['token']}/pay",
        quote=signed,
        amount=found.fee.money.text(),
        valid_text=say("This price holds until {time}.", time=words.clock(valid_until, time_zone))
        if runs
        else "",
        means=means,
        before=say("{amount} was paid before.", amount=before) if found.settled_minor else "",
        may_leave=runs,
    )


async def settled_minor(request: Request, reservation: str) -> int:
    """What was paid for a booking and not given back. SqlAway."""
    async with part(request, Cashier).database.look() as connection:
        return (await records.standing(connection, reservation)).settled_minor


async def payment_rows(request: Request, reservation: str, time_zone: str) -> tuple[PaymentRow, ...]:
    """The attempts to pay for a booking, the newest first. SqlAway."""
    key = part(request, SigningKey)
    async with part(request, Cashier).database.look() as connection:
        found = await records.payments_of(connection, reservation)
        pending = await listing.pending_minor(connection, [one.id for one in found])
    here = f"/bookings/{request.path_params['token']}"
    return tuple(_row(key, one, pending.get(one.id, 0), time_zone, here) for one in reversed(found))


def paid_notice(request: Request, payments: tuple[PaymentRow, ...]) -> Notice | None:
    """What became of the newest payment: while it is under way, and where its payer comes from paying."""
    newest = payments[0] if payments else None
    if newest is None:
        return None
    if newest.give_up_url:
        return Notice(
            say("{amount} is not paid yet.", amount=newest.amount),
            say("Go on with the payment below, or give it up."),
            "stale",
        )
    if newest.waits:
        text = say("There is nothing for you to do. It is charged once, or not at all.")
        return Notice(say("{amount} is being paid.", amount=newest.amount), text, "stale")
    if COMES_FROM_PAYING not in request.query_params:
        return None
    if newest.url:
        return Notice(say("{amount} is paid.", amount=newest.amount), say("The receipt is below."))
    return Notice(say("{amount} was not paid.", amount=newest.amount), say("Nothing was charged."), "problem")


def _row(key: bytes, one: Payment, pending_minor: int, time_zone: str, booking_url: str) -> PaymentRow:
    state = PaymentState(one.state)
    return PaymentRow(
        amount=Money(one.amount_minor, one.currency).text(),
        when=words.clock(one.settled_at or one.created_at, time_zone, one.created_at),
        note=wording.payment_words(one, pending_minor),
        url=f"/receipts/{sign_id(key, one.id)}" if state is PaymentState.PAID else "",
        waits=state is PaymentState.PENDING,
        waits_url=f"{booking_url}/pay/waits",
        next_url=one.next_url,
        give_up_url=f"{booking_url}/pay/give-up" if state is PaymentState.PENDING and one.next_url else "",
        id=one.id,
    )


async def receipt_page(request: Request) -> ReceiptPage:
    """The receipt whose secret the path holds. A Problem (404) where there is none."""
    payment_id = read_signed_id(part(request, SigningKey), request.path_params["token"])
    receipt: Receipt | None = None
    refunds: list[Refund] = []
    if payment_id is not None:
        async with part(request, Cashier).database.look() as connection:
            receipt = await records.receipt_of(connection, payment_id)
            refunds = await records.refunds_of(connection, payment_id)
    if receipt is None:
        raise problems.no_such_payment()
    kept = json.loads(receipt.body)
    known = {one: token for token, one in reservations(request).items()}
    token = known.get(kept["bill"]["reservation"])
    shown = receipt_of(receipt.number, kept, refunds, f"{origin_of(request)}{request.url.path}")
    return replace(shown, booking_url=f"/bookings/{token}" if token else "")


def receipt_of(number: int | None, kept: dict[str, Any], refunds: list[Refund], link: str) -> ReceiptPage:
    """The page of a receipt as it is ``kept``; ``link`` is its own address, whole."""
    bill = kept["bill"]
    zone, currency = bill["lot"]["timeZone"], kept["currency"]

    def at(text: str) -> str:
        instant = datetime.fromisoformat(text)
        return f"{words.day(instant, zone)} {words.clock(instant, zone)}"

    return ReceiptPage(
        number=f"{number or 0:06}",
        issuer=issuer_of(bill),
        lot_name=bill["lot"]["name"],
        slot_name=bill["slot"]["name"],
        from_text=at(bill["from"]),
        until_label=say_in("when", "Until") if bill["ended"] else say("Good for leaving until"),
        until_text=at(bill["until"]),
        lines=tuple(_fee_line(line, currency) for line in lines_of(bill, kept["amountMinor"])),
        amount=Money(kept["amountMinor"], currency).text(),
        paid_text=_paid_with(kept["means"], at(kept["paidAt"])),
        reference=kept["payment"],
        qr=_qr(link),
        refunds=tuple(
            PaymentRow(
                Money(-one.amount_minor, one.currency).text(),
                words.day(one.created_at, zone),
                wording.refund_words(one.state, kept["by"]),
            )
            for one in refunds
        ),
    )


def _paid_with(means: str, when: str) -> str:
    if means == "cash":
        return say("Paid {when}, cash", when=when)
    if means == "terminal":
        return say("Paid {when}, card terminal", when=when)
    return say("Paid {when}, card", when=when)


def booking_after_paying(token: str) -> str:
    """The booking's page, which says what became of the payment."""
    return f"/bookings/{token}?{COMES_FROM_PAYING}=done"


def onward_page(payment: Payment) -> OnwardPage:
    """A payer goes to the provider's own page."""
    amount = Money(payment.amount_minor, payment.currency).text()
    return OnwardPage(amount, payment.next_url, urlsplit(payment.next_url).hostname or "")


_CAME_BACK = {
    PaymentState.PENDING: (sentence("Not paid yet"), sentence("Your booking shows what becomes of it.")),
    PaymentState.PAID: (sentence("Paid"), sentence("Your booking shows it, with the receipt.")),
    PaymentState.FAILED: (
        sentence("Declined"),
        sentence("Nothing was charged. Your booking shows how else you can pay."),
    ),
    PaymentState.EXPIRED: (
        sentence("Not finished"),
        sentence("Nothing was charged. Your booking shows how else you can pay."),
    ),
}


async def back_from_provider(request: Request) -> str | CameBackPage:
    """The booking's address, where this browser knows it; else what became of the payment. Problem (404)."""
    payment = await hear(part(request, Cashier), request.path_params["payment"])
    await leave(part(request, Desk), part(request, Cashier), payment)
    for token, reservation in reservations(request).items():
        if reservation == payment.reservation_id:
            return booking_after_paying(token)
    title, follows = _CAME_BACK[PaymentState(payment.state)]
    amount = Money(payment.amount_minor, payment.currency).text()
    return CameBackPage(told(title), amount, told(follows), payment.id)


def accepted_page(entry: Entry, booking_url: str) -> AcceptedPage:
    """What a payer is told while SQL is away."""
    quote = entry.quote
    amount = Money(quote.amount_minor, quote.currency).text()
    return AcceptedPage(amount, quote.payment, booking_url, entry.leaves)


def _sandbox(request: Request) -> Sandbox:
    provider = part(request, Cashier).providers.get("sandbox")
    if not isinstance(provider, Sandbox):
        raise problems.no_such_payment()
    return provider


async def sandbox_page(request: Request) -> SandboxPage:
    """What the sandbox asks a payer. A Problem (404) where it asks nothing."""
    asked = await _sandbox(request).asked_of_payer(request.path_params["payment"])
    if asked is None:
        raise problems.no_such_payment()
    return SandboxPage(
        action_url=request.url.path,
        amount=Money(asked.amount_minor, asked.currency).text(),
        back_url=_own_path(asked.return_url),
        decided=told(_DECIDED.get(asked.charged.fate, "")),
    )


async def sandbox_decides(request: Request, *, ok: bool) -> str:
    """Tells the sandbox what the payer says, and writes down what came of it; where the payer goes then."""
    provider, payment_id = _sandbox(request), request.path_params["payment"]
    asked = await provider.asked_of_payer(payment_id)
    if asked is None:
        raise problems.no_such_payment()
    paid = await settle(part(request, Cashier), payment_id, await provider.confirm(payment_id, ok))
    await leave(part(request, Desk), part(request, Cashier), paid)
    return _own_path(asked.return_url)


def _own_path(url: str) -> str:
    """The path of an address of this installation: nobody is sent elsewhere."""
    path = urlsplit(url).path
    return path if path.startswith("/payments/back/") else "/bookings"


def _fee_line(line: dict[str, Any], currency: str) -> FeeLine:
    quantity = f"{line['quantity']} × {unit_words(line['unit'])}"
    return FeeLine(rule_words(line["rule"]), quantity, Money(line["amountMinor"], currency).text())


def _qr(link: str) -> Markup:
    """The receipt's own address: whoever holds the paper finds the same receipt."""
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        out, kind="svg", border=4, xmldecl=False, svgns=True, omitsize=True, dark="#000", light="#fff"
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno writes modules, never the text
