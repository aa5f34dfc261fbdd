"""Brings a database to the schema that this code expects."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.core.clock import monotonic_s
from app.settings import Settings

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Any number will do, as long as nobody else locks by it.
_ADVISORY_LOCK = 7_305_171
# A migration of another process may take this long.
_TURN_WITHIN_S = 60.0
_POLL_S = 0.05


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(settings: Settings) -> None:
    """Runs every migration that is missing. Two processes may call it at once."""
    asyncio.run(upgrade_url(settings.database_url))


async def upgrade_url(url: str) -> None:
    """As :func:`upgrade`, from within an event loop."""
    engine = await _sqlite_engine(url) if url.startswith("sqlite") else create_async_engine(url)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await engine.dispose()


async def _sqlite_engine(url: str) -> AsyncEngine:
    await asyncio.to_thread(_write_ahead, make_url(url).database)
    engine = create_async_engine(url, connect_args={"isolation_level": None, "timeout": _TURN_WITHIN_S})

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _write_ahead(path: str | None) -> None:
    """Once and for all, since the file remembers it. Two who do it at once are refused, not kept waiting."""
    assert path is not None
    until_s = monotonic_s() + _TURN_WITHIN_S
    while True:
        try:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic_s() > until_s:
                raise
            time.sleep(_POLL_S)
        else:
            return
