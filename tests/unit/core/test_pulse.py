"""Whose silence it is: the other's, or one's own."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import CapturingLogger

from app.core import pulse as pulse_module
from app.core.pulse import Pulse

SOON_S = 5.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse_module, "ASK_EVERY_S", 0.01)
    monkeypatch.setattr(pulse_module, "ASK_AGAIN_S", 0.01)
    monkeypatch.setattr(pulse_module, "ANSWERS_WITHIN_S", 0.2)
    monkeypatch.setattr(pulse_module, "GIVE_UP_S", 0.4)


class Other:
    """Whoever is asked: it takes its time, or says nothing, or refuses."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.answers = asyncio.Event()
        self.answers.set()
        self.refuses = False
        self.asked = asyncio.Event()

    async def ask(self) -> None:
        self.asked.set()
        await asyncio.sleep(self.takes_s)
        for _ in range(5):
            # An answer goes through several hands before it is one.
            await asyncio.sleep(0)
        await self.answers.wait()
        if self.refuses:
            raise ConnectionRefusedError("refused")


@asynccontextmanager
async def felt(other: Other) -> AsyncIterator[Pulse]:
    pulse = Pulse(other.ask)
    async with pulse.running():
        yield pulse


async def asked_again(other: Other) -> None:
    other.asked.clear()
    await asyncio.wait_for(other.asked.wait(), SOON_S)


async def stands_still(other: Other) -> bool:
    """Whether the pulse is felt after this process stood still while its question was under way."""
    other.takes_s = 0.1
    async with felt(other) as pulse:
        for _ in range(3):
            await asked_again(other)
            time.sleep(0.6)  # noqa: ASYNC251 - the whole process stands still
            for _ in range(10):
                await asyncio.sleep(0)
                if not pulse.is_felt:
                    return False
    return True


async def test_standing_still_oneself_is_not_taken_for_the_others_silence() -> None:
    assert await stands_still(Other())


async def test_without_a_look_at_its_own_clock_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail."""
    monkeypatch.setattr(pulse_module, "STOOD_STILL_S", 60.0)
    assert not await stands_still(Other())


async def until(holds: Callable[[], bool], other: Other) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.005)


async def reading(pulse: Pulse, goes_on: asyncio.Event | None = None) -> None:
    async with pulse.reading():
        if goes_on is not None:
            await goes_on.wait()


async def test_silence_ends_what_is_being_read_and_refuses_what_is_to_be() -> None:
    other = Other()
    async with felt(other) as pulse:
        other.answers.clear()
        waiting = asyncio.create_task(reading(pulse, asyncio.Event()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), SOON_S)
        assert not pulse.is_felt
        with pytest.raises(ConnectionError):
            await reading(pulse)
        other.answers.set()
        await until(lambda: pulse.is_felt, other)
        await reading(pulse)


async def test_a_cancelled_reading_stays_cancelled() -> None:
    """Who cancels a task while SQL goes away is not told of a time limit instead."""
    other = Other()
    async with felt(other) as pulse:
        task = asyncio.create_task(reading(pulse, asyncio.Event()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_question_that_is_never_answered_is_put_anew() -> None:
    """Its connection may be dead while the other lives."""
    other = Other()
    never = asyncio.Event()
    async with felt(other) as pulse:
        other.answers = never
        await until(lambda: not pulse.is_felt, other)
        other.answers = asyncio.Event()
        other.answers.set()
        await until(lambda: pulse.is_felt, other)
        assert not never.is_set()


async def test_a_refusal_is_heard_at_once_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other, said = Other(), CapturingLogger()
    monkeypatch.setattr(pulse_module, "log", said)
    async with felt(other) as pulse:
        other.refuses = True
        await until(lambda: not pulse.is_felt, other)
        for _ in range(5):
            await asked_again(other)
        other.refuses = False
        await until(lambda: pulse.is_felt, other)
    assert [one.args for one in said.calls] == [("sql.away",), ("sql.back",)]
