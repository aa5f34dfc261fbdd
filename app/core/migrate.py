"""Brings a database to the schema that this code expects."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.settings import Settings

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Any number will do, as long as nobody else locks by it.
_ADVISORY_LOCK = 7_305_171


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
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await engine.dispose()
