"""Which life of the database this is: another one wherever it may have lost what it had committed."""

import hashlib
import secrets

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.models import Installation
from app.core.db import Database, SqlAway

_INSTALLATION = Installation.__table__  # type: ignore[attr-defined]
# What else changes when PostgreSQL is restored, or a standby takes over: the timeline of its log, the
# database, and the transaction that wrote the row, which is another one where it came out of a dump. Every
# account may read these.
_POSTGRESQL_LIFE = text(
    """
    SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
           (SELECT oid::text FROM pg_database WHERE datname = current_database()),
           (SELECT xmin::text FROM installation)
    """
)
# A backup that is restored into the open file counts as a change of its schema.
_SQLITE_LIFE = text("PRAGMA schema_version")


async def read_incarnation(database: Database) -> str:
    """Twelve hexadecimal digits that name the present life of this database.

    The same for every process, and as long as nothing was lost; what changes it is listed in
    ``docs/decisions/010-lost-sql-commits.md``. Raises SqlAway, also where a standby answers: what it has may
    be old.
    """
    async with database.look() as connection:
        return await _incarnation(connection)


async def renew_incarnation(database: Database, known: str) -> None:
    """Begins another life, since this one was found to lack commits.

    Nothing happens where it is no longer the one that the caller has ``known``: somebody was faster.
    """
    async with database.unit_of_work() as connection:
        # Two workers may find it at once: the second one reads what the first has written.
        await connection.execute(select(_INSTALLATION.c.id).with_for_update())
        if await _incarnation(connection) == known:
            await connection.execute(update(_INSTALLATION).values(incarnation=secrets.token_hex(16)))


async def _incarnation(connection: AsyncConnection) -> str:
    stored = (await connection.execute(select(_INSTALLATION.c.incarnation))).scalar_one()
    is_sqlite = connection.dialect.name == "sqlite"
    life = (await connection.execute(_SQLITE_LIFE if is_sqlite else _POSTGRESQL_LIFE)).one()
    if life[0] is None:
        raise SqlAway("PostgreSQL is a standby, or still recovers")
    return hashlib.sha256(repr((stored, *life)).encode()).hexdigest()[:12]
