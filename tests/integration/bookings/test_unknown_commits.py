"""The commit was sent, and its answer never came: what the desk does about it."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncTransaction

from app.bookings import batches
from app.bookings.desk import Desk
from app.bookings.forms import IdempotencyKey, ReserveRequest, UnreserveRequest
from app.bookings.records import RESERVATION
from app.bookings.reserve import reserve
from app.bookings.unreserve import unreserve
from app.core import metrics
from app.core.db import Database, SqlAway
from app.core.errors import Problem
from app.core.ids import new_id
from tests.integration.lots import lot_plan, open_lot

KEY = IdempotencyKey("test", "k1", "d1")
_COMMIT = AsyncTransaction.commit


class LostAnswers:
    """Cuts connections around commits: so many ``before`` they are sent, so many ``after``."""

    def __init__(self, before: int = 0, after: int = 0) -> None:
        self.before, self.after = before, after

    async def commit(self, transaction: AsyncTransaction) -> None:
        if self.before:
            self.before -= 1
            await transaction.rollback()
            raise ConnectionResetError("cut before it was sent")
        await _COMMIT(transaction)
        if self.after:
            self.after -= 1
            raise ConnectionResetError("cut before it was answered")


def lose_answers(monkeypatch: pytest.MonkeyPatch, lost: LostAnswers) -> None:
    async def commit(transaction: AsyncTransaction) -> None:
        await lost.commit(transaction)

    monkeypatch.setattr(AsyncTransaction, "commit", commit)


async def bookings(desk: Desk) -> int:
    async with desk.database.look() as connection:
        return len((await connection.execute(RESERVATION.select())).all())


def asked_after(found: str) -> float:
    value: float = metrics.COMMITS_ASKED_AFTER.labels(found)._value.get()
    return value


async def test_a_commit_that_took_place_is_found_and_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_lot(desk)
    before = asked_after("committed")
    lose_answers(monkeypatch, LostAnswers(after=1))
    done = await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert (done.slot, await bookings(desk)) == ("here-A1", 1)
    assert asked_after("committed") == before + 1
    seen = await desk.status.snapshot(1)
    assert list(seen.states) == [1, 0, 0, 0, 0]


async def test_a_commit_that_did_not_take_place_is_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_lot(desk)
    before = asked_after("abandoned")
    lose_answers(monkeypatch, LostAnswers(before=1))
    done = await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert (done.slot, await bookings(desk)) == ("here-A1", 1)
    assert asked_after("abandoned") == before + 1


async def test_a_lost_answer_to_the_question_itself_is_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row that says `abandoned` was written, and that answer was lost too: it still says abandoned."""
    await open_lot(desk)
    lost = LostAnswers(before=1, after=1)
    lose_answers(monkeypatch, lost)
    done = await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert (done.slot, await bookings(desk), lost.before, lost.after) == ("here-A1", 1, 0, 0)


@pytest.mark.parametrize("took_place", [True, False])
async def test_where_nobody_can_say_it_is_503_and_the_same_key_finds_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, took_place: bool
) -> None:
    await open_lot(desk)
    asked = ReserveRequest("A 1", lot="here", idempotency=KEY)
    with monkeypatch.context() as cut:
        lose_answers(cut, LostAnswers(after=1) if took_place else LostAnswers(before=1))
        cut.setattr(batches, "_ask", _nobody_answers)
        cut.setattr(batches, "ASKED_FOR_S", 0.3)
        with pytest.raises(Problem) as refused:
            await reserve(desk, asked)
    assert (refused.value.status, refused.value.retry_after_s) == (503, 2)
    assert await bookings(desk) == int(took_place)
    done = await reserve(desk, asked)
    assert await bookings(desk) == 1
    with pytest.raises(Problem) as other:
        await reserve(desk, ReserveRequest("A 1", lot="here"))
    assert other.value.extra["slot"] == done.slot


async def _nobody_answers(database: Database, batch_id: str) -> bool:
    raise SqlAway("still away")


async def test_releases_whose_commit_was_not_answered_are_billed_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_lot(desk, lot_plan(slots=4))
    for number in range(4):
        await reserve(desk, ReserveRequest(f"A {number}", slot=f"here-A{number + 1}"))
    lose_answers(monkeypatch, LostAnswers(before=1, after=1))
    done = await asyncio.gather(
        *(unreserve(desk, UnreserveRequest(f"A {number}", f"here-A{number + 1}")) for number in range(4))
    )
    assert [one.fee.amount_minor for one in done] == [100] * 4
    assert await bookings(desk) == 0


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)
async def test_who_asks_waits_for_a_commit_that_is_still_under_way(desk: Desk) -> None:
    async with desk.database.unit_of_work() as connection:
        batch_id = new_id()
        await batches.note(connection, batch_id, await desk.database.now(connection), [])
        asking = asyncio.create_task(batches.was_committed(desk.database, batch_id))
        await asyncio.sleep(0.3)
        assert not asking.done()
    assert await asking is True


async def test_who_asked_fences_off_the_transaction_that_it_asked_about(desk: Desk) -> None:
    """Whatever wakes up later with this batch can't be committed any more."""
    batch_id = new_id()
    assert await batches.was_committed(desk.database, batch_id) is False
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        async with desk.database.unit_of_work() as connection:
            await batches.note(connection, batch_id, await desk.database.now(connection), [])
    assert await batches.was_committed(desk.database, batch_id) is False
