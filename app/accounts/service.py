"""People who sign in: their accounts, their sessions, and links that sign in once."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.models import Account, Installation, Role, Session, SignInLink
from app.core import db
from app.core.db import Database
from app.core.errors import FieldError, InvalidInput, Problem
from app.core.ids import digest, new_secret
from app.core.languages import sentence

SESSION_LIFE = timedelta(hours=12)
LINK_LIFE = timedelta(hours=1)
SHORTEST_PASSWORD = 10
_ACCOUNT = Account.__table__  # type: ignore[attr-defined]
_SESSION = Session.__table__  # type: ignore[attr-defined]
_LINK = SignInLink.__table__  # type: ignore[attr-defined]
_INSTALLATION = Installation.__table__  # type: ignore[attr-defined]
_HASHER = PasswordHasher()
# Verified where no such account exists, so that the time to answer does not tell.
_NOBODY = _HASHER.hash("nobody")


@dataclass(frozen=True)
class SignedIn:
    """Who sends a request."""

    account_id: int
    name: str
    role: Role


async def installation(database: Database) -> Installation:
    """The row that names this database, made at the first call."""
    async with database.unit_of_work() as connection:
        fresh = {"id": 1, "incarnation": secrets.token_hex(16), "signing_key": secrets.token_hex(32)}
        await connection.execute(db.insert(connection, Installation).values(**fresh).on_conflict_do_nothing())
        row = (await connection.execute(select(_INSTALLATION))).mappings().one()
        return Installation(**row)


async def create_account(database: Database, name: str, role: Role, password: str | None = None) -> int:
    """A new account; without a password it signs in by a link. InvalidInput names what is wrong."""
    errors = []
    if not name.strip() or len(name) > 80:
        errors.append(FieldError("name", "must have 1 to 80 characters"))
    if password is not None and len(password) < SHORTEST_PASSWORD:
        errors.append(FieldError("password", f"must have at least {SHORTEST_PASSWORD} characters"))
    if errors:
        raise InvalidInput(errors)
    # Hashing takes as long as it takes so that guessing does: not in the event loop.
    password_hash = None if password is None else await asyncio.to_thread(_HASHER.hash, password)
    async with database.unit_of_work() as connection:
        values = {
            "name": name.strip(),
            "role": role,
            "password_hash": password_hash,
            "created_at": await database.now(connection),
        }
        statement = db.insert(connection, Account).values(**values).on_conflict_do_nothing()
        account_id: int | None = (
            await connection.execute(statement.returning(_ACCOUNT.c.id))
        ).scalar_one_or_none()
    if account_id is None:
        raise InvalidInput([FieldError("name", "is used by another account")])
    return account_id


async def first_operator(database: Database) -> int | None:
    """The account of the first operator, if there is one."""
    async with database.look() as connection:
        statement = select(_ACCOUNT.c.id).where(_ACCOUNT.c.role == Role.OPERATOR).order_by(_ACCOUNT.c.id)
        found: int | None = (await connection.execute(statement.limit(1))).scalar_one_or_none()
        return found


async def create_link(database: Database, account_id: int) -> str:
    """The secret of a link that signs this account in, once, within ``LINK_LIFE``."""
    secret = new_secret()
    async with database.unit_of_work() as connection:
        expires_at = await database.now(connection) + LINK_LIFE
        values = {"digest": digest(secret), "account_id": account_id, "expires_at": expires_at}
        await connection.execute(insert(_LINK).values(**values))
    return secret


async def use_link(database: Database, secret: str) -> str:
    """Uses a link up; returns the secret of a new session. A Problem (410) where it is not valid."""
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        account_id = (
            await connection.execute(
                update(_LINK)
                .where(_LINK.c.digest == digest(secret), _LINK.c.used_at.is_(None), _LINK.c.expires_at > now)
                .values(used_at=now)
                .returning(_LINK.c.account_id)
            )
        ).scalar_one_or_none()
        if account_id is None:
            raise Problem(
                410,
                "link-used",
                sentence("This sign-in link is used up"),
                sentence("It works once, for an hour."),
            )
        return await _open_session(database, connection, account_id)


async def sign_in(database: Database, name: str, password: str) -> str:
    """The secret of a new session. A Problem (401) where name and password do not fit together."""
    async with database.look() as connection:
        row = (
            await connection.execute(
                select(_ACCOUNT.c.id, _ACCOUNT.c.password_hash).where(_ACCOUNT.c.name == name.strip())
            )
        ).one_or_none()
    stored = row.password_hash if row is not None and row.password_hash else _NOBODY
    fits = await asyncio.to_thread(_fits, stored, password)
    if row is None or stored is _NOBODY or not fits:
        raise Problem(
            401,
            "not-signed-in",
            sentence("Name and password do not fit"),
            sentence("Try again, or ask an operator."),
        )
    async with database.unit_of_work() as connection:
        return await _open_session(database, connection, row.id)


async def signed_in(database: Database, secret: str | None) -> SignedIn | None:
    """Whose session this is, if it still runs."""
    if not secret:
        return None
    async with database.look() as connection:
        now = await database.now(connection)
        row = (
            await connection.execute(
                select(_ACCOUNT.c.id, _ACCOUNT.c.name, _ACCOUNT.c.role)
                .join_from(_SESSION, _ACCOUNT, _ACCOUNT.c.id == _SESSION.c.account_id)
                .where(_SESSION.c.digest == digest(secret), _SESSION.c.expires_at > now)
            )
        ).one_or_none()
    return None if row is None else SignedIn(row.id, row.name, Role(row.role))


async def sign_out(database: Database, secret: str) -> None:
    """Ends a session."""
    async with database.unit_of_work() as connection:
        await connection.execute(delete(_SESSION).where(_SESSION.c.digest == digest(secret)))


async def _open_session(database: Database, connection: AsyncConnection, account_id: int) -> str:
    secret = new_secret()
    now = await database.now(connection)
    await connection.execute(delete(_SESSION).where(_SESSION.c.expires_at <= now))
    await connection.execute(
        insert(_SESSION).values(
            digest=digest(secret), account_id=account_id, created_at=now, expires_at=now + SESSION_LIFE
        )
    )
    return secret


def _fits(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
