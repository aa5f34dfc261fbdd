"""Lots as operators make and edit them: what is said of them, their tariff, and who is told."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.bookings.desk import Desk, run_again_on_conflict
from app.bookings.models import Reservation, ReservationHistory
from app.bookings.opening import build_lot, show_lot
from app.core.errors import Problem
from app.core.languages import sentence
from app.core.redis import REDIS_IS_GONE
from app.payments.service import follow_lot, open_tariff
from app.slots import edits, service
from app.slots.edits import AreaDetails, LotDetails
from app.slots.forms import SlotForm
from app.slots.models import Lot
from app.slots.relay import relay_slots
from app.slots.status import NotBuilt, OtherOrder

PUT_AT_ONCE = 25
_BOOKINGS = (Reservation.__table__, ReservationHistory.__table__)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class SlotsPut:
    """What became of several slots: how many are new, how many changed, and which could not (with why)."""

    created: int = 0
    changed: int = 0
    refused: tuple[tuple[str, Problem], ...] = ()

    def __add__(self, other: "SlotsPut") -> "SlotsPut":
        return SlotsPut(
            self.created + other.created, self.changed + other.changed, self.refused + other.refused
        )


async def create_lot(desk: Desk, code: str, details: LotDetails, by: str) -> Lot:
    """A lot without slots, with the first tariff. A Problem (409) where the code is another lot's."""

    async def work() -> Lot:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            lot = await edits.create_lot(connection, code, details)
            if lot is None:
                raise Problem(
                    409,
                    "code-used",
                    sentence("There is a lot with the code {code} already", code=code),
                    sentence("Give another code."),
                )
            assert lot.id is not None
            await open_tariff(connection, lot.id, lot.currency, lot.time_zone, now)
            await note(connection, by, "lot.created", f"lot:{lot.id}", now, lot=code, name=lot.name)
            return lot

    lot: Lot = await run_again_on_conflict(work)
    await build_lot(desk, lot.id or 0)
    return lot


async def edit_lot(desk: Desk, lot_id: int, details: LotDetails, seen: str, by: str) -> None:
    """Writes what is said of a lot. A Problem: 412 where somebody else did meanwhile, 409 where its clock or
    its currency would change after the first booking.
    """

    async def work() -> None:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            before = await edits.edit_lot(connection, lot_id, details, seen)
            changed = _changed(before, details)
            if {"currency", "time_zone", "entities_are_plates"} & changed.keys() and await was_booked(
                connection, lot_id
            ):
                raise _was_booked(changed)
            if "currency" in changed or "time_zone" in changed:
                await follow_lot(connection, lot_id, details.currency, details.time_zone, now, by)
            if changed:
                await note(connection, by, "lot.edited", f"lot:{lot_id}", now, **changed)

    await run_again_on_conflict(work)
    await show_lot(desk, lot_id)


def _was_booked(changed: Mapping[str, object]) -> Problem:
    if "entities_are_plates" in changed:
        return Problem(
            409,
            "lot-was-booked",
            sentence("How vehicles are known stays as it is"),
            sentence("Bookings were made here, and are found by it."),
        )
    return Problem(
        409,
        "lot-was-booked",
        sentence("Time zone and currency stay as they are"),
        sentence("Bookings were made here, and are reckoned by them."),
    )


async def edit_area(desk: Desk, lot_id: int, code: str, details: AreaDetails, seen: str, by: str) -> None:
    """Writes what is said of an area. A Problem: 404, or 412 where somebody else did meanwhile."""

    async def work() -> None:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            before = await edits.edit_area(connection, lot_id, code, details, seen)
            if changed := _changed(before, details):
                await note(connection, by, "area.edited", f"lot:{lot_id}", now, area=code, **changed)

    await run_again_on_conflict(work)
    await show_lot(desk, lot_id)


async def note_of_lot(desk: Desk, lot_id: int, act: str, by: str, **detail: str) -> None:
    """Notes what was done to a lot by a way that notes nothing itself."""

    async def work() -> None:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            await note(connection, by, act, f"lot:{lot_id}", now, **detail)

    await run_again_on_conflict(work)


async def put_slots(desk: Desk, lot_id: int, forms: list[SlotForm], by: str) -> SlotsPut:
    """Creates or changes slots of a lot, some in a transaction; one that can't be keeps no other from it.

    Ended halfway, the same again does the rest: a slot is known by its identifier.
    """
    done = SlotsPut()
    for start in range(0, len(forms), PUT_AT_ONCE):
        done += await put_some(desk, lot_id, forms[start : start + PUT_AT_ONCE], by)
    await show_lot(desk, lot_id)
    return done


async def put_some(desk: Desk, lot_id: int, forms: list[SlotForm], by: str) -> SlotsPut:
    """As :func:`put_slots`, for a few; nobody is told to load the map again yet."""
    try:
        return await _put(desk, lot_id, forms, by)
    except Problem as problem:
        if problem.status == 503:
            raise
        if len(forms) == 1:
            return SlotsPut(refused=((forms[0].identifier, problem),))
    done = SlotsPut()
    for form in forms:
        done += await put_some(desk, lot_id, [form], by)
    return done


async def _put(desk: Desk, lot_id: int, forms: list[SlotForm], by: str) -> SlotsPut:
    """All of them or none."""

    async def work() -> list[service.Put]:
        async with desk.transaction() as connection:
            now = await desk.database.now(connection)
            puts = [await service.put_slot(connection, form, now) for form in forms]
            if any(put.lot_id != lot_id for put in puts):
                raise Problem(409, "slot-in-another-lot", sentence("The slot is in another lot"))
            for act, created in (("slots.created", True), ("slots.changed", False)):
                names = [f.identifier for f, put in zip(forms, puts, strict=True) if put.created is created]
                if names:
                    await note(connection, by, act, f"lot:{lot_id}", now, slots=names)
            return puts

    puts: list[service.Put] = await run_again_on_conflict(work)
    desk.layouts.forget(lot_id)
    # Where it fails the outbox has a row of each, and the relay will.
    with contextlib.suppress(NotBuilt, OtherOrder, *REDIS_IS_GONE):
        await relay_slots(desk.database, desk.status, lot_id, [put.slot_id for put in puts])
    created = sum(put.created for put in puts)
    return SlotsPut(created, len(puts) - created)


async def was_booked(connection: AsyncConnection, lot_id: int) -> bool:
    """Whether anybody ever booked in the lot."""
    for bookings in _BOOKINGS:
        found = await connection.execute(select(bookings.c.id).where(bookings.c.lot_id == lot_id).limit(1))
        if found.first() is not None:
            return True
    return False


def _changed(before: object, after: object) -> dict[str, list[object]]:
    """What differs, each with what it was and what it is."""
    old, new = vars(before), vars(after)
    return {name: [old[name], new[name]] for name in new if old[name] != new[name]}
