"""The table as text: steps by faults, and how many cells of each are right."""

from collections.abc import Iterable

from tests.chaos.steps.faults import COLUMNS
from tests.chaos.steps.table import PROTOCOLS, Part, Protocol, Step
from tests.chaos.steps.trials import Tried


class Score:
    """Which cells were tried, and which were right."""

    def __init__(self, tried: Iterable[Tried]) -> None:
        self._right = {cell: not one.wrong for one in tried for cell in one.cells}

    def of(self, column: str, protocol: Protocol, step: Step | None = None) -> str:
        """Right ones of all, at one step or at all of them; ``–`` where there is none."""
        cells = [
            right
            for cell, right in self._right.items()
            if cell.protocol == protocol and cell.fault in COLUMNS[column] and step in (None, cell.step)
        ]
        return f"{sum(cells)}/{len(cells)}" if cells else "–"

    @property
    def tried(self) -> int:
        return len(self._right)

    @property
    def right(self) -> int:
        return sum(self._right.values())

    @property
    def total(self) -> str:
        return f"{self.right} of {self.tried} cells are right"


def summary(score: Score) -> list[str]:
    """A row for each protocol, in Markdown."""
    rows = [f"| protocol | steps | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    for protocol in PROTOCOLS:
        counts = [score.of(column, protocol) for column in COLUMNS]
        rows.append(f"| {protocol.name} | {len(protocol.steps)} | {' | '.join(counts)} |")
    return rows


def details(score: Score) -> list[str]:
    """A row for each step, in Markdown."""
    lines: list[str] = []
    for protocol in PROTOCOLS:
        lines += ["", f"**{protocol.name}**", ""]
        lines += [f"| step | speaks to | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
        for step in protocol.steps:
            counts = [score.of(column, protocol, step) for column in COLUMNS]
            lines.append(f"| {step.name}: {step.does} | {_speaks(step)} | {' | '.join(counts)} |")
    return lines


def wrong(tried: Iterable[Tried]) -> list[str]:
    """What was wrong, a line for each cell that was tried."""
    return [f"{one.cell}: {'; '.join(one.wrong)}" for one in tried if one.wrong]


def _speaks(step: Step) -> str:
    return ", ".join(part for part in Part if part in step.speaks) or "neither"
