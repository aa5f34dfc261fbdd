"""Signing in and out."""

import re
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.accounts import service
from app.accounts.access import COOKIE, cookie_name
from app.accounts.sessions import Sessions
from app.accounts.views import SignInNotice, SignInPage
from app.core import languages
from app.core.db import Database
from app.core.errors import InvalidInput, Problem
from app.core.forms import read_form
from app.core.languages import say
from app.core.parts import part
from app.core.templating import page

HOME = "/attendant"
LANGUAGE_KEPT_S = 365 * 24 * 3600
_MISREAD = re.compile(r"[\\\x00-\x20]")
_NOTICES: dict[str, SignInNotice] = {"signed-out": "signed-out", "link": "link-expired"}


async def sign_in_page(request: Request) -> Response:
    """``GET /sign-in``."""
    notice: SignInNotice = _NOTICES.get(request.query_params.get("notice", ""), "")
    return page("accounts/sign_in.html", SignInPage(_own(request.query_params.get("next")), notice=notice))


async def sign_in(request: Request) -> Response:
    """``POST /sign-in``: name and password."""
    try:
        sent = await read_form(request)
    except InvalidInput:
        # What can't be stored is no account's name and no password.
        return _does_not_fit("", "")
    name, password = sent.get("name", "").strip(), sent.get("password", "")
    going = _own(sent.get("next"))
    if not name or not password:
        view = SignInPage(
            going,
            name,
            name_error="" if name else say("Give your name."),
            password_error="" if password else say("Give your password."),
        )
        return page("accounts/sign_in.html", view, 422)
    try:
        secret = await service.sign_in(part(request, Database), name, password)
    except Problem:
        return _does_not_fit(going, name)
    return signed_in_response(request, secret, going)


async def use_link(request: Request) -> Response:
    """``GET /sign-in/{secret}``: a link that signs in once. Looking at it (HEAD) does not use it up."""
    if request.method == "HEAD":
        return Response()
    try:
        secret = await service.use_link(part(request, Database), request.path_params["secret"])
    except Problem:
        return RedirectResponse("/sign-in?notice=link", 303)
    return signed_in_response(request, secret, HOME)


async def sign_out(request: Request) -> Response:
    """``POST /sign-out``: ends the session, here and on the server."""
    secret = request.cookies.get(cookie_name(request, COOKIE))
    if secret:
        await part(request, Sessions).end(secret)
    response = RedirectResponse("/sign-in?notice=signed-out", 303)
    response.delete_cookie(cookie_name(request, COOKIE))
    return response


async def choose_language(request: Request) -> Response:
    """``POST /language``: the screens speak this language from now on, in this browser."""
    sent = await read_form(request)
    response = RedirectResponse(_own(sent.get("back")) or "/", 303)
    if sent.get("language") in languages.LANGUAGES:
        response.set_cookie(
            languages.COOKIE,
            sent["language"],
            max_age=LANGUAGE_KEPT_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    return response


def _does_not_fit(going: str, name: str) -> Response:
    view = SignInPage(going, name, problem=say("Name and password do not fit together."))
    return page("accounts/sign_in.html", view, 401)


def signed_in_response(request: Request, secret: str, going: str) -> Response:
    """Leads on to ``going``, with the session's secret in a cookie."""
    response = RedirectResponse(going or HOME, 303)
    response.set_cookie(
        cookie_name(request, COOKIE),
        secret,
        max_age=int(service.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def _own(address: str | None) -> str:
    """The address, if it is a path of this site."""
    # A browser drops tabs and line ends, and takes a backslash for a slash.
    if not address or not address.startswith("/") or address.startswith("//") or _MISREAD.search(address):
        return ""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return "" if parts.scheme or parts.netloc else address
