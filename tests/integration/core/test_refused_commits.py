"""A commit that SQL refuses leaves nothing behind for who comes next."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.db import Database


async def test_who_comes_after_a_refused_commit_is_served(database_url: str) -> None:
    database = Database(database_url)
    async with database.unit_of_work() as connection:
        await connection.execute(
            text(
                "CREATE TABLE thing (id INTEGER PRIMARY KEY,"
                " other INTEGER REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    with pytest.raises(IntegrityError):
        async with database.unit_of_work() as connection:
            await connection.execute(text("INSERT INTO thing (id, other) VALUES (1, 2)"))
    async with database.unit_of_work() as connection:
        await connection.execute(text("INSERT INTO thing (id) VALUES (3)"))
    async with database.look() as connection:
        assert list((await connection.execute(text("SELECT id FROM thing"))).scalars()) == [3]
    await database.close()
