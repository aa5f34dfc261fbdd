"""Who a driver without an account is: a secret of the browser, and the address that it comes from."""

from starlette.requests import Request
from starlette.responses import Response

from app.accounts.access import cookie_name
from app.accounts.addresses import address_digest
from app.bookings.hold import Visitor
from app.core.ids import digest, new_secret

COOKIE = "lotline_browser"
LIFE_S = 30 * 24 * 3600
LONGEST_SECRET = 64


def known_browser(request: Request) -> str | None:
    """The digest of this browser's secret, if it has one."""
    secret = _secret(request)
    return digest(secret) if secret else None


def visitor(request: Request) -> tuple[Visitor, str]:
    """Who asks, with the secret to :func:`remember`; a new one where the browser has none."""
    secret = _secret(request) or new_secret()
    return Visitor(digest(secret), address_digest(request)), secret


def remember(request: Request, response: Response, secret: str) -> None:
    """Leaves the secret with the browser, where no script reads it."""
    response.set_cookie(
        cookie_name(request, COOKIE),
        secret,
        max_age=LIFE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _secret(request: Request) -> str:
    secret = request.cookies.get(cookie_name(request, COOKIE), "")
    return secret if 32 <= len(secret) <= LONGEST_SECRET else ""
