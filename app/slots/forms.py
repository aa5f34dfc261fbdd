"""A slot's metadata as somebody gives it."""

from dataclasses import dataclass, field
from typing import Any

from app.slots.models import Size

DEFAULT_LOT = "main"
DEFAULT_AREA = "A"


@dataclass(frozen=True)
class SlotForm:
    """All that ``PUT /parking`` may say of a slot; ``None`` leaves it as it is, or as the default."""

    identifier: str
    location: Any = None
    size: Size | None = None
    premium: bool | None = None
    lot: str | None = None
    area: str | None = None
    name: str | None = None
    accessible: bool | None = None
    charging: bool | None = None
    outline: list[tuple[float, float]] | None = None
    if_match: str | None = None
    given: frozenset[str] = field(default_factory=frozenset)
