"""What a running booking says of its price: now, next, or up to its booked end; and how one leaves it."""

from datetime import UTC, datetime, timedelta

import pytest

from app.bookings.models import Reservation
from app.core.languages import speaking
from app.driver.booking_page import release_form
from app.driver.running import running_figures
from app.payments.tariffs.lines import Free, Line, PerIncrement, Tariff

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HALF_HOUR = PerIncrement(price_minor=100, increment_s=1800, per_s=1800)


def tariff(line: Line = HALF_HOUR) -> Tariff:
    return Tariff(1, 1, "EUR", "UTC", (line,))


def booked(until_min: int | None = 120) -> Reservation:
    return Reservation(
        id="r",
        slot_id=1,
        lot_id=1,
        entity="A",
        entity_given="A",
        size="car",
        premium=False,
        tariff_id=1,
        start_at=START,
        expected_at=START,
        until=None if until_min is None else START + timedelta(minutes=until_min),
        codes=[],
    )


def next_text(at_min: float, settled: int = 0, until_min: int | None = 120, line: Line = HALF_HOUR) -> str:
    now = START + timedelta(minutes=at_min)
    return str(running_figures(booked(until_min), tariff(line), now, "UTC", "/", settled).next_text)


@pytest.mark.parametrize(
    ("at_min", "settled", "until_min", "said"),
    [
        (10, 0, 120, "€2.00 from <b>09:30</b>, in 20 min"),
        (10, 0, None, "€2.00 from <b>09:30</b>, in 20 min"),
        (95, 0, 120, "€4.00 up to the booked end"),
        # What is paid already is not asked for again, and never as nothing at all.
        (10, 100, 120, "€1.00 from <b>09:30</b>, in 20 min"),
        (10, 200, 120, "€1.00 from <b>10:00</b>, in 50 min"),
        (10, 400, 120, "Paid up to the booked end"),
        (10, 900, 120, "Paid up to the booked end"),
        # Past the booked end it goes on, and is said again.
        (125, 0, 120, "€6.00 from <b>11:30</b>, in 25 min"),
    ],
)
def test_the_next_price_is_said_with_its_time_unless_the_booked_end_comes_first(
    at_min: float, settled: int, until_min: int | None, said: str
) -> None:
    assert next_text(at_min, settled, until_min) == said


def test_what_costs_nothing_says_so() -> None:
    assert next_text(10, line=Free()) == "Free up to the booked end"
    assert next_text(10, until_min=None, line=Free()) == ""


def test_the_price_is_told_as_a_german_writes_it() -> None:
    with speaking("de"):
        assert next_text(10) == "2,00\xa0€ ab <b>09:30</b>, in 20 min"
        assert next_text(95) == "4,00\xa0€ bis zum gebuchten Ende"


def test_a_paid_booking_is_left_without_a_warning() -> None:
    now = START + timedelta(minutes=10)
    paid = release_form(booked(), tariff(), now, "UTC", "token", 100, is_due=False)
    assert paid.paid_text == "Paid until 09:30"
    assert paid.question == (
        "Nothing more is to pay if you leave by then. Somebody else may take the slot at once."
    )


@pytest.mark.parametrize(
    ("settled", "is_due", "question"),
    [(0, True, "You pay €1.00."), (100, True, "It is paid."), (40, True, "You pay €0.60.")],
)
def test_as_long_as_something_is_to_be_paid_ending_it_asks_first(
    settled: int, is_due: bool, question: str
) -> None:
    now = START + timedelta(minutes=10)
    found = release_form(booked(), tariff(), now, "UTC", "token", settled, is_due=is_due)
    assert not found.paid_text
    assert found.question == f"{question} Somebody else may take the slot at once."
