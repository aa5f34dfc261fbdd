import pytest

from app.core.db import SqlAway
from app.launch.plain_words import RedisAway, in_plain_words
from app.settings import Settings

POSTGRESQL = Settings.from_environment({"DATABASE_URL": "postgresql://me:secret@h/d"})
SQLITE = Settings.from_environment({"LOTLINE_DATA": "/srv/lotline"})


def caused_by(error: Exception) -> SqlAway:
    away = SqlAway("wrapped")
    away.__cause__ = error
    return away


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused. Is DATABASE_URL right"),
        (TimeoutError(), "it does not answer in time. Is DATABASE_URL right"),
        (OSError("two\nlines."), "cannot be used: two. Is DATABASE_URL right"),
    ],
)
def test_a_postgresql_that_is_away_is_one_sentence_without_its_password(error: Exception, words: str) -> None:
    said = in_plain_words(caused_by(error), POSTGRESQL)
    assert said is not None
    assert words in said
    assert "secret" not in said
    assert "\n" not in said


def test_a_file_that_cannot_be_opened_is_named() -> None:
    said = in_plain_words(SqlAway("unable to open database file"), SQLITE)
    assert said is not None
    assert "May this user write /srv/lotline/lotline.db" in said


@pytest.mark.parametrize("words", ["no such table: lot", 'relation "lot" does not exist'])
def test_missing_tables_lead_to_the_migration(words: str) -> None:
    said = in_plain_words(SqlAway(words), SQLITE)
    assert said is not None
    assert said.endswith("bin/lotline migrate")


def test_a_missing_database_does_not() -> None:
    said = in_plain_words(SqlAway('database "d" does not exist'), POSTGRESQL)
    assert said is not None
    assert "Is DATABASE_URL right" in said


def test_redis_is_named_too_and_a_fault_of_ours_is_not_hidden() -> None:
    assert "REDIS_URL" in (in_plain_words(RedisAway("refused"), SQLITE) or "")
    assert in_plain_words(KeyError("x"), SQLITE) is None
