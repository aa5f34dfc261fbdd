"""Where a request comes from, as far as it has to be told apart."""

import hmac
import ipaddress

from starlette.requests import Request

from app.accounts.access import SigningKey
from app.core.parts import part


def address_digest(request: Request) -> str:
    """A digest of the address: nobody can tell from it where somebody is.

    Of an IPv6 address the network: one machine has as many of them as it likes.
    """
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        shown = host
    else:
        shown = str(address)
        if isinstance(address, ipaddress.IPv6Address):
            mapped = address.ipv4_mapped
            shown = str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return hmac.digest(part(request, SigningKey), b"address" + shown.encode(), "sha256").hex()
