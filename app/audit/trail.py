"""The audit trail: entries are noted with what they tell of, and sealed into a chain of digests by a worker.

Whoever changes or removes an entry afterwards breaks the chain from there on, unless all that follows is
made anew; the newest digest, kept elsewhere, shows that as well.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.models import AuditEntry, AuditSeal
from app.core import db
from app.core.db import Database

_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]
_SEAL = AuditSeal.__table__  # type: ignore[attr-defined]
SEALED_AT_ONCE = 200
READ_AT_ONCE = 1_000
FIRST = "0" * 64


async def note(
    connection: AsyncConnection, who: str, act: str, subject: str, now: datetime, **detail: Any
) -> None:
    """Notes what is done in this very transaction: without it, it has not been done."""
    values = {"at": now, "who": who[:120], "act": act, "subject": subject, "detail": canonical(detail)}
    await connection.execute(insert(_ENTRY).values(**values))


async def count(connection: AsyncConnection, act: str, subject: str, since: datetime | None = None) -> int:
    """How often this was noted of a subject, in all or since an instant."""
    asked = select(func.count()).where(_ENTRY.c.subject == subject, _ENTRY.c.act == act)
    if since is not None:
        asked = asked.where(_ENTRY.c.at > since)
    return (await connection.execute(asked)).scalar_one()


def canonical(detail: Any) -> str:
    """The same facts are the same text."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class _AnotherSeals(Exception):
    """Its chain holds, and this one is not written."""


async def seal(database: Database) -> int:
    """Seals entries that are not yet, some at a time, in the order of their numbers; returns how many.

    Of several who do it at once one does: the seal's number is taken once.
    """
    try:
        async with database.unit_of_work() as connection:
            return await _seal(connection)
    except _AnotherSeals:
        return 0


async def _seal(connection: AsyncConnection) -> int:
    last = (
        (await connection.execute(select(_SEAL).order_by(_SEAL.c.number.desc()).limit(1)))
        .mappings()
        .one_or_none()
    )
    number, before = (0, FIRST) if last is None else (last["number"], last["digest"])
    unsealed = select(_ENTRY).where(~select(_SEAL.c.number).where(_SEAL.c.entry_id == _ENTRY.c.id).exists())
    rows = (await connection.execute(unsealed.order_by(_ENTRY.c.id).limit(SEALED_AT_ONCE))).mappings().all()
    seals = []
    for row in rows:
        number, before = number + 1, _digest(before, row)
        seals.append({"number": number, "entry_id": row["id"], "digest": before})
    if seals:
        statement = db.insert(connection, AuditSeal).on_conflict_do_nothing().returning(_SEAL.c.number)
        written = (await connection.execute(statement, seals)).scalars().all()
        if len(written) < len(seals):
            raise _AnotherSeals
    return len(rows)


def _digest(before: str, row: Any) -> str:
    told = [before, row["id"], row["at"].isoformat(), row["who"], row["act"], row["subject"], row["detail"]]
    return hashlib.sha256(canonical(told).encode()).hexdigest()


@dataclass(frozen=True)
class Verdict:
    """What the chain says: how many entries it holds, its newest digest, and what is wrong with it."""

    sealed: int
    unsealed: int
    digest: str
    wrong: tuple[str, ...]


async def verify(connection: AsyncConnection) -> Verdict:
    """Reckons the whole chain again."""
    wrong: list[str] = []
    number, before, sealed = 0, FIRST, 0
    while rows := await _sealed_after(connection, number):
        for row in rows:
            if row["number"] != number + 1:
                wrong.append(f"seal {number + 1} is missing")
            number = row["number"]
            if row["id"] is None:
                wrong.append(f"seal {number}: its entry {row['entry_id']} is missing")
                before = row["digest"]
                continue
            if _digest(before, row) != row["digest"]:
                wrong.append(f"seal {number}: entry {row['id']} is not what was sealed")
            before, sealed = row["digest"], sealed + 1
    unsealed = select(_ENTRY.c.id).where(
        ~select(_SEAL.c.number).where(_SEAL.c.entry_id == _ENTRY.c.id).exists()
    )
    left = len((await connection.execute(unsealed)).all())
    return Verdict(sealed, left, before, tuple(wrong))


async def _sealed_after(connection: AsyncConnection, number: int) -> Sequence[Any]:
    statement = (
        select(_SEAL.c.number, _SEAL.c.entry_id, _SEAL.c.digest, _ENTRY)
        .join_from(_SEAL, _ENTRY, _ENTRY.c.id == _SEAL.c.entry_id, isouter=True)
        .where(_SEAL.c.number > number)
        .order_by(_SEAL.c.number)
        .limit(READ_AT_ONCE)
    )
    return (await connection.execute(statement)).mappings().all()
