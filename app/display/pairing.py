"""Pairing a screen with a lot: it shows a code, an operator enters it, the screen is that lot's wall."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.models import Session
from app.audit import trail
from app.core import db
from app.core.db import Database
from app.core.errors import FieldError, InvalidInput, Problem
from app.core.languages import LANGUAGES, sentence
from app.display.models import Display, PairingCode
from app.slots.models import Lot

CODE_LIFE = timedelta(minutes=15)
# None is taken for another one across a hall: of 0 and O, 1 and I, 2 and Z, 5 and S, 8 and B one at most.
LETTERS = "234679ACDEFHJKMNPQRTVWXY"
CODE_LENGTH = 6
# Screens that may wait at once: of one address, and in all.
MOST_OF_ADDRESS, MOST_WAITING = 20, 1_000
MOST_DISPLAYS = 500
# Wrong codes that one session may enter in a minute.
MOST_WRONG, WRONG_WITHIN = 5, timedelta(minutes=1)
LONGEST_NAME = 80
_WRONG = "wrong-display-code"
_DISPLAY = Display.__table__  # type: ignore[attr-defined]
_CODE = PairingCode.__table__  # type: ignore[attr-defined]
_LOT = Lot.__table__  # type: ignore[attr-defined]
_SESSION = Session.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Screen:
    """What a paired display shows: the lot, and in which language ("" is the browser's)."""

    id: int
    lot_id: int
    lot_code: str
    language: str


@dataclass(frozen=True)
class Paired:
    """A display as operators see it. ``now`` is the database's time of this reading."""

    id: int
    name: str
    lot_code: str
    lot_name: str
    time_zone: str
    language: str
    paired_at: datetime
    paired_by: str
    last_seen_at: datetime | None
    now: datetime


@dataclass(frozen=True)
class Code:
    """What a waiting screen shows, and for how long it holds."""

    code: str
    left: timedelta

    @property
    def shown(self) -> str:
        """``K7M-2QD``."""
        return shown(self.code)


@dataclass(frozen=True)
class Wish:
    """What an operator typed. ``by`` is the account's name, ``session`` the digest of its session."""

    name: str
    lot: str
    language: str
    by: str
    code: str = ""
    session: str = ""


def shown(code: str) -> str:
    """A code in two halves, as one reads it out."""
    return f"{code[: CODE_LENGTH // 2]}-{code[CODE_LENGTH // 2 :]}"


def as_stored(typed: str) -> str:
    """A code without what people put between its letters."""
    return "".join(one for one in typed.upper() if one.isalnum())


async def screen_of(database: Database, digest: str) -> Screen | None:
    """What the screen with this secret shows, where it is paired."""
    async with database.look() as connection:
        found = await _screens(connection, _DISPLAY.c.digest == digest)
    return found[0] if found else None


async def screens_by_id(database: Database, ids: Sequence[int]) -> dict[int, Screen]:
    """Those of these displays that are still paired."""
    async with database.look() as connection:
        return {one.id: one for one in await _screens(connection, _DISPLAY.c.id.in_(ids))}


async def _screens(connection: AsyncConnection, which: ColumnElement[bool]) -> list[Screen]:
    statement = (
        select(_DISPLAY.c.id, _DISPLAY.c.lot_id, _LOT.c.code, _DISPLAY.c.language)
        .join_from(_DISPLAY, _LOT, _LOT.c.id == _DISPLAY.c.lot_id)
        .where(which)
    )
    return [Screen(*row) for row in (await connection.execute(statement)).all()]


async def seen(database: Database, ids: Sequence[int]) -> None:
    """These displays are connected now."""
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        await connection.execute(update(_DISPLAY).where(_DISPLAY.c.id.in_(ids)).values(last_seen_at=now))


async def code_of(database: Database, digest: str, address: str) -> Code:
    """The code of the screen with this secret; another one where it has none that holds.

    A Problem (429) where too many screens wait already.
    """
    async with database.look() as connection:
        now = await database.now(connection)
        row = (await connection.execute(select(_CODE).where(_CODE.c.digest == digest))).one_or_none()
    if row is not None and row.expires_at > now:
        return Code(row.code, row.expires_at - now)
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        await connection.execute(
            delete(_CODE).where((_CODE.c.expires_at <= now) | (_CODE.c.digest == digest))
        )
        await _refuse_too_many(connection, address)
        while True:
            code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
            values = {"digest": digest, "code": code, "address": address, "expires_at": now + CODE_LIFE}
            statement = db.insert(connection, PairingCode).values(**values).on_conflict_do_nothing()
            taken = (await connection.execute(statement.returning(_CODE.c.code))).scalar_one_or_none()
            if taken is not None:
                return Code(taken, CODE_LIFE)
            # Either another screen has this code, or the same one asked twice at once.
            row = (await connection.execute(select(_CODE).where(_CODE.c.digest == digest))).one_or_none()
            if row is not None:
                return Code(row.code, row.expires_at - now)


async def _refuse_too_many(connection: AsyncConnection, address: str) -> None:
    waiting = select(func.count()).select_from(_CODE)
    of_address = (await connection.execute(waiting.where(_CODE.c.address == address))).scalar_one()
    if of_address < MOST_OF_ADDRESS and (await connection.execute(waiting)).scalar_one() < MOST_WAITING:
        return
    raise Problem(
        429,
        "too-many-screens-wait",
        sentence("Too many screens wait to be paired"),
        sentence("Enter their codes, or wait a few minutes."),
        retry_after_s=60,
    )


async def pair(database: Database, wish: Wish) -> int:
    """Makes the screen that shows ``wish.code`` the wall of a lot; returns the display's number.

    InvalidInput names every wrong field; a Problem (429) after ``MOST_WRONG`` wrong codes in a minute.
    """
    async with database.unit_of_work() as connection:
        outcome = await _pair(database, connection, wish)
    # Raised only now: what was noted of a wrong code is to stay.
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


async def _pair(database: Database, connection: AsyncConnection, wish: Wish) -> int | Problem:
    now = await database.now(connection)
    # One after the other for each session, so that tries at once are counted as well.
    await connection.execute(select(_SESSION).where(_SESSION.c.digest == wish.session).with_for_update())
    guesser = f"session {wish.session[:16]}"
    if await trail.count(connection, _WRONG, guesser, since=now - WRONG_WITHIN) >= MOST_WRONG:
        return Problem(
            429,
            "too-many-wrong-codes",
            sentence("Too many wrong codes"),
            sentence("Wait a minute, then read the code from the screen once more."),
            retry_after_s=60,
        )
    lot, errors = await _checked(connection, wish)
    code = as_stored(wish.code)
    held = (_CODE.c.code == code) & (_CODE.c.expires_at > now)
    waiting = (await connection.execute(select(_CODE.c.digest).where(held))).scalar_one_or_none()
    if not code:
        errors.insert(0, FieldError("code", sentence("Enter the code that the screen shows.")))
    elif waiting is None:
        await trail.note(connection, wish.by, _WRONG, guesser, now)
        errors.insert(0, FieldError("code", sentence("No screen shows this code. It may have changed.")))
    if errors or lot is None:
        return InvalidInput(errors)
    count = (await connection.execute(select(func.count()).select_from(_DISPLAY))).scalar_one()
    if count >= MOST_DISPLAYS:
        return Problem(
            409,
            "too-many-displays",
            sentence("There are {count} displays already", count=count),
            sentence("Revoke one that is no longer used."),
        )
    # Of two who enter it at once, one gets it.
    gone = await connection.execute(delete(_CODE).where(held).returning(_CODE.c.digest))
    if gone.scalar_one_or_none() is None:
        return InvalidInput([FieldError("code", sentence("No screen shows this code. It may have changed."))])
    values = {
        "digest": waiting,
        "name": wish.name.strip(),
        "lot_id": lot.id,
        "language": wish.language,
        "paired_at": now,
        "paired_by": wish.by,
    }
    made = await connection.execute(insert(_DISPLAY).values(**values).returning(_DISPLAY.c.id))
    display_id: int = made.scalar_one()
    await trail.note(connection, wish.by, "pair-display", _subject(display_id), now, **_told(wish))
    return display_id


async def change(database: Database, display_id: int, wish: Wish) -> None:
    """Another name, lot or language. InvalidInput; a Problem (404) where the display is not paired."""
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        before = await _before(connection, display_id)
        lot, errors = await _checked(connection, wish)
        if errors or lot is None:
            raise InvalidInput(errors)
        told = _told(wish)
        if told == before:
            return
        values = {"name": wish.name.strip(), "lot_id": lot.id, "language": wish.language}
        await connection.execute(update(_DISPLAY).where(_DISPLAY.c.id == display_id).values(**values))
        act = "move-display" if told["lot"] != before["lot"] else "change-display"
        await trail.note(connection, wish.by, act, _subject(display_id), now, before=before, **told)


async def revoke(database: Database, display_id: int, by: str) -> str:
    """Ends a pairing; returns the name. A Problem (404) where the display is not paired."""
    async with database.unit_of_work() as connection:
        now = await database.now(connection)
        before = await _before(connection, display_id)
        await connection.execute(delete(_DISPLAY).where(_DISPLAY.c.id == display_id))
        await trail.note(connection, by, "revoke-display", _subject(display_id), now, **before)
    return before["name"]


async def displays(database: Database) -> list[Paired]:
    """Every paired display, by lot and name."""
    async with database.look() as connection:
        now = await database.now(connection)
        statement = (
            select(
                _DISPLAY.c.id,
                _DISPLAY.c.name,
                _LOT.c.code,
                _LOT.c.name,
                _LOT.c.time_zone,
                _DISPLAY.c.language,
                _DISPLAY.c.paired_at,
                _DISPLAY.c.paired_by,
                _DISPLAY.c.last_seen_at,
            )
            .join_from(_DISPLAY, _LOT, _LOT.c.id == _DISPLAY.c.lot_id)
            .order_by(_LOT.c.name, _LOT.c.id, _DISPLAY.c.name, _DISPLAY.c.id)
        )
        return [Paired(*row, now) for row in (await connection.execute(statement)).all()]


async def _checked(connection: AsyncConnection, wish: Wish) -> tuple[Lot | None, list[FieldError]]:
    """The lot that is meant, and what is wrong with name, lot and language."""
    errors = []
    if not wish.name.strip():
        errors.append(FieldError("name", sentence("Give the display a name, such as where it hangs.")))
    elif len(wish.name.strip()) > LONGEST_NAME:
        errors.append(FieldError("name", sentence("Use at most {count} characters.", count=LONGEST_NAME)))
    row = (await connection.execute(select(_LOT).where(_LOT.c.code == wish.lot))).mappings().one_or_none()
    if row is None:
        errors.append(FieldError("lot", sentence("Choose a lot.")))
    if wish.language and wish.language not in LANGUAGES:
        errors.append(FieldError("language", sentence("Choose one of these languages.")))
    return None if row is None else Lot(**row), errors


async def _before(connection: AsyncConnection, display_id: int) -> dict[str, str]:
    statement = (
        select(_DISPLAY.c.name, _LOT.c.code, _DISPLAY.c.language)
        .join_from(_DISPLAY, _LOT, _LOT.c.id == _DISPLAY.c.lot_id)
        .where(_DISPLAY.c.id == display_id)
        .with_for_update(of=_DISPLAY)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise Problem(
            404,
            "no-such-display",
            sentence("This display is no longer paired"),
            sentence("Its screen shows a code: enter it to pair it again."),
        )
    return {"name": row[0], "lot": row[1], "language": row[2]}


def _told(wish: Wish) -> dict[str, str]:
    return {"name": wish.name.strip(), "lot": wish.lot, "language": wish.language}


def _subject(display_id: int) -> str:
    return f"display {display_id}"
