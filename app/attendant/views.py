"""What the attendant's templates are given: one dataclass each, with every text already formatted.

Money, times and plates are strings in the lot's time zone and the reader's language. `Markup` is trusted and
comes from the project's own templates only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from markupsafe import Markup

from app.payments.wording import ToGive

SlotState = Literal["free", "reserved", "occupied", "closed"]
Tone = Literal["", "danger"]
ActionName = Literal[
    "check-in",
    "walk-in",
    "validate",
    "release",
    "close",
    "close-when-free",
    "open",
    "keep-open",
    "move",
    "delete",
]

STATE_WORDS: dict[SlotState, str] = {
    "free": "Free",
    "reserved": "Reserved",
    "occupied": "Taken",
    "closed": "Closed",
}


def lot_url(lot_code: str) -> str:
    """The desk of one lot; everything else of the desk lies below it."""
    return f"/attendant/lots/{quote(lot_code)}"


def slot_url(lot_code: str, slot_name: str) -> str:
    """A slot's panel: the fragment for a partial request, else the whole desk with that slot chosen."""
    return f"{lot_url(lot_code)}/slots/{quote(slot_name, safe='')}"


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
        return "No plate found" if not found else f"{found} plate{'' if found == 1 else 's'} found"


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
    """`attendant/_arriving.html`: bookings that start later, in order; `window`: "in the next 30 min"."""

    arrivals: tuple[Arrival, ...]
    window: str


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the feed: `what` is "Reserved", "Left", "Closed for works"; `detail` who, how or how much."""

    time: str
    slot: str
    what: str
    detail: str
    url: str


@dataclass(frozen=True, slots=True)
class JustNow:
    """`attendant/_just_now.html`: newest first."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay of this slot today, in minutes from the lot's midnight; `paid_until_min` if over."""

    period: str
    plate: str
    amount: str
    from_min: int
    until_min: int
    paid_until_min: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """Today at this slot: drawn from `from_h` to `until_h` (0 to 24); `now_min` counts from midnight."""

    stays: tuple[Stay, ...]
    from_h: int
    until_h: int
    now_min: int

    @property
    def summary(self) -> str:
        count = len(self.stays)
        return f"{count or 'no'} stay{'' if count == 1 else 's'}"

    @property
    def hours(self) -> tuple[str, ...]:
        """Five marks under the drawing, evenly spread."""
        step = (self.until_h - self.from_h) / 4
        return tuple(f"{round(self.from_h + step * mark) % 24:02d}" for mark in range(5))

    def x(self, minute: int) -> float:
        """Where a minute lies on the drawing, from 0 to 1000."""
        share = (minute - self.from_h * 60) / ((self.until_h - self.from_h) * 60)
        return round(min(max(share, 0.0), 1.0) * 1000, 1)


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the panel, in the order of use; the first one is drawn as the one that matters.

    `impossible` says in words why it cannot be pressed now.
    """

    name: ActionName
    impossible: str = ""

    @property
    def label(self) -> str:
        return _ACTIONS[self.name][0]

    @property
    def key(self) -> str:
        return _ACTIONS[self.name][1]


_ACTIONS: dict[ActionName, tuple[str, str]] = {
    "check-in": ("Check in", "C"),
    "walk-in": ("Book the car that stands here", "W"),
    "validate": ("Validate with a code", "V"),
    "release": ("Release", "R"),
    "close": ("Close slot", "X"),
    "close-when-free": ("Close when it comes free", "X"),
    "open": ("Open slot", "O"),
    "keep-open": ("Do not close it", "O"),
    "move": ("Move to…", "M"),
    "delete": ("Delete slot", "D"),
}


@dataclass(frozen=True, slots=True)
class Take:
    """Money that may be taken: `quote` is sent as it is; `means` are (what is sent, what is read).

    `under_way`: the driver is paying just now, and nothing is to be taken.
    """

    quote: str
    amount: str
    means: tuple[tuple[str, str], ...]
    under_way: str = ""


@dataclass(frozen=True, slots=True)
class SlotPanel:
    """The chosen slot.

    `alert` stands at the right of the name ("47 min over"), `owes` is the amount to be paid, empty for none;
    `tag` stands beside the name on the map ("HKR 4821, 47 min over").
    `conflict` is what happened meanwhile (answer 409); the panel then shows the slot as it is now.
    `refused` says why what was asked for can't be done at all. `notice` says what was just done. `version`
    and `reservation`, empty for none, go back with each action: nobody acts on an old state.
    `closing`: it closes when it comes free. `move_to` is the slot that a move begins with, empty for none.
    `code` is one that was typed and not taken.
    `away`: only the state is known for the moment, nothing can be done, and the panel asks again.
    """

    lot_code: str
    name: str
    position: int
    area: str
    state: SlotState
    facts: tuple[Fact, ...]
    actions: tuple[Action, ...]
    day: Day | None
    idempotency_key: str
    version: int
    reservation: str = ""
    away: bool = False
    alert: str = ""
    tag: str = ""
    owes: str = ""
    take: Take | None = None
    conflict: str = ""
    notice: str = ""
    release_question: str = "Release this slot? The booking ends now and cannot be taken back."
    plate: str = ""
    plate_error: str = ""
    closing: bool = False
    move_to: str = ""
    move_error: str = ""
    code: str = ""
    code_error: str = ""
    refused: str = ""
    premium: bool = False
    accessible: bool = False
    charging: bool = False

    @property
    def url(self) -> str:
        return slot_url(self.lot_code, self.name)

    @property
    def state_words(self) -> str:
        """The state, the area, what the slot offers and whether it is to close, as one line."""
        offers = (
            ("premium", self.premium),
            ("accessible", self.accessible),
            ("charging", self.charging),
            ("closes when it comes free", self.closing and self.state != "closed"),
        )
        words = [STATE_WORDS[self.state], f"area {self.area}", *(word for word, has in offers if has)]
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Works:
    """`attendant/_works.html`: closing and opening several slots, or the lot.

    `area`, `first` and `last` are what was chosen and typed; `error` says what is wrong with that, `notice`
    what was just done.
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

    @property
    def url(self) -> str:
        return f"{lot_url(self.lot_code)}/works"


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


def money_url(lot_code: str = "", done: str = "") -> str:
    """What is to be given back, of all lots or of one."""
    said = {"lot": lot_code, "done": done}
    fields = urlencode({name: text for name, text in said.items() if text})
    return f"/attendant/money?{fields}" if fields else "/attendant/money"


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment of today. `by` took it, empty where the driver paid by card."""

    when: str
    slot: str
    amount: str
    means: str
    by: str
    state: str
    receipt_url: str = ""


@dataclass(frozen=True, slots=True)
class OwedRow:
    """A booking that has ended and is not paid."""

    plate: str
    slot: str
    left: str
    take: Take


@dataclass(frozen=True, slots=True)
class MoneyPage:
    """`attendant/money.html`: what is to be given back, of all lots or of `lot`, whose payments follow."""

    attendant: str
    is_operator: bool
    lot: str
    lot_code: str
    lots: tuple[tuple[str, str], ...]
    today: str
    to_give: tuple[ToGive, ...]
    payments: tuple[PaymentRow, ...]
    has_more: bool = False
    notice: str = ""
    refused: str = ""
    # Of the lot: what was not paid when it ended, the last day's, of plates that hold `typed`.
    owed: tuple[OwedRow, ...] = ()
    owed_more: bool = False
    typed: str = ""
