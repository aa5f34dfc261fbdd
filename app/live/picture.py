"""What a process knows of a lot that somebody watches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

# Where Redis has no status that may be believed, pictures come from SQL and say so.
SQL_EPOCH = "sql"
# A slot that is held for somebody shows as reserved.
HELD_CODE, HELD_SHOWS_AS = 4, 1
_SHOWN = bytes(HELD_SHOWS_AS if code == HELD_CODE else code for code in range(256))


@dataclass
class Picture:
    """A lot's states by position (codes of ``slots.models``), as of one number of its sequence.

    ``layout`` belongs to whoever reads pictures and renders projections; the feed only compares its
    version. ``as_of`` is in seconds of ``steady_s``: the last instant at which this was known to be current.
    ``memo`` keeps what projections have worked out, until the next change.
    """

    lot_id: int
    layout: Any
    layout_version: int
    epoch: str
    seq: int
    states: bytearray
    as_of: float | None
    changed: set[int] = field(default_factory=set)
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> bytes:
        """The states as everyone may see them."""
        return bytes(self.states.translate(_SHOWN))

    def age_s(self, now: float) -> int | None:
        """Whole seconds since ``as_of``, at second ``now`` of ``steady_s``."""
        return None if self.as_of is None else max(0, int(now - self.as_of))

    @property
    def mark(self) -> str:
        """Epoch and number, as viewers are sent it."""
        return f"{self.epoch}:{self.seq}"


class Source(Protocol):
    """Where pictures come from."""

    async def read(self, lot_id: int, before: Picture | None) -> Picture | None:
        """The lot as it is now: from Redis, else from SQL; ``None`` where neither answers."""

    async def heads(self, lot_ids: list[int]) -> dict[int, tuple[str, int]] | None:
        """Epoch and last number of each lot, ``("", 0)`` where it is not built; ``None`` without Redis."""

    async def lagging(self) -> set[int] | None:
        """Lots with a change that Redis has not seen for longer than it may; ``None`` where SQL is away."""

    def positions(self, picture: Picture, ranks: list[int]) -> list[int] | None:
        """Where these ranks stand; ``None`` where the layout does not know one of them."""


class Projection(Protocol):
    """What one kind of viewer is shown. Rendering is pure and quick: it happens once a tick for all."""

    @property
    def name(self) -> str: ...

    @property
    def with_states(self) -> bool:
        """Whether frames carry the states of slots, for a map."""

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        """Out-of-band HTML for these changes, or for everything (``None``); may be empty."""

    def figures(self, picture: Picture) -> Mapping[str, int]:
        """Numbers of the page by the id of what shows them; a page sets those that differ, without htmx."""
