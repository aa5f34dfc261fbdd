"""Triggers in PostgreSQL that write down what becomes of slots, holds and bookings, and what they wrote."""

import time
from collections.abc import Sequence

from sqlalchemy import text

from app.bookings.models import Ending
from app.core.db import Database
from app.slots.models import State
from tests.chaos.timeline import Begun, Kept, Step

# Kept by the very transaction that changes the slot: what is rolled back was never written down.
_WATCH = (
    """CREATE TABLE seen_slot AS SELECT slot_id, version, state, reservation_id, now() AS at
        FROM slot_state WITH NO DATA""",
    """CREATE FUNCTION see_slot() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen_slot (slot_id, version, state, reservation_id)
        VALUES (NEW.slot_id, NEW.version, NEW.state, NEW.reservation_id); RETURN NULL; END $$""",
    """CREATE TRIGGER see_slot AFTER INSERT OR UPDATE ON slot_state
        FOR EACH ROW EXECUTE FUNCTION see_slot()""",
    "CREATE TABLE seen_hold AS SELECT id, browser, until FROM hold WITH NO DATA",
    """CREATE FUNCTION see_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen_hold VALUES (NEW.id, NEW.browser, NEW.until); RETURN NULL; END $$""",
    "CREATE TRIGGER see_hold AFTER INSERT ON hold FOR EACH ROW EXECUTE FUNCTION see_hold()",
    "CREATE TABLE seen_booking AS SELECT id, entity, arrive_by FROM reservation WITH NO DATA",
    """CREATE FUNCTION see_booking() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen_booking VALUES (NEW.id, NEW.entity, NEW.arrive_by); RETURN NULL; END $$""",
    "CREATE TRIGGER see_booking AFTER INSERT ON reservation FOR EACH ROW EXECUTE FUNCTION see_booking()",
    # What is there already is written down as if it had come now.
    "UPDATE slot_state SET version = version",
)
_STEPS = """SELECT slot.identifier, seen_slot.version, seen_slot.state, seen_slot.reservation_id,
    extract(epoch FROM pg_xact_commit_timestamp(seen_slot.xmin))::float8
    FROM seen_slot JOIN slot ON slot.id = seen_slot.slot_id"""
_HOLDS = "SELECT id, browser, extract(epoch FROM until)::float8 FROM seen_hold"
_BOOKINGS = """SELECT seen_booking.id, seen_booking.entity,
    extract(epoch FROM seen_booking.arrive_by)::float8, reservation_history.ending
    FROM seen_booking LEFT JOIN reservation_history ON reservation_history.id = seen_booking.id"""


async def watch(database: Database) -> None:
    """From now on everything is written down. The server has to keep its transactions' instants."""
    async with database.unit_of_work() as connection:
        for statement in _WATCH:
            await connection.execute(text(statement))


async def seen(database: Database) -> tuple[Sequence[Step], Sequence[Kept], Sequence[Begun]]:
    """All that was written down, by the clock that clients tell their calls by."""
    # One machine has one clock: only where the two begin to count differs.
    ahead_s = time.time() - time.monotonic()
    async with database.look() as connection:
        steps = [
            Step(slot, version, State(state), owner, at_s - ahead_s)
            for slot, version, state, owner, at_s in await connection.execute(text(_STEPS))
        ]
        kept = [
            Kept(hold, browser, until_s - ahead_s)
            for hold, browser, until_s in await connection.execute(text(_HOLDS))
        ]
        begun = [
            Begun(
                reservation,
                entity,
                None if arrive_by_s is None else arrive_by_s - ahead_s,
                None if ending is None else Ending(ending),
            )
            for reservation, entity, arrive_by_s, ending in await connection.execute(text(_BOOKINGS))
        ]
    return steps, kept, begun
