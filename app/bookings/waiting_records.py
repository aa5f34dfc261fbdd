"""The statements about slots that are held for a minute, and about who waits for one."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.models import Hold, Waiting, WaitingSeen, WaitingState
from app.bookings.records import SlotRow
from app.core import db

HOLD = Hold.__table__  # type: ignore[attr-defined]
WAITING = Waiting.__table__  # type: ignore[attr-defined]
SEEN = WaitingSeen.__table__  # type: ignore[attr-defined]
# Written out, not bound: a planner uses a partial index only where it can read the condition.
WAITS = text("waiting.state = 'waiting'")
IN_LINE = text("waiting.state IN ('waiting', 'offered')")
_IS_OVER = text("waiting.state NOT IN ('waiting', 'offered')")
SWEPT_AT_ONCE = 500


async def insert_hold(connection: AsyncConnection, hold: Hold) -> bool:
    """Whether it was written: not where the slot, or the browser, has one."""
    statement = db.insert(connection, Hold).values(**hold.model_dump()).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(HOLD.c.id))).first() is not None


async def delete_holds(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Forgets these holds; their slots are moved by whoever calls."""
    if ids:
        await connection.execute(delete(HOLD).where(HOLD.c.id.in_(ids)))


async def holds_by_id(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Hold]:
    """Those of these holds that there are."""
    if not ids:
        return {}
    rows = await connection.execute(select(HOLD).where(HOLD.c.id.in_(ids)))
    return {row["id"]: Hold(**row) for row in rows.mappings()}


async def hold_of(connection: AsyncConnection, browser: str) -> Hold | None:
    """What is held for this browser."""
    row = (await connection.execute(select(HOLD).where(HOLD.c.browser == browser))).mappings().first()
    return None if row is None else Hold(**row)


async def hold_of_slot(connection: AsyncConnection, slot_id: int) -> Hold | None:
    """What keeps this slot."""
    row = (await connection.execute(select(HOLD).where(HOLD.c.slot_id == slot_id))).mappings().one_or_none()
    return None if row is None else Hold(**row)


async def holds_at(connection: AsyncConnection, address: str) -> int:
    """How many slots are held for browsers at this address."""
    count = await connection.execute(select(func.count()).where(HOLD.c.address == address))
    found: int = count.scalar_one()
    return found


