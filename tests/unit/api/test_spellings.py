"""What the REST surface takes for what."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.api import models
from app.api.models import LATEST_UNIX_S, Instant, canonical
from app.core.errors import InvalidInput
from app.core.forms import MOST_ERRORS, validated
from app.slots.queries import Cursor

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize(
    ("given_key", "key"),
    [
        ("slotIdentifer", "slotIdentifier"),
        ("SLOTIDENTIFIER", "slotIdentifier"),
        ("Identier", "identifier"),
        ("Identifer", "identifier"),
        ("Location", "location"),
        ("entityIdentier", "entityIdentifier"),
        ("startTime", "startTime"),
        ("ENDTIME", "endTime"),
        ("colour", "colour"),
    ],
)
def test_spellings_of_the_requirements(given_key: str, key: str) -> None:
    assert canonical({given_key: 1}) == {key: 1}


@pytest.mark.parametrize("given_key", ["slot", "slotIdentifer", "slotIdentifier", "Identier", "identifier"])
def test_a_slot_may_be_named_in_any_of_these_ways(given_key: str) -> None:
    for key in ("slot", "slotIdentifier", "identifier"):
        assert canonical({given_key: 1}, key) == {key: 1}


@given(st.integers(0, LATEST_UNIX_S))
def test_unix_seconds_and_their_text_are_the_same_instant(seconds: int) -> None:
    expected = datetime.fromtimestamp(seconds, UTC)
    assert INSTANT.validate_python(seconds) == INSTANT.validate_python(str(seconds)) == expected
    assert INSTANT.validate_python(expected.isoformat()) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        -1,
        LATEST_UNIX_S + 1,
        10**30,
        1.5,
        True,
        None,
        "",
        "-",
        "--5",
        "noon",
        "9" * 30,
        "2026-06-01",
        "2026-06-01T12:00",
        "2026-13-01T12:00Z",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        [],
        {},
        "१२" * 12,
    ],
    ids=repr,
)
def test_what_is_no_instant_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(wrong)


def test_nonsense_is_answered_within_bounds() -> None:
    with pytest.raises(InvalidInput) as refused:
        validated(models.Unreserve, {f"{number}" * 1_000: 1 for number in range(1_000, 2_000)})
    assert len(refused.value.errors) == MOST_ERRORS
    assert all(len(one.field) <= 60 for one in refused.value.errors)
    with pytest.raises(InvalidInput) as refused:
        validated(models.Unreserve, {"\ud800": 1})
    for one in refused.value.errors:
        one.field.encode()


@given(st.integers(0, 2**63 - 1), st.booleans())
def test_a_cursor_is_read_as_it_was_written(slot_id: int, backwards: bool) -> None:
    cursor = Cursor(slot_id, backwards)
    assert Cursor.read(cursor.text()) == cursor
    assert len(cursor.text()) <= 100


@given(st.text(max_size=100) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_what_is_no_cursor_is_a_value_error(text: str) -> None:
    try:
        found = Cursor.read(text)
    except ValueError:
        return
    assert 0 <= found.slot_id < 2**63
