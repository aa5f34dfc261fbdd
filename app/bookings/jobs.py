"""What waits in line at the desk: one request each, with what it is to try next, and what came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.results import (
    Arrived,
    Extended,
    Held,
    InLine,
    Released,
    Relocated,
    Reserved,
    Worked,
)
from app.core.errors import Problem
from app.slots.layout import Frame, Wish
from app.slots.models import State
from app.slots.status import LotKey, Proposal


@dataclass(eq=False)
class Taking:
    """A reserve. ``frame``: the lot to look in first; ``None`` where the request names its slot.

    ``lost_proposals``: of earlier rounds. Their leases are kept until the request is answered: else the same
    slots would only be proposed again.
    """

    request: ReserveRequest
    frame: Frame | None = None
    lost: int = 0
    by_sql: bool = False
    proposal: Proposal | None = None
    lost_proposals: list[Proposal] = field(default_factory=list)

    @property
    def key(self) -> IdempotencyKey | None:
        return self.request.idempotency

    @property
    def proposals(self) -> list[Proposal]:
        """All that is leased for it: what it lost, and what it is to try next."""
        return [*self.lost_proposals, *([] if self.proposal is None else [self.proposal])]

    @property
    def only_lot(self) -> int | None:
        """The lot that was asked for; ``None`` where any will do."""
        return self.frame.lot_id if self.frame is not None and self.request.lot is not None else None

    @property
    def lot_key(self) -> LotKey:
        assert self.frame is not None
        return LotKey(self.frame.lot_id, self.frame.lot.order_version)


@dataclass(eq=False)
class Ending:
    """An unreserve: as it was asked for, or of the booking ``reservation`` by who may end it.

    ``seen``: number and version of the slot on the screen, where nobody is to end what has changed since.
    ``as_no_show``: only where the time for arriving has run out, by the database's clock.
    ``moved``: the booking that is meant, found in an earlier round, and the slot that it was moved from.
    ``left_at``: when its driver left, where that could not be written down then.
    """

    request: UnreserveRequest | None = None
    reservation: str | None = None
    seen: tuple[int, int] | None = None
    idempotency: IdempotencyKey | None = None
    as_no_show: bool = False
    moved: tuple[str, int] | None = None
    left_at: datetime | None = None

    @property
    def key(self) -> IdempotencyKey | None:
        return self.request.idempotency if self.request is not None else self.idempotency

    @property
    def of_booking(self) -> str | None:
        """The booking that it ends, where it is not found by the slot that the request names."""
        return self.moved[0] if self.moved is not None else self.reservation

    @property
    def time_given(self) -> datetime | None:
        return self.request.time if self.request is not None else self.left_at


@dataclass(eq=False)
class Moving:
    """What an attendant does at a slot that was seen at ``version``."""

    slot_id: int
    version: int
    expected: State
    target: State
    key: IdempotencyKey | None = None


class Act(StrEnum):
    """What is done to slots: closing waits for who has one, opening gives it to who waits for it."""

    CLOSE = "close"
    OPEN = "open"


@dataclass(eq=False)
class Working:
    """Closes or opens slots, each as it is then.

    One that was seen at ``version`` only while it is so, and in one of the ``expected`` states. ``by``: the
    attendant, for the trail.
    """

    act: Act
    slot_ids: tuple[int, ...]
    expected: tuple[State, ...] | None = None
    version: int | None = None
    key: IdempotencyKey | None = None
    by: str = ""


@dataclass(eq=False)
class LotWorking:
    """Closes or opens a lot. Its slots are closed and opened by ``Following`` afterwards."""

    act: Act
    lot_id: int
    key: IdempotencyKey | None = None
    by: str = ""


@dataclass(eq=False)
class Following:
    """Slots do as their lot: free ones of a closed lot close, those that only it had closed open with it."""

    slot_ids: tuple[int, ...]
    key: None = None


@dataclass(eq=False)
class Relocating:
    """Moves a booking from a slot that was seen at ``version`` to a free one of the same lot."""

    reservation: str
    slot_id: int
    version: int
    to_slot_id: int
    key: IdempotencyKey | None = None


@dataclass(eq=False)
class Holding:
    """Keeps the free slot with this identifier for a browser until it answers."""

    slot: str
    browser: str
    address: str
    key: None = None


@dataclass(eq=False)
class LettingGo:
    """Ends a hold: at once for its ``browser``, and for nobody (``None``) only where its time has run out."""

    hold: str
    browser: str | None = None
    key: None = None


@dataclass(eq=False)
class Joining:
    """A place in the line of a lot; where a fitting slot is free, that slot is held at once."""

    lot_id: int
    wish: Wish
    browser: str
    address: str
    key: None = None


@dataclass(eq=False)
class Offering:
    """Holds what is free in a lot for those who wait for it: who came while a slot was being given back."""

    lot_id: int
    key: None = None


@dataclass(eq=False)
class Extending:
    """A later end of the booking ``reservation``, or of the one of ``entity`` on ``slot``.

    ``seen_until`` holds the end that was on the screen, where nobody is to change another one. ``moved``: the
    booking that is meant, found in an earlier round, where it was moved away from ``slot``.
    """

    until: datetime
    reservation: str | None = None
    slot: str | None = None
    entity: str | None = None
    seen_until: tuple[datetime | None] | None = None
    key: IdempotencyKey | None = None
    moved: str | None = None


@dataclass(eq=False)
class Arriving:
    """The car of the booking ``reservation``, or of the one of ``entity`` on ``slot``, stands there.

    ``by_holder``: only the driver says so. ``moved``: as of ``Extending``.
    """

    reservation: str | None = None
    slot: str | None = None
    entity: str | None = None
    key: IdempotencyKey | None = None
    by_holder: bool = False
    moved: str | None = None


Job = (
    Taking
    | Ending
    | Moving
    | Working
    | LotWorking
    | Following
    | Relocating
    | Extending
    | Arriving
    | Holding
    | LettingGo
    | Joining
    | Offering
)
Answer = Reserved | Released | Extended | Arrived | Held | InLine | Worked | Relocated


@dataclass(frozen=True)
class Done:
    """It is committed. ``fresh`` is false where an earlier answer was given once more."""

    answer: Answer | None
    fresh: bool = True


class Again(Enum):
    """Nothing was changed, and another round may end otherwise."""

    LOST = "somebody else was faster"
    BUSY = "another transaction holds the slot"
    IN_FLIGHT = "another transaction works on the same key"


Outcome = Done | Problem | Again