async def lapsed(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Holds whose time has run out, the longest first."""
    due = select(HOLD.c.id).where(HOLD.c.until <= now).order_by(HOLD.c.until).limit(limit)
    return list((await connection.execute(due)).scalars())


async def lots_with_line(connection: AsyncConnection, lot_ids: Collection[int] | None = None) -> set[int]:
    """Lots in which somebody waits: of these, or of all."""
    statement = select(WAITING.c.lot_id).distinct().where(WAITS)
    if lot_ids is not None:
        statement = statement.where(WAITING.c.lot_id.in_(lot_ids))
    return set((await connection.execute(statement)).scalars())


async def wishes_in_line(connection: AsyncConnection, lot_id: int) -> list[dict[str, Any]]:
    """What those who wait in a lot wish for, each wish once, as columns of ``slot_class``."""
    names = ("size", "premium", "accessible", "charging")
    asked = select(*(WAITING.c[name] for name in names)).distinct().where(WAITING.c.lot_id == lot_id, WAITS)
    rows = await connection.execute(asked)
    return [{name: row[name] for name in names if row[name] is not None} for row in rows.mappings()]


async def first_in_line(connection: AsyncConnection, slot: SlotRow) -> Waiting | None:
    """Who has waited longest for a slot like this one, locked; whom another transaction serves is left out.

    So is who has another slot held: that one is to be answered first.
    """
    statement = (
        select(WAITING)
        .where(
            WAITING.c.lot_id == slot.lot_id,
            WAITS,
            WAITING.c.size == slot.size,
            WAITING.c.accessible.is_(slot.accessible),
            WAITING.c.charging.is_(slot.charging),
            or_(WAITING.c.premium.is_(None), WAITING.c.premium.is_(slot.premium)),
            ~select(HOLD.c.id).where(HOLD.c.browser == WAITING.c.browser).correlate(WAITING).exists(),
        )
        .order_by(WAITING.c.joined_at, WAITING.c.id)
        .limit(1)
    )
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update(skip_locked=True)
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else Waiting(**row)


async def offer(connection: AsyncConnection, waiting: str, hold: str, now: datetime) -> None:
    """This slot is held for who waited."""
    await connection.execute(
        update(WAITING)
        .where(WAITING.c.id == waiting)
        .values(state=WaitingState.OFFERED, hold_id=hold, offered_at=now)
    )


async def back_in_line(connection: AsyncConnection, waiting: str) -> None:
    """Who was offered a slot in this transaction is not, and stands where it stood."""
    await connection.execute(
        update(WAITING)
        .where(WAITING.c.id == waiting)
        .values(state=WaitingState.WAITING, hold_id=None, offered_at=None)
    )


async def end_offers(connection: AsyncConnection, holds: Collection[str], state: WaitingState) -> None:
    """Whoever was offered what was held there has answered, or has not."""
    if holds:
        await connection.execute(
            update(WAITING)
            .where(WAITING.c.hold_id.in_(holds), WAITING.c.state == WaitingState.OFFERED)
            .values(state=state)
        )


async def insert_waiting(connection: AsyncConnection, waiting: Waiting) -> bool:
    """Whether it was written: not where this browser stands in a line already."""
    statement = db.insert(connection, Waiting).values(**waiting.model_dump()).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(WAITING.c.id))).first() is not None


async def in_line(connection: AsyncConnection, browser: str) -> Waiting | None:
    """Where this browser waits, or what it is offered."""
    found = select(WAITING).where(WAITING.c.browser == browser, IN_LINE)
    row = (await connection.execute(found)).mappings().first()
    return None if row is None else Waiting(**row)


async def last_of(connection: AsyncConnection, browser: str, lot_id: int) -> Waiting | None:
    """This browser's last place in the line of a lot, whatever became of it."""
    found = select(WAITING).where(WAITING.c.browser == browser, WAITING.c.lot_id == lot_id)
    row = (await connection.execute(found.order_by(WAITING.c.joined_at.desc()).limit(1))).mappings().first()
    return None if row is None else Waiting(**row)


async def waiting_at(connection: AsyncConnection, address: str) -> int:
    """How many browsers at this address stand in a line."""
    count = await connection.execute(select(func.count()).where(WAITING.c.address == address, IN_LINE))
    found: int = count.scalar_one()
    return found


async def before(connection: AsyncConnection, waiting: Waiting) -> int:
    """How many came earlier to the same line, and wait for a slot of the same kind."""
    earlier = or_(
        WAITING.c.joined_at < waiting.joined_at,
        (WAITING.c.joined_at == waiting.joined_at) & (WAITING.c.id < waiting.id),
    )
    alike: list[Any] = [
        WAITING.c.lot_id == waiting.lot_id,
        WAITS,
        WAITING.c.size == waiting.size,
        WAITING.c.accessible.is_(waiting.accessible),
        WAITING.c.charging.is_(waiting.charging),
    ]
    count = await connection.execute(select(func.count()).select_from(WAITING).where(*alike, earlier))
    found: int = count.scalar_one()
    return found


async def leave(connection: AsyncConnection, browser: str) -> None:
    """Who waits there waits no more; what is offered stays so until it is let go."""
    await connection.execute(
        update(WAITING).where(WAITING.c.browser == browser, WAITS).values(state=WaitingState.LEFT)
    )


async def seen(connection: AsyncConnection, waiting: str, now: datetime) -> None:
    """The page that waits is there."""
    statement = db.insert(connection, WaitingSeen).values(waiting_id=waiting, seen_at=now)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["waiting_id"], set_={"seen_at": now})
    )


async def last_seen(connection: AsyncConnection, waiting: str) -> datetime | None:
    """When the page that waits was there last."""
    asked = select(SEEN.c.seen_at).where(SEEN.c.waiting_id == waiting)
    found: datetime | None = (await connection.execute(asked)).scalar_one_or_none()
    return found


async def leave_unseen(connection: AsyncConnection, before_: datetime) -> int:
    """Whoever's page has not been there since then waits no more; returns how many."""
    unseen = select(SEEN.c.waiting_id).where(SEEN.c.seen_at < before_)
    gone = update(WAITING).where(WAITS, WAITING.c.id.in_(unseen)).values(state=WaitingState.LEFT)
    return (await connection.execute(gone)).rowcount


async def forget_ended(connection: AsyncConnection, now: datetime, kept_for: timedelta) -> int:
    """Deletes places in lines that ended long ago, some at a time; returns how many."""
    old = select(WAITING.c.id).where(_IS_OVER, WAITING.c.joined_at < now - kept_for).limit(SWEPT_AT_ONCE)
    ids = list((await connection.execute(old)).scalars())
    if ids:
        await connection.execute(delete(SEEN).where(SEEN.c.waiting_id.in_(ids)))
        await connection.execute(delete(WAITING).where(WAITING.c.id.in_(ids)))
    return len(ids)
