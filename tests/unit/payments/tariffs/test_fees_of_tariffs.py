"""What must hold of fees whatever the rate lines, also in the nights in which clocks change."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.payments.fees import Fee, NotCovered, Stay, dearer_from, fee, fee_of_what_is_covered
from app.payments.tariffs.documents import read, written
from app.payments.tariffs.lines import Tariff
from app.payments.tariffs.plan import plan_of
from app.payments.tariffs.wall_clock import as_instant, as_us
from tests.unit.payments.tariffs.made_up import stays, tariffs
from tests.unit.payments.tariffs.plain_fees import PlainFee

MICROSECOND = timedelta(microseconds=1)


def told(tariff: Tariff, stay: Stay) -> int | None:
    try:
        return fee(tariff, stay).amount_minor
    except NotCovered:
        return None


@settings(max_examples=150, deadline=None)
@given(tariffs(), stays())
def test_it_is_what_its_definition_says_minute_by_minute(tariff: Tariff, stay: Stay) -> None:
    assert told(tariff, stay) == PlainFee(tariff, stay).minor()


@given(tariffs(), stays(timedelta(days=40)))
def test_the_lines_sum_to_the_amount_and_none_is_below_what_it_takes_off(tariff: Tariff, stay: Stay) -> None:
    found = fee_of_what_is_covered(tariff, stay)
    assert found.amount_minor == sum(line.amount_minor for line in found.lines) >= 0
    assert found.currency == tariff.currency


@given(tariffs(), stays(timedelta(days=10)), st.integers(0, 10**10))
def test_a_longer_stay_never_costs_less(tariff: Tariff, stay: Stay, more_us: int) -> None:
    longer = replace(stay, end=stay.end + more_us * MICROSECOND)
    shorter_minor = fee_of_what_is_covered(tariff, stay).amount_minor
    assert shorter_minor <= fee_of_what_is_covered(tariff, longer).amount_minor


@given(tariffs(capped=False), stays(timedelta(days=10)), st.data())
def test_who_stays_never_pays_more_than_who_leaves_and_comes_back_at_a_boundary(
    tariff: Tariff, stay: Stay, data: st.DataObject
) -> None:
    stay = replace(stay, until=None)
    stretches = list(plan_of(tariff, "car", False).stretches(as_us(stay.start), as_us(stay.end)))
    if len(stretches) < 2:
        return
    cut = as_instant(data.draw(st.sampled_from(stretches[1:])).begins_us)
    whole = fee(tariff, stay).amount_minor
    parts = (
        fee(tariff, replace(stay, end=cut)).amount_minor + fee(tariff, replace(stay, start=cut)).amount_minor
    )
    assert whole <= parts + 1  # each part drops its own fraction of a minor unit


@given(tariffs(), stays())
def test_no_time_costs_nothing(tariff: Tariff, stay: Stay) -> None:
    assert fee(tariff, replace(stay, end=stay.start)) == Fee(0, tariff.currency, ())
    assert fee(tariff, replace(stay, end=stay.start - MICROSECOND)).amount_minor == 0


@given(tariffs(), stays(timedelta(days=40)))
def test_a_stay_is_cut_into_stretches_without_a_gap_and_without_an_overlap(
    tariff: Tariff, stay: Stay
) -> None:
    begins_us, ends_us = as_us(stay.start), as_us(stay.end)
    reached_us = begins_us
    for stretch in plan_of(tariff, "car", False).stretches(begins_us, ends_us):
        assert stretch.begins_us == reached_us < stretch.ends_us
        reached_us = stretch.ends_us
    assert reached_us == max(begins_us, ends_us)


@given(tariffs(), stays())
def test_what_was_written_reads_as_the_same_lines(tariff: Tariff, stay: Stay) -> None:
    del stay
    assert read(written(tariff.lines)) == tariff.lines


@settings(max_examples=60)
@given(tariffs(), stays())
def test_the_next_price_begins_where_it_is_said_to(tariff: Tariff, stay: Stay) -> None:
    now_minor = fee_of_what_is_covered(tariff, stay).amount_minor
    found = dearer_from(tariff, stay)
    if found is None:
        later = replace(stay, end=stay.end + timedelta(days=8))
        assert fee_of_what_is_covered(tariff, later).amount_minor == now_minor
        return
    at, then = found
    assert fee_of_what_is_covered(tariff, replace(stay, end=at)).amount_minor == now_minor
    assert then == fee_of_what_is_covered(tariff, replace(stay, end=at + MICROSECOND))
    assert then.amount_minor > now_minor


@settings(max_examples=60)
@given(tariffs(), stays(), st.integers(0, 10_000))
def test_of_what_is_paid_the_next_price_begins_where_it_costs_more_than_that(
    tariff: Tariff, stay: Stay, paid_minor: int
) -> None:
    found = dearer_from(tariff, stay, paid_minor=paid_minor)
    least = max(paid_minor, fee_of_what_is_covered(tariff, stay).amount_minor)
    if found is None:
        later = replace(stay, end=stay.end + timedelta(days=8))
        assert fee_of_what_is_covered(tariff, later).amount_minor <= least
        return
    at, then = found
    assert fee_of_what_is_covered(tariff, replace(stay, end=at)).amount_minor <= least < then.amount_minor


def test_a_definition_that_is_off_by_a_minute_is_noticed() -> None:
    """The comparison can fail: a stay of one minute more is found to differ."""

    # The smallest stay that differs is of no interest.
    @settings(max_examples=300, database=None, deadline=None, phases=[Phase.generate])
    @given(tariffs(), stays())
    def compare(tariff: Tariff, stay: Stay) -> None:
        longer = replace(stay, end=stay.end + timedelta(minutes=1))
        assert told(tariff, longer) == PlainFee(tariff, stay).minor()

    with pytest.raises(AssertionError):
        compare()
