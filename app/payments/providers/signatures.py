"""Signatures of webhooks: HMAC-SHA256 over the instant and the raw body, as Stripe writes them.

A header reads ``t=<seconds since 1970>,v1=<hex>``, with one ``v1`` for each secret that the sender holds, and
what is signed is ``<t>.<raw body>`` (https://docs.stripe.com/webhooks#verify-manually). Two secrets are valid
at once while one replaces the other.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.payments.providers.protocol import BadWebhook

# What is older may be someone's recording; what is from the future is as wrong.
WINDOW_S = 300
SHORTEST_SECRET = 16
_SECONDS = re.compile(r"[0-9]{1,12}")


def secrets_of(given: Sequence[str]) -> tuple[str, ...]:
    """Secrets that may sign, the newest first. ValueError: a short one can be guessed."""
    # A string is a sequence of strings, too, of one letter each.
    if isinstance(given, str) or any(len(secret.strip()) < SHORTEST_SECRET for secret in given):
        raise ValueError(f"a webhook's secret has less than {SHORTEST_SECRET} characters")
    return tuple(given)


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The header's text for a body that is sent now."""
    seconds = str(int(now.timestamp()))
    return f"t={seconds},v1={_mac(secret, seconds, body)}"


def check(headers: Mapping[str, str], name: str, body: bytes, secrets: Sequence[str], now: datetime) -> None:
    """Returns where the header ``name`` was written over this body with one of the secrets, and just now.

    Else BadWebhook. Names of headers are compared without regard to case.
    """
    given = [value for key, value in headers.items() if key.lower() == name.lower()]
    if len(given) != 1:
        raise BadWebhook("it is not signed, or more than once")
    seconds, macs = _parts(given[0])
    # Each with each, however early one fits: what is compared in constant time is not given away by a count.
    fits = [
        hmac.compare_digest(_mac(secret, seconds, body).encode(), mac.encode())
        for secret in secrets
        for mac in macs
    ]
    if not any(fits):
        raise BadWebhook("the signature is of another body, or by another secret")
    if abs(now.timestamp() - int(seconds)) > WINDOW_S:
        raise BadWebhook("it was not signed just now")


def _parts(header: str) -> tuple[str, list[str]]:
    """The instant as it was written, which is what was signed, and the signatures."""
    pairs = [part.strip().partition("=") for part in header.split(",")]
    instants = [value for key, _, value in pairs if key == "t"]
    if len(instants) != 1 or not _SECONDS.fullmatch(instants[0]):
        raise BadWebhook("the signature has no instant")
    return instants[0], [value for key, _, value in pairs if key == "v1"]


def _mac(secret: str, seconds: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
