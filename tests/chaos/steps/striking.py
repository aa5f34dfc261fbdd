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

_Calls = Counter[tuple[str, Edge]]


@dataclass
class _AtSteps:
    """An observer that does something before and after some steps."""

    acts: Sequence[tuple[Step, Fault, Callable[[], None]]]
    _begun: _Calls = field(default_factory=Counter)
    _ended: _Calls = field(default_factory=Counter)

    def before(self, function: str, edge: Edge) -> None:
        self._begun[function, edge] += 1
        self._act(function, edge, self._begun, after=False)

    def after(self, function: str, edge: Edge) -> None:
        self._ended[function, edge] += 1
        self._act(function, edge, self._ended, after=True)

    def _act(self, function: str, edge: Edge, calls: _Calls, *, after: bool) -> None:
        for step, fault, act in self.acts:
            is_there = (step.function, step.edge, step.nth) == (function, edge, calls[function, edge])
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


@contextmanager
def struck_by(cell: Cell, ways: Ways) -> Iterator[Disturbance]:
    """What is done in the block meets the fault of the cell. Its ways are whole again at the end."""
    fault = Disturbance(cell.fault, ways)
    acts, disturbances = [(cell.step, cell.fault, _die if cell.fault.kills else fault.arm)], [fault]
    if cell.protocol.given is not None:
        step, given = cell.protocol.given
        first = Disturbance(given, ways)
        acts.append((step, given, first.arm))
        disturbances.append(first)
    try:
        with observed_by(_AtSteps(acts)), disturbed_by(disturbances):
            yield fault
    finally:
        for wire in (ways.redis, ways.sql):
            if wire is not None:
                wire.next(None)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
