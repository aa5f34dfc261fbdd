"""Looking through the audit trail: the newest entries first, a page of them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.models import AuditEntry

_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]
PAGE = 50


@dataclass(frozen=True)
class Wanted:
    """Which entries; ``None`` does not ask. ``during``: from an instant on, and before another one."""

    during: tuple[datetime, datetime] | None = None
    who: str | None = None
    before: int | None = None


@dataclass(frozen=True)
class Page:
    """Entries, and the number of the last one where older ones follow."""

    entries: list[AuditEntry]
    following: int | None


async def entries(connection: AsyncConnection, wanted: Wanted) -> Page:
    """A page of the trail."""
    asked = select(_ENTRY).order_by(_ENTRY.c.id.desc()).limit(PAGE + 1)
    if wanted.during is not None:
        begin, end = wanted.during
        asked = asked.where(_ENTRY.c.at >= begin, _ENTRY.c.at < end)
    if wanted.who is not None:
        asked = asked.where(func.lower(_ENTRY.c.who) == wanted.who.lower())
    if wanted.before is not None:
        asked = asked.where(_ENTRY.c.id < wanted.before)
    rows = (await connection.execute(asked)).mappings().all()
    found = [AuditEntry(**row) for row in rows[:PAGE]]
    return Page(found, found[-1].id if len(rows) > PAGE else None)
