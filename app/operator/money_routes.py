"""The operator's addresses of money: payments, refunds, the closing."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts.access import account
from app.core.errors import Problem
from app.core.forms import read_form
from app.core.languages import say, told
from app.core.money import Money
from app.core.parts import part
from app.core.templating import page
from app.operator import closing_page, money_views, payment_page
from app.operator.payments_page import payments_page
from app.payments import problems, records, refunding, wording
from app.payments.models import Refund, RefundState
from app.payments.paying import Cashier

_TOLD_HERE = ("not-so-much-left", "being-paid", "provider-not-here")


async def payments(request: Request) -> Response:
    """``GET /operator/payments``: the payments, newest first."""
    notice = say("It is noted as given back.") if request.query_params.get("done") == "given-back" else ""
    view, status = await payments_page(request, notice)
    return page("operator/payments.html", view, status)


async def payment(request: Request) -> Response:
    """``GET /operator/payments/{payment}``: all there is to know of one."""
    found = await payment_page.known(request)
    said = _done(found, request.query_params.get("refunded", ""))
    return page("operator/payment.html", payment_page.payment_page(request, found, **said))


def _done(found: payment_page.Known, number: str) -> dict[str, str]:
    """What the page says after a refund that was just made."""
    refund = next((one for one in found.refunds if str(one.number) == number), None)
    if refund is None:
        return {}
    said = wording.refund_words(refund.state, found.payment.provider)
    amount = Money(refund.amount_minor, refund.currency).text()
    if refund.state == RefundState.FAILED:
        return {"problem": f"{amount} {said}.", "problem_more": say("The payment stands as it was.")}
    is_underway = refund.state == RefundState.PENDING and found.payment.provider != wording.DESK
    more = (
        say("The card's provider has not said yet that it is done; it is asked again by itself.")
        if is_underway
        else ""
    )
    return {"notice": f"{amount} {said}.", "notice_more": more}


async def refund(request: Request) -> Response:
    """``POST …/refund``: asks whether it is right; with ``step`` at ``give`` it gives back, once."""
    sent = await read_form(request)
    found = await payment_page.known(request)
    order = payment_page.read_refund(request, found, sent)
    if order.form.unavailable and not any(one.number == order.number for one in found.refunds):
        return _shown(request, found, None, 409, problem=order.form.unavailable)
    if order.form.errors:
        return _shown(request, found, order, 422)
    if sent.get("step") == "change":
        return _shown(request, found, order, 200)
    if sent.get("step") != "give":
        return _shown(request, found, order, 200, True)
    by = account(request).name
    try:
        done = await refunding.give_back(
            part(request, Cashier),
            found.payment.id,
            order.amount_minor,
            order.reason,
            by,
            number=order.number,
        )
    except Problem as problem:
        if problem.type not in _TOLD_HERE:
            raise
        said = {"problem": f"{told(problem.title)}.", "problem_more": told(problem.detail)}
        return _shown(request, await payment_page.known(request), order, 409, **said)
    if not _is_same(done, order, by):
        fresh = await payment_page.known(request)
        amount = Money(done.amount_minor, done.currency)
        other = say("{name} gave back {amount} meanwhile.", name=done.by, amount=amount)
        more = say("Nothing else was given back. See what is left.")
        return _shown(request, fresh, None, 409, problem=other, problem_more=more)
    url = money_views.filled(money_views.payment_url(found.payment.id), refunded=str(done.number))
    return RedirectResponse(url, 303)


def _is_same(done: Refund, order: payment_page.Sent, by: str) -> bool:
    """Whether the refund of this number is the one that was sent, now or a moment before."""
    return (done.amount_minor, done.reason, done.by) == (order.amount_minor, order.reason, by)


def _shown(
    request: Request,
    found: payment_page.Known,
    order: payment_page.Sent | None,
    status: int,
    asks: bool = False,
    /,
    **said: str,
) -> Response:
    form = None if order is None else payment_page.sent_form(order, found, asks=asks)
    return page("operator/payment.html", payment_page.payment_page(request, found, form, **said), status)


async def given_back(request: Request) -> Response:
    """``POST /operator/payments/refunds/{refund}/given-back``: somebody has handed it over."""
    sent = await read_form(request)
    cashier = part(request, Cashier)
    async with cashier.database.look() as connection:
        done = await records.refund(connection, request.path_params["refund"])
    if done is None:
        raise problems.no_such_refund()
    await refunding.hand_back(cashier, done.id, account(request).name)
    if sent.get("back") == "list":
        return RedirectResponse(f"{money_views.PAYMENTS}?done=given-back", 303)
    url = money_views.filled(money_views.payment_url(done.payment_id), refunded=str(done.number))
    return RedirectResponse(url, 303)


async def closing(request: Request) -> Response:
    """``GET /operator/closing``: a lot's day, to be counted, closed and printed."""
    view, status = await closing_page.closing_page(request)
    return page("operator/closing.html", view, status)


async def close(request: Request) -> Response:
    """``POST /operator/closing``: closes the day with what was counted; once."""
    sent = await read_form(request)
    view, status = await closing_page.close(request, sent)
    if isinstance(view, str):
        return RedirectResponse(view, 303)
    return page("operator/closing.html", view, status)


async def closing_csv(request: Request) -> Response:
    """``GET /operator/closing.csv``: the same for a spreadsheet."""
    name, text = await closing_page.csv_file(request)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    # Spreadsheets take it for another alphabet without the mark.
    return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=headers)
