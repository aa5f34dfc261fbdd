"""One transaction for all who go together, while it runs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings import records
from app.bookings.forms import IdempotencyKey
from app.bookings.jobs import Job, Outcome
from app.bookings.records import Lock, Moved, SlotRow
from app.payments.queries import tariff_in_force, tariff_of
from app.payments.tariffs.lines import Tariff


@dataclass
class Round:
    """``waits``: for rows that others hold; who goes together with others does not, so nobody holds up all.

    ``changes`` are what was committed, in the order in which it happened, for Redis; ``corrections`` what
    Redis believed otherwise; ``wrote`` says that there is more to commit, of which Redis need not hear.
    """

    connection: AsyncConnection
    now: datetime
    signing_key: bytes
    waits: bool
    outcomes: dict[Job, Outcome] = field(default_factory=dict)
    changes: list[Moved] = field(default_factory=list)
    corrections: list[Moved] = field(default_factory=list)
    wrote: bool = False
    answers: list[tuple[Job, IdempotencyKey, dict[str, Any]]] = field(default_factory=list)
    _tariffs: dict[tuple[Any, ...], Tariff | None] = field(default_factory=dict)

    @property
    def lock(self) -> Lock:
        return Lock.WAIT if self.waits else Lock.SKIP

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return self.wrote or bool(self.changes or self.answers)

    def keep_answer(self, job: Job, answer: dict[str, Any]) -> None:
        """What the same request is answered when it comes again under its key, if it has one."""
        if job.key is not None:
            self.answers.append((job, job.key, answer))

    async def tariff_in_force(self, slot: SlotRow) -> Tariff | None:
        """The tariff at which this slot is booked now."""
        asked = ("now", slot.lot_id, slot.area_id)
        if asked not in self._tariffs:
            self._tariffs[asked] = await tariff_in_force(self.connection, slot.lot_id, slot.area_id, self.now)
        return self._tariffs[asked]

    async def tariff_of(self, tariff_id: int) -> Tariff:
        """The tariff that a booking was made at."""
        asked = ("then", tariff_id)
        if asked not in self._tariffs:
            self._tariffs[asked] = await tariff_of(self.connection, tariff_id)
        tariff = self._tariffs[asked]
        assert tariff is not None
        return tariff

    async def move(self, moves: list[records.Move], slots: dict[int, SlotRow]) -> dict[int, Moved]:
        """Moves slots, each once, and notes what Redis must hear of; those that did not move are left out."""
        moved = await records.move_slots(self.connection, moves, slots, self.now)
        self.changes += moved.values()
        return moved
