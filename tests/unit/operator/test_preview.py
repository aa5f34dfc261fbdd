"""Sample stays, the week and the words of a tariff."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core import words
from app.operator.preview import (
    Sample,
    clock_change,
    kept_stays,
    own_samples,
    own_stay,
    samples,
    shown,
)
from app.operator.views import CostLine
from app.operator.week import tones, weeks
from app.operator.wording import differences, gap_texts, line_text, summary
from app.payments.fees import Stay
from app.payments.tariffs.lines import (
    Free,
    Grace,
    Line,
    LongestStay,
    Maximum,
    NoParking,
    PerIncrement,
    Surcharge,
    Tariff,
    Tier,
    Tiers,
    Window,
)
from tests.unit.payments.tariffs.made_up import ZONES

NOW = datetime(2026, 11, 24, 13, 31, tzinfo=UTC)
WEEKDAYS, WEEKEND = frozenset(range(5)), frozenset({5, 6})
PICTURE: tuple[Line, ...] = (
    PerIncrement("Weekday", (Window(WEEKDAYS, 25_200, 68_400),), price_minor=70, increment_s=900, per_s=900),
    PerIncrement(
        "Evening", (Window(WEEKDAYS, 68_400, 25_200),), price_minor=30, increment_s=1800, per_s=1800
    ),
    PerIncrement("Weekend", (Window(WEEKEND),), price_minor=40, increment_s=1800, per_s=1800),
    Grace(lasts_s=600),
    Maximum(amount_minor=1400, per="day"),
    Surcharge("Premium", premium=True, percent_bp=5000),
)


def tariff(*lines: Line, currency: str = "EUR", zone: str = "Europe/Berlin") -> Tariff:
    return Tariff(0, 0, currency, zone, lines)


def test_the_stays_of_the_picture_cost_what_they_cost_there() -> None:
    draft = tariff(*PICTURE)
    stays = [shown(one, draft, None) for one in samples("Europe/Berlin", NOW)]
    assert [(one.title, one.about, one.amount) for one in stays] == [
        ("Tue 10:05 to 12:35", "standard, 2 h 30", "€7.00"),
        ("Tue 17:40 to 20:20", "premium, 2 h 40", "€7.65"),
        ("Fri 07:00 to Sat 10:00", "standard, 27 h", "€22.00"),
        ("Sun 28 Mar 01:30 to 03:30", "standard, 1 h: clocks go forward", "€0.80"),
        ("Wed 09:00 to 09:08", "standard, 8 min", "€0.00"),
    ]
    assert stays[0].lines == (CostLine("Weekday", "10 × €0.70", "€7.00"),)
    assert stays[1].lines[1] == CostLine("Premium", "+ 50 %", "€2.55")
    assert stays[2].lines[-1] == CostLine("Day limit", "", "− €22.60")
    assert stays[4].lines == (CostLine("Free when you leave within 10 min", "", "€0.00"),)


def test_what_it_costs_now_stands_beside_where_it_differs() -> None:
    sample = samples("Europe/Berlin", NOW)[0]
    old = tariff(PerIncrement(price_minor=100, increment_s=1800, per_s=1800))
    assert shown(sample, tariff(*PICTURE), old).now == "now €5.00"
    assert shown(sample, old, old).now == ""
    assert shown(sample, old, tariff(Grace(lasts_s=60))).now == "now not priced"


@pytest.mark.parametrize(
    "now", [NOW, datetime(2026, 3, 28, 23, 30, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)]
)
@pytest.mark.parametrize("zone", ZONES)
def test_every_sample_lies_ahead_and_one_goes_over_the_next_change_of_clocks(
    zone: str, now: datetime
) -> None:
    found = samples(zone, now)
    assert len(found) == 5
    assert sum(one.stay.premium for one in found) == 1
    assert all(now < one.stay.end and one.stay.start < one.stay.end for one in found)
    change = clock_change(words.zone(zone), now)
    assert (change is None) == (zone == "Asia/Kathmandu")
    if change is not None:
        start, end = (one.astimezone(words.zone(zone)) for one in (change.stay.start, change.stay.end))
        assert start.utcoffset() != end.utcoffset()
        assert start.minute % 30 == end.minute % 30 == 0
        shown_s = (end.replace(tzinfo=None) - start.replace(tzinfo=None)).total_seconds()
        assert shown_s != (change.stay.end - change.stay.start).total_seconds()


def test_clocks_that_go_back_show_an_hour_twice() -> None:
    change = clock_change(words.zone("Europe/Berlin"), datetime(2026, 9, 1, tzinfo=UTC))
    assert change is not None
    said = shown(change, tariff(*PICTURE), None)
    assert (said.title, said.amount) == ("Sun 25 Oct 01:30 to 03:30", "€2.40")
    assert said.about == "standard, 3 h: clocks go back"


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "¥500"), ("KWD", "KWD0.500"), ("EUR", "€5.00")])
def test_money_has_the_digits_of_its_currency(currency: str, amount: str) -> None:
    draft = tariff(PerIncrement(price_minor=100, increment_s=1800, per_s=1800), currency=currency)
    said = shown(samples("Europe/Berlin", NOW)[0], draft, None)
    assert said.amount == amount
    assert said.lines[0].times.startswith("5 × ")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "no rate line says"),
        ((Free(), LongestStay(lasts_s=3600)), "the longest stay is 60 min"),
        ((NoParking(windows=(Window(WEEKDAYS),)),), "nobody may park there from 00:00 to 24:00"),
    ],
)
def test_a_stay_that_has_no_price_says_why(lines: tuple[Line, ...], why: str) -> None:
    said = shown(samples("Europe/Berlin", NOW)[0], tariff(*lines), None)
    assert said.amount == ""
    assert why in said.problem


def test_own_stays_are_kept_and_what_is_none_is_left_out() -> None:
    good = '["2026-12-05T10:00","2026-12-05T11:30",true]'
    assert kept_stays(f'[{good},["x","y",false],["2026-12-05T10:00","2026-12-05T09:00",1]]', "UTC") == [
        ("2026-12-05T10:00", "2026-12-05T11:30", True)
    ]
    for text in ("", "{", "[1]", "null", "[[1,2]]", "[" * 10_000):
        assert kept_stays(text, "UTC") == []
    (sample,) = own_samples(kept_stays(f"[{good}]", "Europe/Berlin"), "Europe/Berlin")
    assert sample.stay.start == datetime(2026, 12, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("from_", "to", "why"),
    [
        ("", "", "from when"),
        ("2026-12-05T10:00", "2026-12-05T10:00", "ends before"),
        ("2026-12-05T10:00", "2027-02-05T10:00", "At most 31 days"),
        ("0001-01-01T00:00", "0001-01-02T00:00", "year"),
        ("9999-12-31T00:00", "9999-12-31T10:00", "year"),
    ],
)
def test_an_own_stay_that_cannot_be_is_told_why(from_: str, to: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        own_stay(from_, to, premium=False, time_zone="America/New_York")


def test_lines_of_one_price_that_is_no_whole_amount_say_how_long_instead() -> None:
    line = PerIncrement("Hour", price_minor=100, increment_s=60, per_s=3600)
    stay = Stay(NOW, NOW + timedelta(minutes=31))
    assert shown(Sample(stay), tariff(line), None).lines == (CostLine("Hour", "31 × 1 min", "€0.51"),)


def test_the_week_is_drawn_with_a_tone_for_each_line_and_told_in_words() -> None:
    draft = tariff(*PICTURE[:2])
    (week,) = weeks(draft, tones(draft))
    assert [(part.from_min, part.to_min, part.tone) for part in week.days[0]] == [
        (0, 420, "t1"),
        (420, 1140, "t0"),
        (1140, 1440, "t1"),
    ]
    assert [(part.tone, part.title) for part in week.days[6]] == [("none", "no price")]
    assert week.hours == (0, 420, 720, 1140, 1440)
    assert [days for days, _ in week.rows] == ["Mon to Fri", "Sat, Sun"]
    assert "07:00 to 19:00 Weekday, €0.70 per started 15 min" in week.rows[0][1]


def test_a_row_that_cannot_be_read_leaves_the_others_their_tones() -> None:
    evening, weekend = PICTURE[1:3]
    draft = tariff(evening, weekend)
    toned = tones(draft, (None, evening, weekend))
    (week,) = weeks(draft, toned)
    assert [part.tone for part in week.days[0]] == ["t1", "none", "t1"]
    assert (toned[id(evening)], toned[id(weekend)]) == ("t1", "t2")


def test_standard_and_premium_slots_are_drawn_apart_where_their_prices_differ() -> None:
    each = {"price_minor": 1, "increment_s": 60, "per_s": 60}
    draft = tariff(PerIncrement(premium=False, **each), PerIncrement(premium=True, **each), *PICTURE[:0])
    assert [week.label for week in weeks(draft, tones(draft))] == ["Standard slots", "Premium slots"]


def test_gaps_name_weekdays_and_hours_and_for_whom() -> None:
    assert gap_texts(PICTURE) == ()
    assert gap_texts(PICTURE[:1]) == (
        "Mon to Fri 00:00 to 07:00",
        "Mon to Fri 19:00 to 24:00",
        "Sat, Sun 00:00 to 24:00",
    )
    assert gap_texts((Free(premium=True),)) == ("standard: every day 00:00 to 24:00",)
    assert "van standard: every day 00:00 to 24:00" in gap_texts((Free(premium=True, sizes=("van",)),))


def test_a_tariff_and_its_changes_are_told_in_a_line_each() -> None:
    assert summary(PICTURE, "EUR") == (
        "Weekday €0.70 per started 15 min; Evening €0.30 per started 30 min; "
        "Weekend €0.40 per started 30 min; at most €14.00 per day"
    )
    assert line_text(PICTURE[0], "EUR") == "Weekday, Mon to Fri 07:00 to 19:00: €0.70 per started 15 min"
    dearer = PerIncrement("Weekend", (Window(WEEKEND),), price_minor=50, increment_s=1800, per_s=1800)
    gone, come = differences(PICTURE, (*PICTURE[:2], dearer, *PICTURE[3:]), "EUR")
    assert gone == ["Weekend, Sat, Sun 00:00 to 24:00: €0.40 per started 30 min"]
    assert come == ["Weekend, Sat, Sun 00:00 to 24:00: €0.50 per started 30 min"]
    tiers = Tiers(tiers=(Tier(None, 100, 3600),), sizes=("van",))
    assert line_text(tiers, "JPY") == "van: tiers from ¥100"
