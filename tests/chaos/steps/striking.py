"""What happens at the step of a cell: the process dies, or a fault is armed."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chaos.steps.boundary import Disturbance, Ways, disturbed_by
from tests.chaos.steps.faults import Fault
from tests.chaos.steps.table import Protocol, Step
from tests.chaos.steps.watched import Edge, observed_by


@dataclass
class AtSteps:
    """An observer that does something before or after some steps."""

    acts: "Sequence[Act]"
    _calls: Counter[tuple[str, Edge]] = field(default_factory=Counter)

    def before(self, function: str, edge: Edge) -> int:
        self._calls[function, edge] += 1
        nth = self._calls[function, edge]
        self._act(function, edge, nth, after=False)
        return nth

    def after(self, function: str, edge: Edge, nth: int) -> None:
        self._act(function, edge, nth, after=True)

    def _act(self, function: str, edge: Edge, nth: int, *, after: bool) -> None:
        for step, fault, act in self.acts:
            is_there = (step.function, step.edge, step.nth) == (function, edge, nth)
            if is_there and (fault is Fault.KILLED_AFTER) == after:
                act()


@dataclass(frozen=True)
class Cell:
    """One cell of the table."""

    protocol: Protocol
    step: Step
    fault: Fault

    def __str__(self) -> str:
        return f"{self.protocol.name}; {self.step.name}; {self.fault}"


Act = tuple[Step, Fault, Callable[[], None]]


@contextmanager
def struck_by(cell: Cell, ways: Ways) -> Iterator[Disturbance]:
    """What is done in the block meets the fault of the cell. Its ways are whole again at the end."""
    fault = Disturbance(cell.fault, ways)
    acts, first = given_to(cell.protocol, ways)
    acts.append((cell.step, cell.fault, _die if cell.fault.kills else fault.arm))
    try:
        with observed_by(AtSteps(acts)), disturbed_by([fault, *first]):
            yield fault
    finally:
        for wire in (ways.redis, ways.sql):
            if wire is not None:
                wire.next(None)


def given_to(protocol: Protocol, ways: Ways) -> tuple[list[Act], list[Disturbance]]:
    """What goes wrong in a protocol before anything else does, as acts at steps and disturbances."""
    if protocol.given is None:
        return [], []
    step, fault = protocol.given
    first = Disturbance(fault, ways)
    return [(step, fault, first.arm)], [first]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
