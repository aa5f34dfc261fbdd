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

from sqlalchemy import BigInteger, String, and_, delete, func, select
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
    # Joined, since SQLite looks through the whole table for one of several pairs.
    given = db.given(connection, "names", {f"asked_{column}": String() for column in _COLUMNS})
    alike = [_ANSWER.c[column] == given.c[f"asked_{column}"] for column in _COLUMNS]
    asked = [{f"asked_{column}": part for column, part in zip(_COLUMNS, name, strict=True)} for name in names]
    statement = select(_ANSWER).join_from(given, _ANSWER, and_(*alike))
    rows = await connection.execute(statement, {"names": db.as_given(asked)})
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
    """Forgets answers that are older than that, some at a time; returns how many.

    ``SWEPT_AT_ONCE`` and those of the same instant as the last of them; fewer where no older ones are left.
    """
    async with database.unit_of_work() as connection:
        before = await database.now(connection) - kept_for
        old = select(_ANSWER.c.created_at).where(_ANSWER.c.created_at < before)
        oldest = old.order_by(_ANSWER.c.created_at).offset(SWEPT_AT_ONCE - 1).limit(1)
        until: datetime | None = (await connection.execute(oldest)).scalar()
        is_swept = _ANSWER.c.created_at < before if until is None else _ANSWER.c.created_at <= until
        return (await connection.execute(delete(_ANSWER).where(is_swept))).rowcount
