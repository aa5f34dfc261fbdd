"""Secrets that sign what is handed out and comes back: the first signs, all are believed.

So a new one is put before the old one, and the old one is taken away when nothing signed by it is about.
"""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Any

LONGEST_SIGNED = 4_000


@dataclass(frozen=True)
class Secrets:
    """At least one, the newest first."""

    keys: tuple[bytes, ...]

    def sign(self, purpose: str, facts: dict[str, Any]) -> str:
        """Facts as text that nobody can change unseen; what one purpose signs no other one believes."""
        body = json.dumps(facts, separators=(",", ":"), sort_keys=True).encode()
        mac = _mac(self.keys[0], purpose, body)
        return f"{_text(body)}.{_text(mac)}"

    def read(self, purpose: str, signed: str) -> dict[str, Any] | None:
        """What was signed for this purpose; ``None`` where it was not."""
        if len(signed) > LONGEST_SIGNED or not signed.isascii():
            return None
        first, _, last = signed.partition(".")
        try:
            body, mac = _bytes(first), _bytes(last)
        except (binascii.Error, ValueError):
            return None
        # Each is looked at, however early one fits: time tells nothing of which.
        fits = [hmac.compare_digest(mac, _mac(key, purpose, body)) for key in self.keys]
        if not any(fits):
            return None
        facts: dict[str, Any] = json.loads(body)
        return facts


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + body, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(data) != text:
        # Decoding passes over letters of other alphabets: each has one writing.
        raise ValueError(text)
    return data
