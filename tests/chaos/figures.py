"""What long runs have come to, added up from run to run in one file of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Figures:
    """Of one long form. ``sums`` are added up over all runs, of ``most`` the greatest is kept."""

    runs: int = 0
    seconds: float = 0.0
    violations: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def add(
        self, seconds: float, violations: int, sums: Mapping[str, float], most: Mapping[str, float]
    ) -> None:
        """One more run."""
        self.runs += 1
        self.seconds += seconds
        self.violations += violations
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0) + value
        for name, value in most.items():
            self.most[name] = max(self.most.get(name, value), value)


class Book:
    """The figures of all long forms by their names, in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        told: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        self._figures = {name: Figures(**figures) for name, figures in told.items()}

    def __getitem__(self, name: str) -> Figures:
        return self._figures.setdefault(name, Figures())

    def save(self) -> None:
        """Writes the file anew; whoever reads it meanwhile reads the old one."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        told = {name: vars(figures) for name, figures in sorted(self._figures.items()) if figures.runs}
        fresh.write_text(json.dumps(told, indent=2) + "\n")
        fresh.replace(self._file)
