"""What is remembered of SQL's answers, and for how long."""

import pytest

from app.core import remembered as remembered_module
from app.core.db import SqlAway
from app.core.remembered import Remembered


class Source:
    """SQL that answers, or is away."""

    def __init__(self, answer: str | None = "yes") -> None:
        self.answer = answer
        self.is_away = False
        self.now_s = 100.0
        self.remembered = Remembered[str, str]("test", 900, lambda: self.now_s)

    async def read(self) -> str | None:
        if self.is_away:
            raise SqlAway("away")
        return self.answer

    async def ask(self, question: str = "?") -> str | None:
        return await self.remembered.ask(question, self.read)


async def test_what_was_said_last_is_said_again_while_sql_is_away() -> None:
    source = Source()
    await source.ask()
    source.answer = "newer"
    await source.ask()
    source.is_away = True
    assert await source.ask() == "newer"


async def test_what_was_never_asked_is_not_known() -> None:
    source = Source()
    await source.ask("this")
    source.is_away = True
    with pytest.raises(SqlAway):
        await source.ask("that")


async def test_an_answer_is_worth_nothing_after_its_time() -> None:
    source = Source()
    await source.ask()
    source.is_away = True
    source.now_s += 900
    assert await source.ask() == "yes"
    source.now_s += 1
    with pytest.raises(SqlAway):
        await source.ask()


async def test_each_answer_of_sql_begins_the_time_anew_and_those_of_memory_do_not() -> None:
    source = Source()
    await source.ask()
    source.now_s += 800
    await source.ask()
    source.is_away = True
    for _ in range(9):
        source.now_s += 100
        assert await source.ask() == "yes"
    source.now_s += 100
    with pytest.raises(SqlAway):
        await source.ask()


async def test_what_sql_has_taken_back_is_forgotten() -> None:
    source = Source()
    await source.ask("ended")
    source.answer = None
    assert await source.ask("ended") is None
    source.is_away = True
    with pytest.raises(SqlAway):
        await source.ask("ended")


async def test_only_so_many_are_kept_and_those_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered_module, "MOST", 2)
    source = Source()
    for question in ("a", "b", "a", "c"):
        await source.ask(question)
    source.is_away = True
    assert [await source.ask("a"), await source.ask("c")] == ["yes", "yes"]
    with pytest.raises(SqlAway):
        await source.ask("b")
