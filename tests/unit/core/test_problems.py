"""Problems as documents, tasks that end, instants that keep their zone."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from app.core.clock import FixedClock, SystemClock, monotonic_s
from app.core.db import UtcDateTime
from app.core.errors import FieldError, InvalidInput, Problem, Unavailable
from app.core.forms import fit_text
from app.core.parts import Parts
from app.core.tasks import end_all


def test_a_problem_names_all_that_is_wrong() -> None:
    wrong = InvalidInput([FieldError("time", "lies in the past"), FieldError("lot", "is missing")])
    assert wrong.document() == {
        "type": "/problems/invalid-input",
        "title": "2 fields are wrong",
        "status": 422,
        "detail": "time: lies in the past; lot: is missing",
        "errors": [
            {"field": "time", "message": "lies in the past"},
            {"field": "lot", "message": "is missing"},
        ],
    }


def test_a_problem_says_no_more_than_it_knows() -> None:
    assert Problem(409, "taken", "Taken", extra={"nearest": "B1"}).document() == {
        "type": "/problems/taken",
        "title": "Taken",
        "status": 409,
        "nearest": "B1",
    }
    assert (Unavailable("The database").status, Unavailable("The database").retry_after_s) == (503, 2)


@pytest.mark.parametrize("letter", ["\x00", "\x01", "\x1b", "\x7f", "\ud800", "\udfff"])
def test_text_that_cannot_be_kept_is_refused(letter: str) -> None:
    with pytest.raises(ValueError, match="can't be stored"):
        fit_text(f"a{letter}b")


@pytest.mark.parametrize("text", ["", "ü", "京都", "a\tb\r\n", "\U0001f697", "\u202e"])
def test_text_that_can_be_kept_stays_as_it_is(text: str) -> None:
    assert fit_text(text) == text


def test_an_instant_without_a_zone_is_refused_and_comes_back_in_utc() -> None:
    kind, dialect = UtcDateTime(), sqlite.dialect()  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="time zone"):
        kind.process_bind_param(datetime(2026, 6, 1), dialect)  # noqa: DTZ001
    there = datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert kind.process_bind_param(there, dialect) == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert kind.process_result_value(datetime(2026, 6, 1, 10), dialect) == there  # noqa: DTZ001
    assert kind.process_bind_param(None, dialect) is kind.process_result_value(None, dialect) is None


def test_a_fixed_clock_moves_only_when_it_is_told_to() -> None:
    clock = FixedClock(datetime(2026, 6, 1, tzinfo=UTC))
    first = clock.now()
    clock.advance(timedelta(hours=1))
    assert clock.now() - first == timedelta(hours=1)
    assert SystemClock().now().tzinfo is UTC
    assert monotonic_s() <= monotonic_s()


def test_a_part_is_found_by_exactly_its_kind() -> None:
    parts = Parts("text", 7)
    assert (parts.get(str), parts.get(int)) == ("text", 7)
    with pytest.raises(KeyError):
        parts.get(bytes)


async def test_a_task_that_swallows_its_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    async def faulty() -> None:
        raise RuntimeError("dropped")

    tasks = [asyncio.create_task(one()) for one in (stubborn, faulty)]
    await asyncio.sleep(0)
    await asyncio.wait_for(end_all(tasks), 5)
    assert all(task.done() for task in tasks)
    assert swallowed == 2
    await end_all([])
