"""The last answers of SQL to some questions, for while it gives none."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from app.core import metrics
from app.core.clock import monotonic_s
from app.core.db import SqlAway

MOST = 2_000
Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Remembered(Generic[Question, Answer]):
    """Answers by their question: at most ``MOST``, and none that is older than ``life_s``.

    ``what`` names them in the metric of what was answered from memory.
    """

    def __init__(
        self, what: str, life_s: float = float("inf"), clock: Callable[[], float] = monotonic_s
    ) -> None:
        self._what = what
        self._life_s = life_s
        self._clock = clock
        self._answers: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()

    async def ask(self, question: Question, read: Callable[[], Awaitable[Answer | None]]) -> Answer | None:
        """What ``read`` says; while SQL is away, what it said last. SqlAway where that is not known.

        Nothing (``None``) is not remembered.
        """
        asked_at_s = self._clock()
        try:
            answer = await read()
        except SqlAway:
            said_at_s, remembered = self._answers.get(question, (float("-inf"), None))
            if remembered is None or asked_at_s - said_at_s > self._life_s:
                raise
            metrics.FROM_MEMORY.labels(self._what).inc()
            return remembered
        self.forget(question)
        if answer is not None:
            self._answers[question] = (asked_at_s, answer)
        while len(self._answers) > MOST:
            self._answers.popitem(last=False)
        return answer

    def forget(self, question: Question) -> None:
        """The answer holds no longer."""
        self._answers.pop(question, None)
