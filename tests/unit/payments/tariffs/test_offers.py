"""Which code does something for a stay, and what is said of one that does nothing."""

from datetime import UTC, datetime

import pytest

from app.payments.tariffs.lines import Offer, PerIncrement, Tariff, Window
from app.payments.tariffs.offers import NotOffered, all_offered, has_offers, offered

MONDAY = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
EVENING = Window(frozenset(range(7)), 18 * 3600, 24 * 3600)
TIME = PerIncrement(price_minor=100, increment_s=1800, per_s=1800)
OFFERS = (
    Offer(code="Cinema", percent_bp=2_000),
    Offer(code="FIRST", premium=True, amount_minor=100),
    Offer(code="Moped", sizes=("motorcycle", "bicycle"), amount_minor=50),
    Offer(code="LATE", windows=(EVENING,), free_s=3600),
)
TARIFF = Tariff(1, 1, "EUR", "Europe/Berlin", (TIME, *OFFERS))


def why_not(typed: str, *, size: str = "car", premium: bool = False) -> tuple[str, bool]:
    with pytest.raises(NotOffered) as refused:
        offered(TARIFF, MONDAY, size, premium, typed)
    return str(refused.value), refused.value.is_unknown


@pytest.mark.parametrize("typed", ["Cinema", "cinema", "CINEMA", "  cInEmA\t"])
def test_a_code_is_known_whatever_its_case_and_the_blanks_around_it(typed: str) -> None:
    assert offered(TARIFF, MONDAY, "car", False, typed) == "Cinema"


def test_a_code_that_no_line_has_is_refused_by_name() -> None:
    assert why_not("cinemas") == ("“cinemas” is no code of an offer here", True)
    assert why_not("x" * 500) == (f"“{'x' * 20}…” is no code of an offer here", True)
    assert why_not("cine ma") == ("“cine ma” is no code of an offer here", True)


@pytest.mark.parametrize("typed", ["", "   "])
def test_nothing_is_no_wrong_code(typed: str) -> None:
    assert why_not(typed) == ("type the code", False)


def test_a_code_for_other_slots_says_for_which() -> None:
    assert why_not("first") == ("“FIRST” is not for this slot, only for premium slots", False)
    sizes = "“motorcycle” and “bicycle”"
    assert why_not("MOPED") == (f"“Moped” is not for this slot, only for slots of size {sizes}", False)
    assert offered(TARIFF, MONDAY, "car", True, "first") == "FIRST"
    assert offered(TARIFF, MONDAY, "bicycle", False, "moped") == "Moped"


def test_a_code_whose_window_the_stay_does_not_begin_in_says_so() -> None:
    assert why_not("late") == ("“LATE” does not hold at the time at which this stay begins", False)
    assert offered(TARIFF, MONDAY.replace(hour=17), "car", False, "late") == "LATE"


def test_of_several_each_counts_once_and_each_wrong_one_is_named() -> None:
    assert all_offered(TARIFF, MONDAY, "car", True, ["cinema", "FIRST", "CINEMA "]) == (
        ["Cinema", "FIRST"],
        [],
    )
    found, errors = all_offered(TARIFF, MONDAY, "car", False, ["cinema", "none", "first"])
    assert found == ["Cinema"]
    assert [one.field for one in errors] == ["codes.1", "codes.2"]


def test_without_offers_there_is_no_code_to_give() -> None:
    assert has_offers(TARIFF)
    assert not has_offers(Tariff(1, 1, "EUR", "Europe/Berlin", (TIME,)))
