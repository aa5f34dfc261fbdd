"""A tariff's form: from rate lines to fields and back, and what is said of what can't be read."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.languages import speaking
from app.operator.draft import Draft, draft_of
from app.operator.spelling import (
    amount_text,
    days_text,
    read_amount,
    read_clock,
    read_days,
    read_length,
    read_share,
    share_text,
)
from app.operator.tariff_form import Typed
from app.payments.service import first_lines
from app.payments.tariffs.charging import length_text
from app.payments.tariffs.lines import (
    EndGrace,
    FlatRate,
    Free,
    Grace,
    Holding,
    Line,
    Maximum,
    NoParking,
    NoShow,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tariff,
    Window,
)
from tests.unit.payments.tariffs.made_up import tariffs

NOW = datetime(2026, 11, 24, 13, 31, 40, tzinfo=UTC)
ROW = {
    "band-0-name": "Weekday",
    "band-0-slots": "all",
    "band-0-days": "Mon to Fri",
    "band-0-from": "07:00",
    "band-0-to": "19:00",
    "band-0-price": "€0.70",
    "band-0-how": "started",
    "band-0-minutes": "15 min",
}


def read(sent: dict[str, str], currency: str = "EUR", zone: str = "Europe/Berlin") -> Draft:
    return draft_of(Typed.read(sent), currency, zone, NOW)


def sent_by(typed: Typed) -> dict[str, str]:
    """What a browser sends of a form that nobody has touched."""
    sent = dict(typed.limits) | {"other": typed.other.replace("\n", "\r\n"), "order": typed.order}
    for band in typed.bands:
        for part in ("name", "slots", "days", "to", "price", "how", "minutes"):
            sent[f"band-{band.key}-{part}"] = getattr(band, part)
        sent[f"band-{band.key}-from"] = band.from_
    for code in typed.codes:
        sent[f"code-{code.key}-code"], sent[f"code-{code.key}-gives"] = code.code, code.gives
    return sent


def there_and_back(lines: tuple[Line, ...], currency: str) -> Draft:
    return read(sent_by(Typed.of(lines, currency)), currency)


@given(tariffs())
@settings(max_examples=300, deadline=None)
def test_a_tariff_that_is_opened_and_published_unchanged_has_the_same_lines(tariff: Tariff) -> None:
    draft = there_and_back(tariff.lines, tariff.currency)
    assert draft.lines == tariff.lines
    assert not draft.errors


@given(
    st.lists(
        st.one_of(
            st.builds(
                PerIncrement,
                name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
                windows=st.sampled_from([(), (Window(),), (Window(frozenset({6}), 61, 0),)]),
                premium=st.sampled_from([None, True, False]),
                sizes=st.sampled_from([(), ("van",)]),
                price_minor=st.integers(0, 10**9),
                increment_s=st.sampled_from([60, 90, 3600]),
                per_s=st.sampled_from([60, 90, 3600]),
            ),
            st.builds(
                Surcharge,
                name=st.sampled_from(["", "Premium"]),
                premium=st.just(True),
                percent_bp=st.integers(1, 10**5),
            ),
            st.builds(
                Maximum, amount_minor=st.integers(0, 10**9), per=st.just("day"), period_s=st.integers(0, 1)
            ),
            st.builds(Overstay, price_minor=st.integers(0, 99), increment_s=st.sampled_from([60, 61])),
            st.builds(FlatRate, price_minor=st.integers(0, 99)),
            st.just(Grace(lasts_s=61)),
            st.just(Grace("a name", lasts_s=60)),
            st.just(Holding(price_minor=1, increment_s=60)),
            st.just(EndGrace(lasts_s=60)),
            st.just(NoParking(loading_s=60)),
            st.just(NoShow(amount_minor=0)),
            st.just(Free()),
        ),
        max_size=8,
    ),
    st.sampled_from(["EUR", "JPY", "KWD", "CLF"]),
)
@settings(max_examples=300, deadline=None)
def test_lines_of_every_kind_come_back_as_they_are_and_in_their_order(
    lines: list[Line], currency: str
) -> None:
    # These may be wrong together: they come back all the same.
    assert there_and_back(tuple(lines), currency).lines == tuple(lines)


@given(st.integers(0, 10**9), st.sampled_from(["EUR", "JPY", "KWD", "USD", "CLF", "CHF"]))
def test_an_amount_is_read_as_it_is_written(minor: int, currency: str) -> None:
    assert read_amount(amount_text(minor, currency), currency) == minor


@given(st.integers(1, 527_040), st.integers(1, 100_000), st.sets(st.integers(0, 6), min_size=1))
def test_lengths_shares_and_days_are_read_as_they_are_written(
    minutes: int, share: int, days: set[int]
) -> None:
    assert read_length(length_text(minutes * 60)) == minutes * 60
    assert read_share(share_text(share)) == share
    assert read_days(days_text(days)) == days


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("0,7", "EUR", 70),
        ("100", "JPY", 100),
        ("¥100", "JPY", 100),
        ("1.5 KWD", "KWD", 1500),
        ("€ 3", "EUR", 300),
    ],
)
def test_an_amount_may_be_written_in_several_ways(text: str, currency: str, minor: int) -> None:
    assert read_amount(text, currency) == minor


@pytest.mark.parametrize("text", ["", "free", "-1", "1e3", "0.705", "1,2.3", "٣", "9" * 13, "€", "NaN"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        read_amount(text, "EUR")


@pytest.mark.parametrize(
    ("text", "days"),
    [("Monday – Friday", {0, 1, 2, 3, 4}), ("sat,sun", {5, 6}), ("Fri to Mon", {4, 5, 6, 0}), ("Wed.", {2})],
)
def test_days_may_be_written_in_several_ways(text: str, days: set[int]) -> None:
    assert read_days(text) == days


@pytest.mark.parametrize("text", ["", "someday", "Mon to Fri to Sun", "M", "1"])
def test_what_are_no_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Say which days"):
        read_days(text)


@pytest.mark.parametrize("text", ["25:00", "24:01", "7:60", "x", "-1:00", "٣:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="07:00"):
        read_clock(text)


@pytest.mark.parametrize(("text", "seconds"), [("15", 900), ("2 h", 7200), ("1h 30", 5400), ("1 d", 86_400)])
def test_a_length_may_be_written_in_several_ways(text: str, seconds: int) -> None:
    assert read_length(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-5", "1.5 h", "999 d"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        read_length(text)


def test_what_is_far_too_long_to_be_a_length_is_refused_at_once() -> None:
    for text in ("1d" + " " * 900_000 + "x", "1d" * 400_000):
        with pytest.raises(ValueError, match=r"\.$"):
            read_length(text)


def test_a_row_and_a_limit_are_lines() -> None:
    draft = read(ROW | {"grace": "10", "premium": "50"})
    weekday = Window(frozenset(range(5)), 7 * 3600, 19 * 3600)
    assert draft.lines == (
        PerIncrement("Weekday", (weekday,), price_minor=70, increment_s=900, per_s=900),
        Grace(lasts_s=600),
        Surcharge("Premium", premium=True, percent_bp=5000),
    )
    assert not draft.errors


def test_a_row_may_be_flat_free_or_by_the_minute_and_is_for_the_slots_that_it_names() -> None:
    window = (Window(frozenset(range(5)), 7 * 3600, 19 * 3600),)
    flat, free, minute = (
        read(ROW | {"band-0-how": how, "band-0-slots": "premium", "band-0-minutes": ""}).lines[0]
        for how in ("flat", "free", "minute")
    )
    assert flat == FlatRate("Weekday", window, True, price_minor=70)
    assert free == Free("Weekday", window, True)
    assert minute == PerIncrement("Weekday", window, True, price_minor=70, increment_s=60, per_s=3600)


def test_every_wrong_field_is_named_at_once_and_what_was_typed_is_kept() -> None:
    sent = {
        "band-0-name": "x" * 61,
        "band-0-days": "never",
        "band-0-from": "24:00",
        "band-0-to": "25:00",
        "band-0-price": "much",
        "band-0-minutes": "soon",
        "band-0-how": "started",
        "grace": "a bit",
        "free_time": "0",
        "day_most": "-1",
        "period_most": "1.234",
        "minimum": "no",
        "premium": "2000 %",
        "longest_stay": "999 d",
        "overstay": "5",
        "no_show": "?",
        "other": '{"kind": "nothing"}\nnot json\n{"kind": "end-grace", "lasts_s": -1, "more": 1}',
        "start_day": "yesterday",
        "start_time": "late",
    }
    draft = read(sent)
    wrong = {
        "band-0-days",
        "band-0-from",
        "band-0-to",
        "band-0-price",
        "band-0-minutes",
        "grace",
        "free_time",
    }
    wrong |= {"day_most", "period_most", "minimum", "premium", "longest_stay", "overstay_minutes", "no_show"}
    assert set(draft.errors) == wrong | {"other", "start_day", "start_time"}
    for said in ("Other line 1: kind must be", "Line 2 is not JSON.", "lasts_s", "more is nothing"):
        assert said in draft.errors["other"]
    again = Typed.read(sent_by(draft.typed) | {"start_day": "yesterday", "start_time": "late"})
    assert again == draft.typed


def test_a_name_that_is_too_long_is_named_at_its_field() -> None:
    assert set(read(ROW | {"band-0-name": "x" * 61}).errors) == {"band-0-name"}


def test_an_overlap_is_named_at_the_later_row_with_its_hours() -> None:
    late = {name.replace("-0-", "-1-"): text for name, text in ROW.items()} | {
        "band-1-name": "Late",
        "band-1-from": "18:00",
        "band-1-to": "22:00",
    }
    draft = read(ROW | late)
    said = "Has another price than Weekday in row 1 on Monday from 18:00 to 19:00."
    assert draft.errors == {"band-1-days": said}


@pytest.mark.parametrize(
    "other",
    [
        '{"kind": []}',
        "1",
        "null",
        "[[]]",
        '{"kind": "free", "name": "a\\u0000b"}',
        '{"kind": "free", "name": "\\ud800"}',
        '{"kind": "free", "sizes": ["a\\u0007"]}',
        "[" * 10_000,
        '{"kind": "minimum", "amount_minor": ' + "9" * 5000 + "}",
        '{"kind": "grace", "lasts_s": NaN}',
    ],
)
def test_no_other_line_is_so_wrong_that_it_is_not_named(other: str) -> None:
    draft = read(ROW | {"other": other})
    assert set(draft.errors) == {"other"}
    assert len(draft.lines) == 1


def test_a_second_line_of_its_kind_is_named_where_it_stands() -> None:
    draft = read(ROW | {"grace": "10 min", "other": json.dumps({"kind": "grace", "lasts_s": 60})})
    assert draft.errors == {"other": "Other line 1: there is a line like this already: grace."}


def test_a_minimum_above_the_most_is_named() -> None:
    assert set(read(ROW | {"day_most": "5", "minimum": "6"}).errors) == {"minimum"}


def test_a_row_that_is_left_empty_counts_for_nothing() -> None:
    typed = Typed.read(ROW).with_another_band().with_another_band()
    assert [band.key for band in typed.bands] == [0, 1, 2]
    assert draft_of(typed, "EUR", "UTC", NOW).errors == {}
    assert [band.key for band in typed.without_band(1).bands] == [0, 2]


def test_always_has_no_hours() -> None:
    assert set(read(ROW | {"band-0-days": "always"}).errors) == {"band-0-days"}
    (line,) = read(ROW | {"band-0-days": "always", "band-0-from": "", "band-0-to": ""}).lines
    assert line.windows == ()


@pytest.mark.parametrize(
    ("day", "time", "starts"),
    [
        ("", "", None),
        ("2026-11-24", "14:31", None),
        ("2026-11-24", "14:32", datetime(2026, 11, 24, 13, 32, tzinfo=UTC)),
        ("2026-12-01", "", datetime(2026, 11, 30, 23, 0, tzinfo=UTC)),
        # Skipped by the clocks: the moment of the change.
        ("2027-03-28", "02:30", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
    ],
)
def test_it_starts_at_once_or_when_the_lots_clock_shows_it(
    day: str, time: str, starts: datetime | None
) -> None:
    draft = read(ROW | {"start_day": day, "start_time": time})
    assert (draft.starts, draft.errors) == (starts, {})


def test_a_start_that_has_passed_says_the_earliest() -> None:
    draft = read(ROW | {"start_day": "2026-11-24", "start_time": "14:30"})
    assert draft.errors == {"start_day": "This has passed. Earliest is 24 Nov 2026, 14:31."}
    assert "This has passed." in read(ROW | {"start_day": "0001-01-01"}).errors["start_day"]
    end = {"start_day": "9999-12-31", "start_time": "24:00"}
    assert "two years" in read(ROW | {"start_day": "9999-12-31"}).errors["start_day"]
    assert "start_day" in read(ROW | end).errors
    assert "day as well" in read(ROW | {"start_time": "10:00"}).errors["start_day"]


def test_the_first_tariff_of_a_lot_has_a_row_for_each_line() -> None:
    typed = Typed.of(first_lines("JPY"), "JPY")
    assert [(band.slots, band.price, band.minutes) for band in typed.bands] == [
        ("standard", "¥100", "30 min"),
        ("premium", "¥150", "30 min"),
    ]
    assert typed.other == ""


def test_a_code_gives_a_share_an_amount_or_a_time_by_how_it_is_written() -> None:
    for gives, offer in (
        ("10 %", Offer(code="SPRING", percent_bp=1_000)),
        ("2,50", Offer(code="SPRING", amount_minor=250)),
        ("30 min", Offer(code="SPRING", free_s=1_800)),
    ):
        draft = read(ROW | {"code-0-code": "SPRING", "code-0-gives": gives})
        assert draft.lines[-1] == offer and not draft.errors, gives


def test_what_is_wrong_with_a_code_is_said_at_its_field() -> None:
    draft = read(ROW | {"code-0-code": "TWO WORDS", "code-0-gives": "10 %", "code-1-gives": "much"})
    assert set(draft.errors) == {"code-0-code", "code-1-code", "code-1-gives"}
    assert draft.errors["code-1-gives"].startswith("Give a share, an amount or a time: 10 %")


def test_a_german_form_says_and_reads_days_and_amounts_in_german() -> None:
    with speaking("de"):
        draft = there_and_back(
            (
                PerIncrement(
                    windows=(Window(frozenset({0, 1, 2, 3, 4}), 0, 86_400),),
                    price_minor=70,
                    increment_s=900,
                    per_s=900,
                ),
            ),
            "EUR",
        )
        (band,) = draft.typed.bands
        assert (band.days, band.price) == ("Mo bis Fr", "0,70 €")
        assert not draft.errors
