"""What a booking is asked with, as plain facts; checked against the database's time, not the client's."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.bookings import entity
from app.core.errors import FieldError
from app.core.languages import sentence
from app.slots.layout import Wish

# A client's clock may be a minute behind; a slot is held at most a day before it is used.
SKEW = timedelta(seconds=60)
AHEAD = timedelta(hours=24)
# Held for nothing for so long after the call, then billed even if `time` lies later.
FREE_HOLD = timedelta(minutes=30)
LONGEST_STAY = timedelta(days=366)
LONGEST_FORM_KEY = 64


@dataclass(frozen=True)
class IdempotencyKey:
    """Under which a caller may send the same request again and get the same answer.

    ``waits``: while the first one is under way, the second waits for its answer instead of being told so:
    whoever presses a button twice sees the page of the last press.
    """

    caller: str
    key: str
    request_digest: str
    waits: bool = False


def billed_from(start: datetime | None, now: datetime) -> datetime:
    """When the price begins to run: at the start, or half an hour after the call if that is earlier.

    The slot is held from the call on; for that half hour it is held for nothing.
    """
    return min(start or now, now + FREE_HOLD)


def form_key(sent: Mapping[str, str], what: str) -> IdempotencyKey | None:
    """The key that a form carries as ``idempotency_key``: sent twice, it does once ``what`` it asks for."""
    key = sent.get("idempotency_key", "")
    if not 1 <= len(key) <= LONGEST_FORM_KEY:
        return None
    rest = sorted((name, value) for name, value in sent.items() if name != "idempotency_key")
    rest.append(("", what))
    digest = hashlib.sha256(repr(rest).encode()).hexdigest()
    return IdempotencyKey("browser", key, digest, waits=True)


@dataclass(frozen=True)
class ReserveRequest:
    """A slot for ``entity``: the one named, or the nearest that fits ``wish`` in ``lot`` or anywhere.

    ``hold``: what keeps the named slot for who asks. ``codes``: of offers.
    """

    entity: str
    lot: str | None = None
    slot: str | None = None
    wish: Wish = field(default_factory=Wish)
    start: datetime | None = None
    until: datetime | None = None
    source: str = "api"
    arrived: bool = False
    hold: str | None = None
    codes: tuple[str, ...] = ()
    idempotency: IdempotencyKey | None = None

    def wrong_fields(self, now: datetime) -> list[FieldError]:
        """Everything that is wrong, at once."""
        errors = []
        if wrong := entity.what_is_wrong(self.entity):
            errors.append(FieldError("entityIdentifier", wrong))
        start = self.start or now
        if start < now - SKEW:
            errors.append(FieldError("time", sentence("lies in the past")))
        if start > now + AHEAD:
            errors.append(FieldError("time", sentence("lies more than 24 hours ahead")))
        if self.until is not None and self.until <= start:
            errors.append(FieldError("until", sentence("is not after the start")))
        elif self.until is not None and self.until <= now:
            errors.append(FieldError("until", sentence("lies in the past")))
        elif self.until is not None and self.until - start > LONGEST_STAY:
            errors.append(FieldError("until", sentence("is more than a year after the start")))
        return errors


@dataclass(frozen=True)
class UnreserveRequest:
    """Ends the booking of ``entity`` on ``slot``, or the one named by ``reservation``."""

    entity: str
    slot: str
    reservation: str | None = None
    time: datetime | None = None
    idempotency: IdempotencyKey | None = None

    def wrong_fields(self, now: datetime) -> list[FieldError]:
        """Everything that is wrong, at once."""
        errors = []
        if wrong := entity.what_is_wrong(self.entity):
            errors.append(FieldError("entityIdentifier", wrong))
        if self.time is not None and self.time > now + SKEW:
            errors.append(FieldError("time", sentence("lies in the future")))
        return errors

    def too_old(self, now: datetime) -> bool:
        """Whether ``time`` lies further back than a clock may be wrong."""
        return self.time is not None and self.time < now - SKEW
