"""What takes back what was just done."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Undo:
    """A form that takes back what was just done: where it is sent, and with what."""

    url: str
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, slot: str, action: str, **fields: object) -> Undo:
        """At the slot with this address; it carries a key, so that it is done once."""
        sent = {"idempotency_key": new_id(), **fields}
        return cls(f"{slot}/{action}", tuple((name, str(value)) for name, value in sent.items()))
