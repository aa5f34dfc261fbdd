"""Deliberately wrong variants of a booking, each in a plausible way: cells must fail over them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.bookings import answers, batch, line, publishing, records
from app.bookings.desk import Desk
from app.bookings.jobs import Done, Job
from app.bookings.records import Moved, SlotRow


def acknowledge_before_commit() -> None:
    """Whoever waits is told as soon as the outcome is known, and the commit comes after."""
    told: dict[Job, asyncio.Future[Any]] = {}
    served, work = Desk.served, batch._work

    async def served_early(desk: Desk, job: Job, *given: Any) -> Any:
        told[job] = asyncio.get_running_loop().create_future()
        late = asyncio.create_task(served(desk, job, *given))
        await asyncio.wait({late, told[job]}, return_when=asyncio.FIRST_COMPLETED)
        return told[job].result() if told[job].done() else await late

    async def work_and_tell(round_: Any, jobs: Sequence[Job]) -> None:
        await work(round_, jobs)
        for job in jobs:
            outcome = round_.outcomes[job]
            if isinstance(outcome, Done):
                told[job].set_result(outcome.answer)
        await asyncio.sleep(0)

    Desk.served = served_early  # type: ignore[method-assign]
    batch._work = work_and_tell


def apply_before_commit() -> None:
    """Redis and the viewers hear of a change while its transaction is still open."""
    desks: list[Desk] = []
    made, move = Desk.__post_init__, records.move_slots

    def remember(desk: Desk) -> None:
        made(desk)
        desks.append(desk)

    async def move_and_apply(*given: Any) -> dict[int, Moved]:
        moved = await move(*given)
        await publishing.publish(desks[-1].status, desks[-1].ledger, moved.values())
        return moved

    Desk.__post_init__ = remember  # type: ignore[method-assign]
    records.move_slots = move_and_apply


def keep_answer_after_commit() -> None:
    """The answer under a key is kept in a transaction of its own, after that of the booking."""
    keep = answers.keep
    owed: list[tuple[Any, ...]] = []

    async def keep_later(connection: Any, *given: Any) -> None:
        owed.append(given)

    answers.keep = keep_later
    _do_after_each_transaction(keep, owed)


def note_outbox_after_commit() -> None:
    """The row that keeps a change until Redis has heard of it is written after the change is committed."""
    note = records._note
    owed: list[tuple[Any, ...]] = []

    async def note_later(connection: Any, slots: Sequence[SlotRow], now: datetime) -> dict[int, int]:
        owed.append((slots, now))
        return {slot.slot_id: 0 for slot in slots}

    records._note = note_later
    _do_after_each_transaction(note, owed)


def _do_after_each_transaction(work: Callable[..., Awaitable[Any]], owed: list[tuple[Any, ...]]) -> None:
    """Does what is ``owed``, each with its arguments, in a transaction of its own."""
    settle = line.settle

    async def settle_and_pay(ledger: Any, *given: Any, **named: Any) -> Any:
        settled = await settle(ledger, *given, **named)
        async with ledger.database.unit_of_work() as connection:
            while owed:
                await work(connection, *owed.pop())
        return settled

    line.settle = settle_and_pay


BROKEN: Mapping[str, Callable[[], None]] = {
    "": lambda: None,
    "acknowledged before the commit": acknowledge_before_commit,
    "applied before the commit": apply_before_commit,
    "answer kept after the commit": keep_answer_after_commit,
    "outbox noted after the commit": note_outbox_after_commit,
}
