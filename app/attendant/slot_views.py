"""What the panel of a slot is given: texts in the reader's language, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.attendant.undo import Undo
from app.attendant.urls import slot_url
from app.core.languages import say, say_in, say_many

SlotState = Literal["free", "reserved", "occupied", "closed"]
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


def state_word(state: SlotState) -> str:
    """A state as it stands alone, with a capital."""
    return {
        "free": say_in("of a slot", "Free"),
        "reserved": say_in("of a slot", "Reserved"),
        "occupied": say_in("of a slot", "Taken"),
        "closed": say_in("of a slot", "Closed"),
    }[state]


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
        return say_many("{count} stay", "{count} stays", count) if count else say("no stays")

    @property
    def hours(self) -> tuple[str, ...]:
        """Five marks under the drawing, evenly spread."""
        step = (self.until_h - self.from_h) / 4
        return tuple(f"{round(self.from_h + step * mark) % 24:02d}" for mark in range(5))

    def x(self, minute: int) -> float:
        """Where a minute lies on the drawing, from 0 to 1000."""
        share = (minute - self.from_h * 60) / ((self.until_h - self.from_h) * 60)
        return round(min(max(share, 0.0), 1.0) * 1000, 1)


_KEYS: dict[ActionName, str] = {
    "check-in": "C",
    "walk-in": "W",
    "validate": "V",
    "release": "R",
    "close": "X",
    "close-when-free": "X",
    "open": "O",
    "keep-open": "O",
    "move": "M",
    "delete": "D",
}


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the panel, in the order of use; the first one is drawn as the one that matters.

    `impossible` says in words why it cannot be pressed now.
    """

    name: ActionName
    impossible: str = ""

    @property
    def label(self) -> str:
        return {
            "check-in": say("Check in"),
            "walk-in": say("Book the car that stands here"),
            "validate": say("Validate with a code"),
            "release": say("Release"),
            "close": say("Close slot"),
            "close-when-free": say("Close when it comes free"),
            "open": say("Open slot"),
            "keep-open": say("Do not close it"),
            "move": say("Move to…"),
            "delete": say("Delete slot"),
        }[self.name]

    @property
    def key(self) -> str:
        return _KEYS[self.name]


@dataclass(frozen=True, slots=True)
class Means:
    """A way to pay at the desk: what is sent, what is read, and the key that presses it."""

    value: str
    words: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Take:
    """Money that may be taken: `quote` is sent as it is.

    `under_way`: the driver is paying just now, and nothing is to be taken.
    """

    quote: str
    amount: str
    means: tuple[Means, ...]
    under_way: str = ""


@dataclass(frozen=True, slots=True)
class SlotPanel:
    """The chosen slot.

    `alert` stands at the right of the name ("47 min over"), `owes` is the amount to be paid, empty for none;
    `tag` stands beside the name on the map ("HKR 4821, 47 min over").
    `conflict` is what happened meanwhile (answer 409); the panel then shows the slot as it is now.
    `refused` says why what was asked for can't be done at all. `notice` says what was just done, and `undo`
    takes it back. `version` and `reservation`, empty for none, go back with each action: nobody acts on an
    old state. `closing`: it closes when it comes free. `move_to` is the slot that a move begins with, empty
    for none. `code` is one that was typed and not taken.
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
    undo: Undo | None = None
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
    def release_question(self) -> str:
        return say("Release this slot? The booking ends now and cannot be taken back.")

    @property
    def state_words(self) -> str:
        """The state, the area, what the slot offers and whether it is to close, as one line."""
        offers = (
            (say("premium"), self.premium),
            (say("accessible"), self.accessible),
            (say("charging"), self.charging),
            (say("closes when it comes free"), self.closing and self.state != "closed"),
        )
        here = [state_word(self.state), say("area {area}", area=self.area)]
        return ", ".join([*here, *(word for word, has in offers if has)])
