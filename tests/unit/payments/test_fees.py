"""Fees: what must hold of each of them, whatever the price and however long the stay."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import exponent
from app.payments import fees
from app.payments.fees import Fee, Stay, lines_from_stored
from app.payments.tariffs.asked import Price, asked
from app.payments.tariffs.lines import PerIncrement, Tariff

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class OnePrice:
    """A tariff of one line that always holds."""

    currency: str
    increment_s: int
    price_minor: int
    premium: bool = False

    @property
    def tariff(self) -> Tariff:
        name = "premium" if self.premium else ""
        length = self.increment_s
        line = PerIncrement(name, price_minor=self.price_minor, increment_s=length, per_s=length)
        return Tariff(1, 1, self.currency, "Europe/Berlin", (line,))

    @property
    def asked(self) -> Price:
        return asked(self.tariff, START)


def fee(price: OnePrice, start: datetime, end: datetime) -> Fee:
    return fees.fee(price.tariff, Stay(start, end))


prices = st.builds(
    OnePrice,
    currency=st.sampled_from(["EUR", "USD", "JPY", "KWD"]),
    increment_s=st.integers(1, 86_400),
    price_minor=st.integers(0, 10**9),
    premium=st.booleans(),
)
starts = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
stays = st.timedeltas(timedelta(0), timedelta(days=366))


def price(
    increment_s: int = 1800, price_minor: int = 100, currency: str = "EUR", *, premium: bool = False
) -> OnePrice:
    return OnePrice(currency, increment_s, price_minor, premium)


@given(prices, starts, stays, stays)
def test_a_longer_stay_never_costs_less(
    one: OnePrice, start: datetime, first: timedelta, second: timedelta
) -> None:
    shorter, longer = sorted((first, second))
    assert fee(one, start, start + shorter).amount_minor <= fee(one, start, start + longer).amount_minor


@given(prices, starts, stays)
def test_the_lines_sum_to_the_amount(one: OnePrice, start: datetime, stay: timedelta) -> None:
    charged = fee(one, start, start + stay)
    assert sum(line.amount_minor for line in charged.lines) == charged.amount_minor
    assert charged.currency == one.currency
    for line in charged.lines:
        assert line.amount_minor == line.quantity * one.price_minor


@given(prices, starts, st.integers(1, 5_000), st.integers(1, 10**6))
def test_a_started_increment_counts_whole_and_not_a_microsecond_sooner(
    one: OnePrice, start: datetime, increments: int, beyond_us: int
) -> None:
    exact = timedelta(seconds=one.increment_s) * increments
    beyond = min(timedelta(microseconds=beyond_us), timedelta(seconds=one.increment_s))
    assert fee(one, start, start + exact).amount_minor == increments * one.price_minor
    assert fee(one, start, start + exact - MICROSECOND).amount_minor == increments * one.price_minor
    assert fee(one, start, start + exact + beyond).amount_minor == (increments + 1) * one.price_minor


@given(prices, starts, stays, st.integers(1, 10**6))
def test_no_microsecond_is_lost_to_rounding(
    one: OnePrice, start: datetime, stay: timedelta, beyond_us: int
) -> None:
    """Reckoned in integers, the only way that is exact."""
    stay += timedelta(microseconds=beyond_us)
    stay_us = (stay.days * 86_400 + stay.seconds) * 10**6 + stay.microseconds
    expected = -(-stay_us // (one.increment_s * 10**6)) * one.price_minor
    assert fee(one, start, start + stay).amount_minor == expected


@given(prices, starts, stays)
def test_it_does_not_matter_in_which_zone_the_times_are_given(
    one: OnePrice, start: datetime, stay: timedelta
) -> None:
    there = start.astimezone(timezone_of_minus_five())
    assert fee(one, there, start + stay) == fee(
        one, start, (start + stay).astimezone(timezone_of_minus_five())
    )


def timezone_of_minus_five() -> ZoneInfo:
    return ZoneInfo("America/Bogota")


@given(prices, starts, stays)
def test_what_is_stored_is_what_is_read_again(one: OnePrice, start: datetime, stay: timedelta) -> None:
    charged = fee(one, start, start + stay)
    assert Fee(charged.amount_minor, charged.currency, lines_from_stored(charged.stored_lines())) == charged


@pytest.mark.parametrize(
    ("lasts", "amount_minor"),
    [
        (timedelta(0), 0),
        (MICROSECOND, 100),
        (timedelta(minutes=30), 100),
        (timedelta(minutes=30) + MICROSECOND, 200),
        (timedelta(minutes=30, seconds=1), 200),
        (timedelta(hours=24), 4_800),
        (-timedelta(hours=1), 0),
    ],
    ids=str,
)
def test_the_boundaries(lasts: timedelta, amount_minor: int) -> None:
    assert fee(price(), START, START + lasts).amount_minor == amount_minor


def test_a_stay_that_does_not_last_has_no_lines() -> None:
    assert fee(price(), START, START) == Fee(0, "EUR", ())


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        # 2026-03-29: 02:00 becomes 03:00.
        (datetime(2026, 3, 29, 0, 0), datetime(2026, 3, 29, 6, 0), 5),  # noqa: DTZ001
        # 2026-10-25: 03:00 becomes 02:00 again.
        (datetime(2026, 10, 25, 0, 0), datetime(2026, 10, 25, 6, 0), 7),  # noqa: DTZ001
        (datetime(2026, 6, 1, 0, 0), datetime(2026, 6, 1, 6, 0), 6),  # noqa: DTZ001
    ],
    ids=["spring", "autumn", "any other night"],
)
def test_the_nights_of_a_clock_change_cost_what_they_last(start: datetime, end: datetime, hours: int) -> None:
    begun = start.replace(tzinfo=BERLIN).astimezone(UTC)
    ended = end.replace(tzinfo=BERLIN).astimezone(UTC)
    assert fee(price(3600, 100), begun, ended).amount_minor == hours * 100


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0).astimezone(UTC)
    second = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1).astimezone(UTC)
    assert fee(price(3600, 100), first, second).amount_minor == 100


@pytest.mark.parametrize(
    ("currency", "major", "digits"),
    [("EUR", "4.80", 2), ("JPY", "480", 0), ("KWD", "0.480", 3), ("UYW", "0.0480", 4)],
)
def test_amounts_have_as_many_digits_as_their_currency(currency: str, major: str, digits: int) -> None:
    charged = fee(price(1800, 480, currency), START, START + timedelta(minutes=5))
    assert charged.money.major == major
    assert exponent(currency) == digits


@given(st.integers(0, 10**15), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_the_major_amount_is_the_minor_one_to_the_last_digit(amount_minor: int, currency: str) -> None:
    major = Fee(amount_minor, currency, ()).money.major
    assert "E" not in major
    assert Decimal(major) * 10 ** exponent(currency) == amount_minor


@pytest.mark.parametrize(
    ("increment_s", "unit"), [(1800, "30 min"), (60, "1 min"), (90, "90 s"), (3600, "60 min")]
)
def test_a_line_says_its_rule_and_its_unit(increment_s: int, unit: str) -> None:
    line = fee(price(increment_s, premium=True), START, START + timedelta(seconds=1)).lines[0]
    assert (line.rule, line.quantity, line.unit) == ("premium, per started increment", 1, unit)
    assert fee(price(increment_s), START, START + MICROSECOND).lines[0].rule == "per started increment"


@pytest.mark.parametrize(
    ("increment_s", "hour_minor"), [(1800, 200), (3600, 100), (2400, 200), (900, 400), (7200, 100)]
)
def test_an_hour_costs_the_increments_that_are_started_in_it(increment_s: int, hour_minor: int) -> None:
    assert price(increment_s).asked.per_hour.amount_minor == hour_minor
    assert (
        price(increment_s).asked.per_hour.amount_minor
        == fee(price(increment_s), START, START + timedelta(hours=1)).amount_minor
    )
