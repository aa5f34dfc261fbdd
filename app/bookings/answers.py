"""Idempotency: a request that is sent again under its key gets the answer of the first one.

The answer is written in the booking's own transaction, and only success is kept, so a failure may be tried
again. While a request is under way its key is taken: in its process from the call on (``in_flight``), in SQL
for as long as its transaction lasts.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.forms import IdempotencyKey
from app.bookings.models import StoredAnswer
from app.core import db
from app.core.db import Database

# A stored answer is given for 24 hours at least (`app/api/documentation.py` promises a day).
KEPT_FOR = timedelta(hours=25)
SWEPT_AT_ONCE = 500
_ANSWER = StoredAnswer.__table__  # type: ignore[attr-defined]
_COLUMNS = ("caller", "action", "key")
Name = tuple[str, str, str]


def name_of(action: str, key: IdempotencyKey) -> Name:
    """Under which the answer is stored: keys are scoped by caller and action."""
    return key.caller, action, key.key


async def stored(connection: AsyncConnection, names: Sequence[Name]) -> dict[Name, Mapping[Any, Any]]:
    """What was answered under these names: ``request_digest`` and ``answer``."""
    statement = select(_ANSWER).where(tuple_(*(_ANSWER.c[column] for column in _COLUMNS)).in_(names))
    rows = await connection.execute(statement)
    return {(row["caller"], row["action"], row["key"]): row for row in rows.mappings()}


async def take(connection: AsyncConnection, names: Sequence[Name]) -> set[Name]:
    """Takes names for this transaction; returns those that no other one has.

    SQLite lets one transaction write at a time, so there nobody else can.
    """
    if connection.dialect.name != "postgresql":
        return set(names)
    given = db.given(connection, "numbers", {"number": BigInteger()})
    statement = select(given.c.number, func.pg_try_advisory_xact_lock(given.c.number))
    numbers = {_number(name): name for name in names}
    rows = await connection.execute(
        statement, {"numbers": db.as_given([{"number": number} for number in numbers])}
    )
    return {numbers[number] for number, is_mine in rows if is_mine}


def _number(name: Name) -> int:
    """64 bits of a name: what PostgreSQL locks by."""
    return int.from_bytes(hashlib.sha256(json.dumps(name).encode()).digest()[:8], signed=True)


async def keep(
    connection: AsyncConnection,
    kept: Sequence[tuple[str, IdempotencyKey, dict[str, Any]]],
    now: datetime,
) -> None:
    """Stores answers: action, key and answer of each."""
    rows = [
        {
            "caller": key.caller,
            "action": action,
            "key": key.key,
            "request_digest": key.request_digest,
            "answer": answer,
            "created_at": now,
        }
        for action, key, answer in kept
    ]
    if rows:
        await connection.execute(_ANSWER.insert(), rows)


async def sweep(database: Database, kept_for: timedelta = KEPT_FOR) -> int:
    """Forgets answers that are older than that, some at a time; returns how many."""
    async with database.unit_of_work() as connection:
        before = await database.now(connection) - kept_for
        name = tuple_(*(_ANSWER.c[column] for column in _COLUMNS))
        old = select(*(_ANSWER.c[column] for column in _COLUMNS)).where(_ANSWER.c.created_at < before)
        rows = [tuple(row) for row in await connection.execute(old.limit(SWEPT_AT_ONCE))]
        if rows:
            await connection.execute(delete(_ANSWER).where(name.in_(rows)))
    return len(rows)
