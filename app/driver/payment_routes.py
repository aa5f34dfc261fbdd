"""Addresses of payments themselves: the way back from a provider, the sandbox's bank, receipts."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.core.forms import read_form
from app.core.templating import page
from app.driver import paying
from app.driver.routes import SECRET_PAGE


async def back(request: Request) -> Response:
    """``GET /payments/back/{payment}``: a payer comes back from a provider's page."""
    found = await paying.back_from_provider(request)
    if isinstance(found, str):
        return RedirectResponse(found, 303)
    return page("driver/came_back.html", found, headers=SECRET_PAGE)


async def sandbox(request: Request) -> Response:
    """``GET /payments/sandbox/{payment}``: what a card's bank would ask."""
    return page("driver/sandbox.html", await paying.sandbox_page(request), headers=SECRET_PAGE)


async def sandbox_answer(request: Request) -> Response:
    """``POST /payments/sandbox/{payment}``: the payer's answer."""
    sent = await read_form(request)
    return RedirectResponse(await paying.sandbox_decides(request, ok=bool(sent.get("ok"))), 303)


async def receipt(request: Request) -> Response:
    """``GET /receipts/{token}``: for whoever holds its secret; the same for ever."""
    return page("driver/receipt.html", await paying.receipt_page(request), headers=SECRET_PAGE)
