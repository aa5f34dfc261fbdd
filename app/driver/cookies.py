"""Which bookings this browser has made: their secrets, in a cookie that no script reads."""

from starlette.requests import Request
from starlette.responses import Response

from app.accounts.access import SigningKey, cookie_name
from app.core.ids import read_signed_id
from app.core.parts import part

COOKIE = "lotline_bookings"
KEPT = 12
LIFE_S = 30 * 24 * 3600


def tokens(request: Request) -> list[str]:
    """The secrets of this browser's bookings, the newest first; what is not ours is left out."""
    key = part(request, SigningKey)
    found = [one for one in request.cookies.get(cookie_name(request, COOKIE), "").split(".") if one]
    return [one for one in found[:KEPT] if read_signed_id(key, one) is not None]


def reservations(request: Request) -> dict[str, str]:
    """Each secret's booking."""
    key = part(request, SigningKey)
    return {token: read_signed_id(key, token) or "" for token in tokens(request)}


def remember(request: Request, response: Response, token: str) -> None:
    """Adds a booking's secret to this browser's."""
    kept = [token, *(one for one in tokens(request) if one != token)][:KEPT]
    response.set_cookie(
        cookie_name(request, COOKIE),
        ".".join(kept),
        max_age=LIFE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
