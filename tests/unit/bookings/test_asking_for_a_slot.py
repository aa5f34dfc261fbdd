"""What a booking may be asked with, and when two entities are the same."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bookings.entity import MAX_CHARACTERS, as_compared, as_given, what_is_wrong
from app.bookings.forms import (
    AHEAD,
    FREE_HOLD,
    LONGEST_STAY,
    SKEW,
    ReserveRequest,
    UnreserveRequest,
    billed_from,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def fields(request: ReserveRequest | UnreserveRequest) -> list[str]:
    return [error.field for error in request.wrong_fields(NOW)]


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        (None, []),
        (NOW, []),
        (NOW - SKEW, []),
        (NOW - SKEW - SECOND, ["time"]),
        (NOW + AHEAD, []),
        (NOW + AHEAD + SECOND, ["time"]),
    ],
    ids=str,
)
def test_a_start_lies_between_a_minute_ago_and_tomorrow(start: datetime | None, wrong: list[str]) -> None:
    assert fields(ReserveRequest("A 1", start=start)) == wrong


@pytest.mark.parametrize(
    ("start", "until", "wrong"),
    [
        (None, NOW, ["until"]),
        (None, NOW + SECOND, []),
        (NOW - SKEW, NOW, ["until"]),
        (NOW + timedelta(hours=2), NOW + timedelta(hours=2), ["until"]),
        (NOW + timedelta(hours=2), NOW + timedelta(hours=2) + SECOND, []),
        (NOW, NOW + LONGEST_STAY, []),
        (NOW, NOW + LONGEST_STAY + SECOND, ["until"]),
    ],
    ids=str,
)
def test_an_end_comes_after_the_start_and_within_a_year(
    start: datetime | None, until: datetime, wrong: list[str]
) -> None:
    assert fields(ReserveRequest("A 1", start=start, until=until)) == wrong


@given(st.none() | instants)
def test_a_booking_is_billed_from_its_start_or_half_an_hour_from_now(start: datetime | None) -> None:
    assert billed_from(start, NOW) == min(start or NOW, NOW + FREE_HOLD)


def test_the_end_of_a_booking_may_be_a_minute_off() -> None:
    assert fields(UnreserveRequest("A 1", "s", time=NOW + SKEW)) == []
    assert fields(UnreserveRequest("A 1", "s", time=NOW + SKEW + SECOND)) == ["time"]
    assert not UnreserveRequest("A 1", "s", time=NOW - SKEW).too_old(NOW)
    assert UnreserveRequest("A 1", "s", time=NOW - SKEW - SECOND).too_old(NOW)
    assert not UnreserveRequest("A 1", "s").too_old(NOW)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HKR 4821", "hkr4821"),
        ("HKR-4821", "HKR 4821"),
        ("ＨＫＲ４８２１", "HKR4821"),
        ("HKR\u00a04821", "HKR4821"),
        ("HKR\u20134821", "HKR4821"),
        ("  b ab 12 ", "BAB12"),
        ("ö ab 1", "O\u0308-AB-1"),
    ],
)
def test_plates_that_are_the_same(one: str, other: str) -> None:
    assert as_compared(one, plate=True) == as_compared(other, plate=True)


@pytest.mark.parametrize(
    ("one", "other"), [("badge-1", "badge1"), ("Badge", "badge"), ("a b", "ab"), ("1", "l"), ("O", "0")]
)
def test_other_entities_compare_exactly(one: str, other: str) -> None:
    assert as_compared(one, plate=False) != as_compared(other, plate=False)
    assert as_compared(f" {one} ", plate=False) == as_compared(one, plate=False)


@given(text=st.text(), plate=st.booleans())
def test_comparing_what_is_compared_changes_nothing_more(text: str, *, plate: bool) -> None:
    once = as_compared(text, plate=plate)
    assert as_compared(once, plate=plate) == once
    assert unicodedata.is_normalized("NFKC", once) or plate


@given(st.text(max_size=130))
def test_what_passes_can_be_stored_and_names_somebody(text: str) -> None:
    """The columns hold 120 characters, of what was given and of what is compared."""
    if what_is_wrong(text) is None:
        for kept in (as_given(text), as_compared(text, plate=False), as_compared(text, plate=True)):
            assert 1 <= len(kept) <= MAX_CHARACTERS
            assert "\x00" not in kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t",
        "-",
        " – ",
        "a\x00b",
        "a\x1fb",
        "\ud800",
        "\ue000",
        "x" * 121,
        "\ufdfa" * 7,
        "ŉ" * 61,
        "\u00a0",
        "\U0001f697",
        "!!!",
        "ABC\u200b 123",
        "\u202eABC 123",
    ],
    ids=ascii,
)
def test_what_is_no_entity_is_told_why(text: str) -> None:
    assert what_is_wrong(text)


@pytest.mark.parametrize("text", ["A", "HKR 4821", "京都 330 あ 12-34", "x" * 120, "ß" * 60, " a "])
def test_what_may_be_an_entity(text: str) -> None:
    assert what_is_wrong(text) is None
