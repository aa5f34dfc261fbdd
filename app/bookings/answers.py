"""Idempotency: a request that is sent again under its key gets the answer of the first one.

The row is written in the booking's own transaction. A second request under the same key waits for the
first at the unique index, then reads what it answered; only success is kept, so a failure may be tried again.
"""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bookings.forms import IdempotencyKey
from app.bookings.models import StoredAnswer
from app.bookings.problems import key_used_for_another_request
from app.core import db

_ANSWER = StoredAnswer.__table__  # type: ignore[attr-defined]


async def claim(connection: AsyncConnection, action: str, key: IdempotencyKey | None, now: Any) -> Any | None:
    """``None`` where the request is new (and its key now claimed), else the answer that was kept.

    Raises a Problem (422) where the key came with another request.
    """
    if key is None:
        return None
    row = {"caller": key.caller, "action": action, "key": key.key}
    statement = (
        db.insert(connection, StoredAnswer)
        .values(**row, request_digest=key.request_digest, answer=None, created_at=now)
        .on_conflict_do_nothing()
    )
    if (await connection.execute(statement)).rowcount:
        return None
    stored = (await connection.execute(select(_ANSWER).where(*_is(row)))).mappings().one()
    if stored["request_digest"] != key.request_digest:
        raise key_used_for_another_request()
    return stored["answer"]


async def keep(connection: AsyncConnection, action: str, key: IdempotencyKey | None, answer: Any) -> None:
    """Keeps the answer under its claimed key."""
    if key is not None:
        row = {"caller": key.caller, "action": action, "key": key.key}
        await connection.execute(update(_ANSWER).where(*_is(row)).values(answer=answer))


def _is(row: dict[str, str]) -> list[Any]:
    return [_ANSWER.c[name] == value for name, value in row.items()]
