"""Fee lines are kept in English and told in the reader's language; what a tariff called them stays."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.languages import speaking
from app.payments.fee_words import reasons_words, rule_words, unit_words
from app.payments.fees import NotCovered, Stay, fee, fee_of_what_is_covered
from app.payments.tariffs.asked import asked
from app.payments.tariffs.lines import (
    FlatRate,
    Free,
    FreeTime,
    Grace,
    Holding,
    Line,
    LongestStay,
    Maximum,
    Minimum,
    NoParking,
    Offer,
    Overstay,
    PerIncrement,
    Surcharge,
    Tariff,
    Tier,
    Tiers,
    Window,
)

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HALF_HOUR = PerIncrement("Weekday", price_minor=100, increment_s=1800, per_s=1800)


def tariff(*lines: Line) -> Tariff:
    return Tariff(1, 1, "EUR", "UTC", lines)


@pytest.mark.parametrize(
    ("lines", "hours"),
    [
        ((HALF_HOUR, Maximum(amount_minor=300, per="day")), 5),
        ((HALF_HOUR, Maximum(amount_minor=300, per="period", period_s=7200)), 5),
        ((HALF_HOUR, Maximum("Morning", amount_minor=100, per="window", windows=(Window(),))), 5),
        ((HALF_HOUR, FreeTime(lasts_s=900), Minimum(amount_minor=5000), Offer(code="CINEMA, late")), 2),
        ((HALF_HOUR, Grace(lasts_s=36_000)), 1),
        ((HALF_HOUR, LongestStay(lasts_s=3600)), 2),
        ((HALF_HOUR, LongestStay(lasts_s=3600), Overstay(price_minor=500, increment_s=1800)), 3),
        ((HALF_HOUR, NoParking(windows=(Window(from_s=36_000, to_s=39_600),))), 3),
        ((HALF_HOUR, NoParking()), 3),
        ((HALF_HOUR, Surcharge(amount_minor=100), Surcharge("Night", percent_bp=2500)), 3),
        ((Tiers(tiers=(Tier(7200, 100, 3600), Tier(None, 50, 1800))),), 5),
        ((FlatRate(price_minor=500),), 5),
        ((FlatRate("Evening", price_minor=500, windows=(Window(from_s=0, to_s=86_400),)), HALF_HOUR), 5),
        ((HALF_HOUR, Holding(price_minor=50, increment_s=1800)), 3),
    ],
)
def test_every_rule_that_a_fee_may_have_is_told_in_german(lines: tuple[Line, ...], hours: int) -> None:
    codes = tuple(line.code for line in lines if isinstance(line, Offer))
    stay = Stay(START, START + timedelta(hours=hours), START + timedelta(minutes=30), codes=codes)
    for line in fee_of_what_is_covered(tariff(*lines), stay).lines:
        name = line.rule.rpartition(", ")[0]
        with speaking("de"):
            told = rule_words(line.rule)
            assert told.lower() != line.rule.lower()
            assert told.startswith(name.split(",")[0]) or not name.istitle()
            if line.unit in ("stay", "booking", "time", "day", "window", "payment"):
                assert unit_words(line.unit) != line.unit


def test_a_rule_keeps_its_name_and_begins_as_a_sentence_does() -> None:
    assert rule_words("per started increment") == "Per started increment"
    with speaking("de"):
        assert rule_words("Weekday, short, per started increment, up to 2 h") == (
            "Weekday, short, je angefangenem Takt, bis 2 h"
        )
        assert rule_words("not charged: the longest stay is 60 min") == (
            "Nicht berechnet: die Höchstparkdauer ist 60 min"
        )
        assert rule_words("what no rule of ours says") == "What no rule of ours says"
        assert (unit_words("25 %"), unit_words("12.5 %")) == ("25 %", "12,5 %")


def test_why_a_stay_has_no_price_is_told_to_whoever_reads_it() -> None:
    stay = Stay(START, START + timedelta(hours=3))
    with pytest.raises(NotCovered) as caught:
        fee(tariff(Free(), LongestStay(lasts_s=7200)), stay)
    assert reasons_words(caught.value.reasons) == "The longest stay is 2 h."
    with speaking("de"):
        assert reasons_words(caught.value.reasons) == "Die Höchstparkdauer ist 2 h."


def test_a_fee_that_is_reckoned_for_a_german_reader_is_kept_in_english() -> None:
    stay = Stay(START, START + timedelta(hours=3))
    lines = tariff(HALF_HOUR, LongestStay(lasts_s=3600))
    with speaking("de"):
        kept = fee_of_what_is_covered(lines, stay).stored_lines()
    assert kept == fee_of_what_is_covered(lines, stay).stored_lines()
    assert "not charged: the longest stay is 60 min" in [line["rule"] for line in kept]


@pytest.mark.parametrize(
    ("increment_s", "per_s", "english", "german"),
    [
        (60, 60, "€1.00 per started minute", "1,00\xa0€ je angefangene Minute"),
        (3600, 3600, "€1.00 per started hour", "1,00\xa0€ je angefangene Stunde"),
        (86_400, 86_400, "€1.00 per started day", "1,00\xa0€ je angefangenen Tag"),
        (900, 900, "€1.00 per started 15 min", "1,00\xa0€ je angefangene 15 min"),
        (7200, 7200, "€1.00 per started 2 h", "1,00\xa0€ je angefangene 2 h"),
        (
            60,
            3600,
            "€1.00 per hour, by started minute",
            "1,00\xa0€ je Stunde, berechnet je angefangene Minute",
        ),
        (
            900,
            5400,
            "€1.00 per 90 min, by started 15 min",
            "1,00\xa0€ je 90 min, berechnet je angefangene 15 min",
        ),
    ],
)
def test_one_of_a_unit_is_said_without_its_number(
    increment_s: int, per_s: int, english: str, german: str
) -> None:
    price = asked(tariff(PerIncrement(price_minor=100, increment_s=increment_s, per_s=per_s)), START)
    assert price.text == english
    with speaking("de"):
        assert price.text == german
