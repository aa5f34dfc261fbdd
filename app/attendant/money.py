"""What an attendant sees of money: what is to be given back, and what a lot took today."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import SigningKey, account
from app.accounts.models import Role
from app.attendant import views
from app.bookings import problems
from app.core import metrics, words
from app.core.days import day_of, day_span, day_text
from app.core.forms import read_form
from app.core.ids import sign_id
from app.core.money import Money
from app.core.parts import part
from app.core.templating import page
from app.payments import listing, wording
from app.payments.models import Payment, PaymentState
from app.payments.paying import Cashier
from app.payments.refunding import hand_back
from app.slots import queries as slots

MOST_LOTS = 200


async def money(request: Request) -> Response:
    """``GET /attendant/money``: what is to be given back; with ``?lot=`` there, and today's payments."""
    cashier, code = part(request, Cashier), request.query_params.get("lot", "").strip()[:80]
    by_hand = [one.name for one in cashier.providers.values() if one.by_attendant]
    async with cashier.database.look() as connection:
        now = await cashier.database.now(connection)
        lots = await slots.lots(connection, limit=MOST_LOTS)
        lot = await slots.lot_of_code(connection, code) if code else None
        if code and lot is None:
            raise problems.no_such_lot(code)
        pairs = await listing.pending_refunds(connection, by_hand, lot.id if lot else None)
        found, today = listing.Page([], {}, None), ""
        if lot is not None:
            day = day_of(now, lot.time_zone)
            today = day_text(day)
            wanted = listing.Wanted(lot.id, day_span(day, lot.time_zone))
            found = await listing.payment_page(connection, wanted)
    view = views.MoneyPage(
        attendant=account(request).name,
        is_operator=account(request).role is Role.OPERATOR,
        lot=lot.name if lot else "",
        lot_code=lot.code if lot else "",
        lots=tuple((one.code, one.name) for one in lots),
        today=today,
        to_give=tuple(wording.to_give(refund, payment) for refund, payment in pairs),
        payments=tuple(_row(request, one, found.pending_minor.get(one.id, 0)) for one in found.payments),
        has_more=found.following is not None,
        notice="It is noted as given back." if request.query_params.get("done") == "given-back" else "",
    )
    return page("attendant/money.html", view)


def _row(request: Request, one: Payment, pending_minor: int) -> views.PaymentRow:
    place = wording.place_of(one)
    token = sign_id(part(request, SigningKey), one.id) if one.state == PaymentState.PAID else ""
    return views.PaymentRow(
        when=words.clock(one.created_at, place.time_zone),
        slot=place.slot,
        amount=Money(one.amount_minor, one.currency).text(),
        means=wording.means_words(one.means),
        by=one.by,
        state=wording.payment_words(one, pending_minor),
        receipt_url=f"/receipts/{token}" if token else "",
    )


async def given_back(request: Request) -> Response:
    """``POST /attendant/money/{refund}/given-back``: somebody has handed it over."""
    sent = await read_form(request)
    await hand_back(part(request, Cashier), request.path_params["refund"], account(request).name)
    metrics.ATTENDED.labels("give-back").inc()
    return RedirectResponse(views.money_url(sent.get("lot", "")[:80], done="given-back"), 303)
