"""What the attendant's templates are given: one dataclass each, with every text already formatted.

Money, times and plates are strings in the lot's time zone and the reader's language. `Markup` is trusted and
comes from the project's own templates only. The slot's panel is in ``slot_views``, money in ``money_views``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from markupsafe import Markup

from app.attendant.money_views import money_url
from app.attendant.slot_views import SlotPanel
from app.attendant.undo import Undo
from app.attendant.urls import lot_url
from app.core.languages import say, say_many

Tone = Literal["", "danger"]


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot to choose. Counts are None while they are not known; `to_do` is what waits for someone."""

    code: str
    name: str
    address: str
    free: int | None
    reserved: int | None
    occupied: int | None
    closed: int | None
    to_do: int = 0

    @property
    def url(self) -> str:
        return lot_url(self.code)


@dataclass(frozen=True, slots=True)
class HomePage:
    """`attendant/lots.html`. `age_s` is the age of the oldest count in whole seconds, None if not known.

    `is_operator`: who is signed in may also set prices and give money back.
    """

    attendant: str
    lots: tuple[LotRow, ...]
    age_s: int | None = None
    is_operator: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A plate that the search found: the part that was typed, the rest, and where it is or when it left.

    `slot` is empty when the car is not here; `note` then says so ("left 13:40"), and `url` may be empty.
    """

    typed: str
    rest: str
    slot: str = ""
    note: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """`attendant/_results.html`. With an empty query nothing is shown."""

    query: str = ""
    hits: tuple[Hit, ...] = ()
    more: int = 0

    @property
    def summary(self) -> str:
        """Said to a screen reader after each search."""
        if not self.query:
            return ""
        found = len(self.hits) + self.more
        return (
            say_many("{count} plate found", "{count} plates found", found) if found else say("No plate found")
        )


@dataclass(frozen=True, slots=True)
class Task:
    """One row of the queue. `urgency` is "+47 min", "no-show" or "no booking"; danger is for overstays.

    `position` is the slot's number in the lot: the map rings it where the tone is danger.
    """

    slot: str
    position: int
    plate: str
    urgency: str
    note: str
    url: str
    tone: Tone = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Todo:
    """`attendant/_todo.html`: most urgent first."""

    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    time: str
    slot: str
    plate: str
    url: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """`attendant/_arriving.html`: bookings that start within so many `minutes`, in order."""

    arrivals: tuple[Arrival, ...]
    minutes: int


@dataclass(frozen=True, slots=True)
class Waiters:
    """Those who wait for one kind of slot: "2 since 14:05", and what for, where that is not just any."""

    text: str
    wish: str


@dataclass(frozen=True, slots=True)
class Line:
    """`attendant/_waiting.html`: who waits for a slot of a full lot; `count` is all of them."""

    count: int
    kinds: tuple[Waiters, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbours that are closed alike: "A1 to A9". `url` leads to the slot, or to the form that opens them.

    `in_form`: the latter. `note` says what is special ("when free").
    """

    name: str
    count: int
    note: str
    url: str
    in_form: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """`attendant/_closed.html`: what is out of use; `count` is all of it. `lot_closed`: the whole lot is."""

    stretches: tuple[Stretch, ...]
    count: int
    more: int = 0
    lot_closed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the feed: `what` is "Reserved", "Left", "Closed"; `detail` who, how or how much.

    `url` is empty where it is about several slots. `unpaid` says what is owed, `unpaid_url` where to take it.
    """

    time: str
    slot: str
    what: str
    detail: str
    url: str
    id: str = ""
    unpaid: str = ""
    unpaid_url: str = ""
    undo: Undo | None = None


@dataclass(frozen=True, slots=True)
class JustNow:
    """`attendant/_just_now.html`: newest first."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Works:
    """`attendant/_works.html`: closing and opening several slots, or the lot.

    `area`, `first` and `last` are what was chosen and typed; `error` says what is wrong with that, `notice`
    what was just done. `asks` is the act ("close", "open") that is asked back, since it is of a whole area
    with `count` slots. `shown`: it stands open.
    """

    lot_code: str
    lot_name: str
    closed: bool
    areas: tuple[str, ...]
    idempotency_key: str
    area: str = ""
    first: str = ""
    last: str = ""
    error: str = ""
    notice: str = ""
    asks: str = ""
    count: int = 0
    shown: bool = False

    @property
    def url(self) -> str:
        return works_url(self.lot_code)

    @property
    def is_open(self) -> bool:
        return bool(self.shown or self.error or self.notice or self.asks)


def works_url(lot_code: str, **chosen: str) -> str:
    """Closing and opening several slots, with these fields filled in."""
    path = f"{lot_url(lot_code)}/works"
    return f"{path}?{urlencode(chosen)}" if chosen else path


@dataclass(frozen=True, slots=True)
class LotPage:
    """`attendant/lot.html`. `slot` is None while none is chosen; then `_slot.html` says how to choose one.

    `stylesheets` and `scripts` are static paths that the map needs. `age_s` is the age of the states in
    whole seconds. It, and each list, is None while it is not known.
    """

    code: str
    name: str
    attendant: str
    time_zone: str
    clock: str
    now_s: float
    feed_url: str
    map: Markup
    legend: Markup
    results: Results
    todo: Todo | None
    arriving: Arriving | None
    waiting: Line | None
    closed: Closed | None
    just_now: JustNow | None
    slot: SlotPanel | None
    works: Works
    age_s: int | None = None
    stylesheets: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return lot_url(self.code)

    @property
    def money_url(self) -> str:
        return money_url(self.code)
