"""Says in a sentence what a person at the terminal can mend: a database or a Redis that cannot be used."""

import re

from app.settings import Settings

_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
_NO_TABLES = ("no such table", "does not exist")


class RedisAway(Exception):
    """A command that needs Redis did not reach it."""


def in_plain_words(error: BaseException, settings: Settings) -> str | None:
    """The sentence, without passwords; None for a fault that nobody foresaw."""
    from asyncpg import InterfaceError, PostgresError
    from sqlalchemy.exc import DBAPIError

    from app.core.db import SqlAway

    if isinstance(error, RedisAway):
        return f"Redis cannot be reached: {reason(error)}. Is REDIS_URL right, or bin/run running?"
    if not isinstance(error, SqlAway | DBAPIError | PostgresError | InterfaceError):
        return None
    if needs_migration(error):
        return "The database has not the tables of this version yet: bin/lotline migrate"
    return f"The database cannot be used: {reason(error)}. {_hint(settings)}"


def needs_migration(error: BaseException) -> bool:
    """True where the database answers, but lacks the tables."""
    text = str(cause_of(error))
    is_there = "relation" in text or "no such table" in text
    return is_there and any(words in text for words in _NO_TABLES)


def cause_of(error: BaseException) -> BaseException:
    """What the driver said, under all that was wrapped around it."""
    from sqlalchemy.exc import DBAPIError

    from app.core.db import SqlAway

    if isinstance(error, SqlAway) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def reason(error: BaseException) -> str:
    """What the driver said, in one line: drivers add hints below, adapters a class in front."""
    error = cause_of(error)
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _NUMBER.sub("", line.rpartition("'>: ")[2]).rstrip(".")


def _hint(settings: Settings) -> str:
    if settings.sqlite_path:
        return f"May this user write {settings.sqlite_path}, and is its folder there (LOTLINE_DATA)?"
    return "Is DATABASE_URL right, and PostgreSQL running?"
