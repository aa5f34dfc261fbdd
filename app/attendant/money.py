"""What an attendant sees of money: what is to be given back, who left unpaid, what a lot took today."""

from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import SigningKey, account
from app.accounts.models import Role
from app.attendant.money_views import LotMoney, MoneyPage, OwedRow, PaymentRow, money_url
from app.attendant.slot_panel import take_of
from app.attendant.urls import lot_url
from app.bookings import problems
from app.bookings import queries as bookings
from app.core import metrics, words
from app.core.days import day_of, day_span
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.ids import sign_id
from app.core.languages import say, told
from app.core.money import Money
from app.core.parts import part
from app.core.templating import page
from app.core.words import day_text
from app.payments import listing, wording
from app.payments.daybook import Sum, day_tills
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier, Order, pay
from app.payments.refunding import hand_back, may_undo, undo
from app.slots import queries as slots

MOST_LOTS = 200
MOST_OWED = 20
# Who drove off and comes back, or stands at the way out.
OWED_FOR = timedelta(hours=24)


async def money(request: Request) -> Response:
    """``GET /attendant/money``: what is to be given back and where somebody left without paying; with
    ``?lot=`` who that was there, and today's payments."""
    cashier, code = part(request, Cashier), request.query_params.get("lot", "").strip()[:80]
    typed = request.query_params.get("q", "").replace("\x00", "").strip()[:32]
    by_hand = [one.name for one in cashier.providers.values() if one.by_attendant]
    async with cashier.database.look() as connection:
        now = await cashier.database.now(connection)
        lots = await slots.lots(connection, limit=MOST_LOTS)
        lot = await slots.lot_of_code(connection, code) if code else None
        if code and lot is None:
            raise problems.no_such_lot(code)
        since = now - OWED_FOR
        pairs = await listing.pending_refunds(connection, by_hand, lot.id if lot else None)
        unpaid_in = await bookings.owing_by_lot(connection, [one.id or 0 for one in lots], since)
        found, today, unpaid = listing.Page([], {}, None), "", []
        tills: tuple[Sum, ...] = ()
        if lot is not None:
            day = day_of(now, lot.time_zone)
            today = day_text(day)
            span = day_span(day, lot.time_zone)
            found = await listing.payment_page(connection, listing.Wanted(lot.id, span))
            tills = await day_tills(connection, lot.id or 0, *span)
            unpaid = await bookings.owing(connection, lot.id or 0, since, typed, MOST_OWED + 1)
    owed = [await _owed(cashier, one, lot.time_zone if lot else "", now) for one in unpaid[:MOST_OWED]]
    done = request.query_params.get("done", "")
    view = MoneyPage(
        attendant=account(request).name,
        is_operator=account(request).role is Role.OPERATOR,
        lot=lot.name if lot else "",
        lot_code=lot.code if lot else "",
        lots=tuple(LotMoney(one.code, one.name, unpaid_in.get(one.id or 0, 0)) for one in lots),
        today=today,
        to_give=tuple(wording.to_give(refund, payment) for refund, payment in pairs),
        payments=tuple(_row(request, one, found.pending_minor.get(one.id, 0), now) for one in found.payments),
        sums=tuple((wording.till_words(one.key), Money(one.net_minor, one.currency).text()) for one in tills),
        desk_url=lot_url(lot.code) if lot else "",
        has_more=found.following is not None,
        notice=_said(done),
        refused=_refused(done),
        owed=tuple(one for one in owed if one is not None),
        owed_more=len(unpaid) > MOST_OWED,
        typed=typed,
    )
    return page("attendant/money.html", view)


def _said(done: str) -> str:
    return {
        "given-back": say("It is noted as given back."),
        "taken": say("It is taken. The receipt is below."),
        "undone": say("The payment is undone: nothing was taken."),
    }.get(done, "")


def _refused(done: str) -> str:
    return {
        "changed": say(
            "Nothing was taken: what is owed has changed, or somebody else was paying. This is how it is now."
        ),
        "too-late": say("Who took it can undo it for five minutes. An operator can give it back."),
    }.get(done, "")


async def _owed(cashier: Cashier, one: bookings.Owing, time_zone: str, now: datetime) -> OwedRow | None:
    take = await take_of(cashier, one.reservation)
    if take is None:
        return None
    left = words.clock(one.ended_at, time_zone, now)
    return OwedRow(one.reservation, one.entity, one.slot, left, take)


async def taken(request: Request) -> Response:
    """``POST /attendant/money/take``: somebody has paid for what had ended; sent again, it is once."""
    sent = await read_form(request)
    lot = sent.get("lot", "")[:80]
    try:
        order = Order(sent.get("means", ""), by=account(request).name)
        await pay(part(request, Cashier), sent.get("quote", ""), order)
    except Problem as problem:
        if problem.status != 409:
            raise
        return RedirectResponse(money_url(lot, done="changed"), 303)
    metrics.ATTENDED.labels("pay").inc()
    return RedirectResponse(money_url(lot, done="taken"), 303)


async def undone(request: Request) -> Response:
    """``POST /attendant/money/{payment}/undo``: who took it a moment ago did not."""
    sent = await read_form(request)
    lot = sent.get("lot", "")[:80]
    try:
        await undo(part(request, Cashier), request.path_params["payment"], account(request).name)
    except Problem as problem:
        if problem.status != 409:
            raise
        return RedirectResponse(money_url(lot, done="too-late"), 303)
    metrics.ATTENDED.labels("undo-pay").inc()
    return RedirectResponse(money_url(lot, done="undone"), 303)


def _row(request: Request, one: Payment, pending_minor: int, now: datetime) -> PaymentRow:
    place = wording.place_of(one)
    token = sign_id(part(request, SigningKey), one.id) if one.state == PaymentState.PAID else ""
    return PaymentRow(
        when=words.clock(one.created_at, place.time_zone),
        slot=place.slot,
        amount=Money(one.amount_minor, one.currency).text(),
        means=wording.means_words(one.means),
        by=one.by,
        state=told(wording.payment_words(one, pending_minor)),
        receipt_url=f"/receipts/{token}" if token else "",
        undo=one.id if may_undo(one, account(request).name, now) else "",
    )


async def given_back(request: Request) -> Response:
    """``POST /attendant/money/{refund}/given-back``: somebody has handed it over."""
    sent = await read_form(request)
    await hand_back(part(request, Cashier), request.path_params["refund"], account(request).name)
    metrics.ATTENDED.labels("give-back").inc()
    return RedirectResponse(money_url(sent.get("lot", "")[:80], done="given-back"), 303)
