"""What those who pay in a run ask and are told, kept for the checker and for whoever looks for a fault."""

import json
from collections import Counter
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from tests.chaos.checker import Violation
from tests.chaos.payments.facts import Accepted, Taken, Told, Word


class Diary:
    """``payments``: those that somebody was given a quote for; ``found``: what could not be answered so."""

    def __init__(self, file: Path) -> None:
        self.told: list[Told] = []
        self.accepted: list[Accepted] = []
        self.taken: list[Taken] = []
        self.did: Counter[str] = Counter()
        self.found: list[Violation] = []
        self.payments: dict[str, str] = {}
        self.declined: list[str] = []
        self._lines = file.open("w")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def tells(self, payment: str, word: Word) -> None:
        """Somebody was told so, for good."""
        if word is Word.DECLINED:
            self.declined.append(payment)
        self.told.append(Told(payment, word))
        self.did[word] += 1

    def hears(self, what: str, status: int) -> None:
        """A request was answered so; 0: not at all."""
        self.did["requests"] += 1
        if status == 0:
            self.did["unanswered"] += 1
        elif status == 503:
            self.did["503"] += 1
        elif status >= 500:
            self.did["internal errors"] += 1
            self.wrong("internal error", f"{what}: {status}")

    @property
    def failed(self) -> int:
        """How many requests were not served."""
        return sum(self.did[name] for name in ("unanswered", "503", "internal errors"))

    def wrong(self, kind: str, detail: str) -> None:
        """An answer that nothing explains."""
        self.found.append(Violation(kind, detail))

    def write(self, what: str, **facts: Any) -> None:
        """A line for people."""
        self._lines.write(json.dumps({"at": round(monotonic(), 3), "what": what, **facts}) + "\n")
