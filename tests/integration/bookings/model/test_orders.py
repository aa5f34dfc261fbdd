"""What the model takes for an explanation, and what not."""

from datetime import UTC, datetime, timedelta

import pytest

from app.bookings.forms import ReserveRequest
from app.bookings.problems import lot_full
from app.bookings.results import Released, Reserved
from app.payments.fees import Fee, FeeLine
from app.payments.tariffs.asked import Price
from tests.integration.bookings.model.calls import Answer, Attend, Call, Release, Reserve
from tests.integration.bookings.model.car_park import NEW_LOT_TARIFF, CarPark, Circumstances
from tests.integration.bookings.model.expectations import Unexplained
from tests.integration.bookings.model.facts import Kind, Lot, Place
from tests.integration.bookings.model.orders import Event, told_in_order

NOW = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
AT_ONCE = Circumstances(alone=False, nearest=False)
FULL = lot_full("here")


def one_slot() -> CarPark:
    park = CarPark(NOW)
    park.lots["here"] = Lot("here")
    park.tariffs["here", None] = NEW_LOT_TARIFF
    park.places["A1"] = Place("A1", 1, "here", "A1", 0, Kind("A"), (0.0, 0.0))
    return park


def wish(entity: str) -> Reserve:
    return Reserve(ReserveRequest(entity, lot="here"))


def given(reservation: str, start_at: datetime = NOW) -> Reserved:
    price = Price(1, 1, "EUR", price_minor=100, increment_s=1800, per_s=1800, premium=False)
    return Reserved(reservation, "A1", "A1", "here", "A", False, start_at, None, None, price, "")


def ended(reservation: str, amount_minor: int, ended_at: datetime = NOW) -> Released:
    lines = (FeeLine("", 1, "", amount_minor),) if amount_minor else ()
    return Released(reservation, "A1", "here", NOW, ended_at, Fee(amount_minor, "EUR", lines))


def told(park: CarPark, *events: tuple[Call, Answer]) -> CarPark:
    return told_in_order(park, [Event(call, answer, AT_ONCE) for call, answer in events], lambda after: [])


def test_who_came_too_late_may_have_been_written_down_first() -> None:
    after = told(one_slot(), (wish("late"), FULL), (wish("first"), given("r1")))
    assert {stay.given for stay in after.stays.values()} == {"first"}


def test_two_cannot_have_been_given_one_slot() -> None:
    with pytest.raises(Unexplained, match="free and fitting were"):
        told(one_slot(), (wish("one"), given("r1")), (wish("two"), given("r2")))


def test_two_may_have_one_slot_if_it_was_given_back_between() -> None:
    events = [(wish("two"), given("r2")), (Release("r1"), ended("r1", 0)), (wish("one"), given("r1"))]
    assert list(told(one_slot(), *events).stays) == ["r2"]


def test_nobody_is_told_that_all_is_taken_while_something_was_free_all_along() -> None:
    with pytest.raises(Unexplained, match="were free"):
        told(one_slot(), (wish("one"), FULL), (wish("two"), FULL))


def test_of_the_orders_that_explain_the_answers_the_one_is_taken_that_leads_to_what_is_there() -> None:
    park = one_slot()
    events = [Event(wish("one"), FULL, AT_ONCE), Event(wish("two"), given("r1"), AT_ONCE)]
    with pytest.raises(Unexplained, match="nobody has r1"):
        told_in_order(park, events, lambda after: ["nobody has r1"] if "r1" in after.stays else [])


@pytest.mark.parametrize(
    ("minutes", "amount_minor"), [(0, 0), (29, 100), (30, 100), (30.001, 200), (60, 200)]
)
def test_a_fee_is_that_of_every_increment_begun(minutes: float, amount_minor: int) -> None:
    park = told(one_slot(), (wish("one"), given("r1")))
    park.now = NOW + timedelta(minutes=minutes)
    assert told(park, (Release("r1"), ended("r1", amount_minor, park.now))).stays == {}
    with pytest.raises(Unexplained, match="true is"):
        told(park, (Release("r1"), ended("r1", amount_minor + 100, park.now)))


@pytest.mark.parametrize(("arrives_after", "begins_after"), [(0, 0), (9, 9), (10, 10), (11, 10)])
def test_who_arrives_before_the_time_that_was_booked_is_billed_from_then_on(
    arrives_after: int, begins_after: int
) -> None:
    start = NOW + timedelta(minutes=10)
    asked = Reserve(ReserveRequest("one", lot="here", start=start))
    park = told(one_slot(), (asked, given("r1", start)))
    park.now = NOW + timedelta(minutes=arrives_after)
    after = told(park, (Attend("check in", 1, 2), None))
    assert after.stays["r1"].start_at == NOW + timedelta(minutes=begins_after)
