"""Identifiers, and the secrets that prove who holds a booking."""

import base64
import hashlib
import hmac
import secrets
import time
import uuid

TOKEN_CHARACTERS = 36
_MAC_BYTES = 11
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): unique, and later ones sort later, to the millisecond."""
    timestamp_ms = time.time_ns() // 1_000_000
    value = (timestamp_ms << 80) | secrets.randbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def new_secret() -> str:
    """256 random bits, fit for a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored in place of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def sign_id(key: bytes, identifier: str) -> str:
    """A token of 36 characters that carries a UUID and proves that who shows it was given it.

    It is derived, not stored, so that an answer that is sent again carries the same token.
    """
    raw = uuid.UUID(identifier).bytes
    return base64.urlsafe_b64encode(raw + _mac(key, raw)).decode()


def read_signed_id(key: bytes, token: str) -> str | None:
    """The UUID in a token of :func:`sign_id`, or ``None`` where the token is not one of ours."""
    if len(token) != TOKEN_CHARACTERS:
        return None
    try:
        decoded = base64.urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        return None
    # Decoding passes over padding and letters of other alphabets: each booking has one token, not several.
    if base64.urlsafe_b64encode(decoded).decode() != token:
        return None
    raw, mac = decoded[:16], decoded[16:]
    if len(decoded) != 16 + _MAC_BYTES or not hmac.compare_digest(mac, _mac(key, raw)):
        return None
    return str(uuid.UUID(bytes=raw))


def short_code(key: bytes, identifier: str) -> str:
    """Eight characters to read out at a gate, without those that are mistaken for one another."""
    number = int.from_bytes(hmac.digest(key, b"code" + uuid.UUID(identifier).bytes, "sha256")[:8])
    letters = []
    for _ in range(8):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters[:4]) + " " + "".join(letters[4:])


def _mac(key: bytes, raw: bytes) -> bytes:
    return hmac.digest(key, b"booking" + raw, "sha256")[:_MAC_BYTES]
