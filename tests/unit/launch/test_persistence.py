import pytest

from app.core.db import SqlAway
from app.core.errors import Problem, Unavailable
from app.launch.persistence import Persistence


class Trouble:
    """Raises what it was given, one after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    async def work(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "done"


class Waits:
    """A sleep that only notes how long, and what was said."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.said: list[str] = []
        self.persistence = Persistence(self.said.append, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)


def without_sql() -> Unavailable:
    problem = Unavailable("The database")
    problem.__cause__ = SqlAway("connection refused")
    return problem


async def test_it_is_tried_again_ever_more_slowly_and_said_once() -> None:
    waits = Waits()
    trouble = Trouble(*(SqlAway("connection refused") if n % 2 else without_sql() for n in range(7)))
    assert await waits.persistence.until_done(trouble.work) == "done"
    assert waits.seconds == [0.5, 1, 2, 4, 8, 10, 10]
    assert waits.said == [
        "The database can't be reached: connection refused. It is tried again until it answers.",
        "The database answers again.",
    ]


async def test_an_answer_that_is_a_refusal_ends_the_waiting() -> None:
    waits = Waits()
    trouble = Trouble(SqlAway("gone"), Problem(409, "slot-taken", "Taken"))
    with pytest.raises(Problem, match="slot-taken"):
        await waits.persistence.until_done(trouble.work)
    assert waits.said[-1] == "The database answers again."


async def test_what_is_short_of_something_else_is_named() -> None:
    waits = Waits()
    assert await waits.persistence.until_done(Trouble(Unavailable("A free slot")).work) == "done"
    assert waits.said[0] == "A free slot can't be reached just now. It is tried again until it answers."


@pytest.mark.parametrize("words", ["no such table: lot", 'relation "lot" does not exist'])
async def test_for_tables_that_are_missing_nobody_waits(words: str) -> None:
    waits = Waits()
    with pytest.raises(SqlAway):
        await waits.persistence.until_done(Trouble(SqlAway(words)).work)
    assert waits.seconds == []
