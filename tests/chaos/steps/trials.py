"""Cells of the protocols of bookings, tried over one SQL and one Redis: each in a lot of its own."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.history import Answer, Asked, Operation, Outcome
from tests.chaos.site import Kind
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.requests import Case, Told
from tests.chaos.steps.striking import Cell
from tests.chaos.steps.table import CHECK_IN, WORK, Part, Protocol
from tests.chaos.steps.trying import ASKED, BEFORE, NEXT, Attempt
from tests.chaos.truth import Truth

VICTIMS_AT_ONCE, OFFICES = 2, 6
AGREES_WITHIN_S = 2.0
_AGAIN_AFTER_S = 0.05
_TIMES = 200
_DIED = Told(Answer(Outcome.UNKNOWN, "died"))


@dataclass(frozen=True)
class AtDeath:
    """A lot when its process had died. ``differences``: where Redis had something else than SQL.

    ``is_noted``: whether the outbox says that there are some.
    """

    truth: Truth
    is_noted: bool
    differences: tuple[str, ...]


@dataclass
class Tried:
    """Cells of which the first is tried for all, and what was found to be wrong."""

    cells: tuple[Cell, ...]
    wrong: list[str] = field(default_factory=list)

    @property
    def cell(self) -> Cell:
        return self.cells[0]


@dataclass
class Trial(Tried):
    """Of a booking, with all that was asked and told in its lot."""

    case: Case = field(kw_only=True)
    attempts: list[Attempt] = field(default_factory=list)
    without_key: Told | None = None
    at_death: AtDeath | None = None

    @property
    def lot_id(self) -> int:
        return self.case.number + 1

    def told(self, which: str) -> list[Told]:
        """In the order in which it was."""
        return [one.told for one in self.attempts if one.which == which]

    @property
    def operations(self) -> list[Operation]:
        """What the checker is to know; of check-ins it knows nothing."""
        asked: dict[str, Asked] = {BEFORE: self.case.before, NEXT: self.case.next}
        if self.cell.protocol is not CHECK_IN:
            asked[ASKED] = self.case.asked(self.told(BEFORE)[0])
        return [
            Operation(asked[one.which], one.called_s, one.answered_s, one.told.answer)
            for one in self.attempts
            if one.which in asked
        ]


def cells(protocols: Iterable[Protocol]) -> list[Cell]:
    """All of them. To die after a step of which nothing lasts is to die before the next one."""
    return [
        Cell(protocol, step, fault)
        for protocol in protocols
        for step in protocol.steps
        for fault in Fault
        if step.lasts or fault is not Fault.KILLED_AFTER
    ]


def one_for_each(of: Iterable[Cell]) -> list[Trial]:
    """A trial for each cell, with lots numbered from 0."""
    return [Trial((cell,), case=Case(cell.protocol, number)) for number, cell in enumerate(of)]


def one_for_alike(of: Iterable[Cell], kind: Kind) -> list[Trial]:
    """A trial for all cells in which the same call is struck: a step that does not speak to SQL meets a fault
    of SQL where the next one does.
    """
    alike: dict[Cell, list[Cell]] = defaultdict(list)
    for cell in of:
        alike[_that_is_tried(cell, kind)].append(cell)
    return [
        Trial((tried, *(cell for cell in some if cell != tried)), case=Case(tried.protocol, number))
        for number, (tried, some) in enumerate(alike.items())
    ]


def _that_is_tried(cell: Cell, kind: Kind) -> Cell:
    if cell.fault.kills or cell.protocol.given is not None or cell.protocol in WORK:
        return cell
    part = Part.REDIS if cell.fault.hits_redis else Part.SQL
    return Cell(cell.protocol, cell.protocol.struck(cell.step, part, kind), cell.fault)
