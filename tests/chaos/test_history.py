"""The checker itself: made-up histories that it must flag, and ones that it must let pass."""

import pytest

from app.slots.models import State
from tests.chaos.bookings import Booked, Bookings
from tests.chaos.checker import check
from tests.chaos.history import Action, Answer, Asked, Operation, Outcome
from tests.chaos.truth import TrueSlot, Truth, violations

ONE, TWO = "S1", "S2"
BOTH = frozenset({ONE, TWO})


def reserved(entity: str, slot: str, called_s: float, answered_s: float, key: str = "") -> Operation:
    asked = Asked(0, Action.RESERVE, key or entity, entity, BOTH)
    return Operation(asked, called_s, answered_s, Answer(Outcome.OK, "", slot, f"r-{entity}"))


def refused(
    entity: str,
    called_s: float,
    answered_s: float,
    refusal: str = "all-taken",
    slots: frozenset[str] = BOTH,
    key: str = "",
) -> Operation:
    asked = Asked(0, Action.RESERVE, key or f"{entity}!", entity, slots)
    return Operation(asked, called_s, answered_s, Answer(Outcome.REFUSED, refusal))


def unknown(entity: str, called_s: float, slots: frozenset[str] = BOTH, key: str = "") -> Operation:
    asked = Asked(0, Action.RESERVE, key or entity, entity, slots)
    return Operation(asked, called_s, called_s + 1, Answer(Outcome.UNKNOWN, "connection lost"))


def released(
    entity: str,
    called_s: float,
    answered_s: float,
    outcome: Outcome = Outcome.OK,
    refusal: str = "",
    slot: str = ONE,
    cost_minor: int = 100,
) -> Operation:
    asked = Asked(0, Action.UNRESERVE, f"{entity}-end", entity, BOTH, f"r-{entity}")
    told = (slot, f"r-{entity}", cost_minor) if outcome is Outcome.OK else ()
    return Operation(asked, called_s, answered_s, Answer(outcome, refusal, *told))


def again(entity: str, slot: str, called_s: float, answered_s: float) -> Operation:
    """The entity's second booking."""
    asked = Asked(0, Action.RESERVE, f"{entity}2", entity, BOTH)
    return Operation(asked, called_s, answered_s, Answer(Outcome.OK, "", slot, f"r2-{entity}"))


def kinds(*operations: Operation) -> list[str]:
    return [violation.kind for violation in check(Bookings(operations))]


def test_one_after_the_other_passes() -> None:
    assert kinds(reserved("A", ONE, 0, 1), released("A", 2, 3), reserved("B", ONE, 4, 5)) == []


def test_a_reserve_that_overlaps_the_release_before_it_passes() -> None:
    assert kinds(reserved("A", ONE, 0, 1), released("A", 2, 5), reserved("B", ONE, 2.5, 3)) == []


def test_two_owners_at_one_instant_are_a_double_booking() -> None:
    assert kinds(reserved("A", ONE, 0, 1), reserved("B", ONE, 0, 1.5)) == ["double booking"]


def test_a_booking_within_a_longer_one_is_a_double_booking() -> None:
    assert kinds(
        reserved("A", ONE, 0, 1),
        released("A", 20, 21),
        reserved("B", ONE, 2, 3),
        released("B", 4, 5),
        reserved("C", ONE, 6, 7),
        released("C", 8, 9),
    ) == ["double booking", "double booking"]


def test_a_second_owner_after_a_refused_release_is_a_double_booking() -> None:
    operations = (
        reserved("A", ONE, 0, 1),
        released("A", 2, 3, Outcome.REFUSED, "no-such-reservation"),
        reserved("B", ONE, 4, 5),
    )
    assert kinds(*operations) == ["double booking", "refused release"]


def test_a_release_of_unknown_end_may_have_freed_the_slot() -> None:
    assert (
        kinds(reserved("A", ONE, 0, 1), released("A", 2, 3, Outcome.UNKNOWN), reserved("B", ONE, 4, 5)) == []
    )


def test_the_same_request_answered_twice_is_one_booking() -> None:
    assert kinds(reserved("A", ONE, 0, 1), reserved("A", ONE, 2, 3)) == []


def test_an_answer_that_is_repeated_after_the_end_does_not_hold_the_slot_again() -> None:
    operations = (reserved("A", ONE, 0, 1), released("A", 2, 3), reserved("B", ONE, 4, 5))
    assert kinds(*operations, reserved("A", ONE, 6, 7)) == []


def test_one_key_with_two_bookings_is_flagged() -> None:
    assert kinds(reserved("A", ONE, 0, 1, "k"), reserved("B", TWO, 2, 3, "k")) == ["booked twice"]


def test_a_booking_on_two_slots_is_flagged() -> None:
    assert kinds(reserved("A", ONE, 0, 1), reserved("A", TWO, 2, 3)) == ["moved booking"]


def test_a_slot_that_was_not_asked_for_is_flagged() -> None:
    assert kinds(reserved("A", "S9", 0, 1)) == ["wrong slot"]


def test_all_taken_while_both_were_held_passes() -> None:
    assert kinds(reserved("A", ONE, 0, 1), reserved("B", TWO, 0, 1), refused("C", 2, 3)) == []


def test_all_taken_counts_what_the_same_entity_holds_by_another_request() -> None:
    assert kinds(reserved("A", ONE, 0, 1), reserved("C", TWO, 0, 1, "k1"), refused("C", 2, 3)) == []


def test_all_taken_does_not_count_what_the_same_request_took() -> None:
    own = Operation(Asked(0, Action.RESERVE, "k1", "C", BOTH), 2, 3, Answer(Outcome.REFUSED, "all-taken"))
    assert "false all-taken" in kinds(reserved("A", ONE, 0, 1), reserved("C", TWO, 0, 1, "k1"), own)


def test_all_taken_counts_who_came_to_a_slot_that_the_same_request_took_later() -> None:
    first = Operation(Asked(0, Action.RESERVE, "k1", "C", BOTH), 0.5, 3, Answer(Outcome.REFUSED, "all-taken"))
    at_once = unknown("C", 0.5, key="k1")
    others = (reserved("A", ONE, 0, 0.4), reserved("B", TWO, 1, 2), released("B", 4, 5, slot=TWO))
    assert kinds(*others, first, at_once, reserved("C", TWO, 6, 7, "k1")) == []


def test_a_booking_does_not_begin_with_an_attempt_that_was_refused() -> None:
    early = Operation(Asked(0, Action.RESERVE, "k1", "C", BOTH), 0, 1, Answer(Outcome.REFUSED, "all-taken"))
    others = (reserved("A", ONE, -2, -1), reserved("B", TWO, -2, -1), released("B", 2, 3, slot=TWO))
    assert kinds(*others, early, refused("D", 3.5, 4), reserved("C", TWO, 5, 6, "k1")) == ["false all-taken"]


def test_all_taken_while_one_was_free_is_false() -> None:
    assert kinds(reserved("A", ONE, 0, 1), refused("C", 2, 3)) == ["false all-taken"]


def test_all_taken_is_false_where_the_slots_were_never_held_together() -> None:
    operations = (reserved("A", ONE, 0, 1), released("A", 2, 3), reserved("B", TWO, 4, 5))
    assert kinds(*operations, refused("C", 2.5, 4.5)) == ["false all-taken"]


def test_all_taken_passes_where_they_may_have_been_held_together_for_an_instant() -> None:
    operations = (reserved("A", ONE, 0, 1), released("A", 2, 4), reserved("B", TWO, 4, 5))
    assert kinds(*operations, refused("C", 2.5, 4.5)) == []


def test_all_taken_after_a_release_was_answered_is_false() -> None:
    operations = (reserved("A", ONE, 0, 1), reserved("B", TWO, 0, 1), released("A", 2, 3))
    assert kinds(*operations, refused("C", 3.5, 4)) == ["false all-taken"]


def test_a_request_of_unknown_end_may_hold_one_slot_and_not_two() -> None:
    assert kinds(reserved("A", ONE, 0, 1), unknown("B", 1), refused("C", 2, 3)) == []
    assert kinds(unknown("B", 1), refused("C", 2, 3)) == ["false all-taken"]


def test_a_request_of_unknown_end_holds_only_what_fitted_it() -> None:
    other = unknown("B", 1, frozenset({ONE}))
    assert kinds(other, refused("C", 2, 3, "slot-taken", frozenset({ONE}))) == []
    assert kinds(other, refused("C", 2, 3, "slot-taken", frozenset({TWO}))) == ["false slot-taken"]


def test_requests_of_unknown_end_hold_slots_only_where_each_fits_one_of_its_own() -> None:
    one_of_both, other_of_one = unknown("A", 0), unknown("B", 0, frozenset({ONE}))
    assert kinds(one_of_both, other_of_one, refused("C", 2, 3)) == []
    two_of_one = (unknown("A", 0, frozenset({ONE})), unknown("B", 0, frozenset({ONE})))
    assert kinds(*two_of_one, refused("C", 2, 3)) == ["false all-taken"]


def test_two_bookings_of_one_entity_at_one_instant_are_flagged() -> None:
    assert kinds(reserved("A", ONE, 0, 1), again("A", TWO, 2, 3)) == ["entity booked twice"]
    assert kinds(reserved("A", ONE, 0, 1), released("A", 1.5, 2), again("A", TWO, 2, 3)) == []


def test_a_named_slot_that_was_free_all_the_time_was_refused_falsely() -> None:
    operations = (reserved("A", ONE, 0, 1), released("A", 2, 3))
    late = refused("C", 4, 5, "slot-taken", frozenset({ONE}))
    assert kinds(*operations, late) == ["false slot-taken"]


def test_an_entity_that_held_nothing_was_refused_falsely() -> None:
    again = refused("A", 4, 5, "entity-has-reservation")
    assert kinds(reserved("A", ONE, 0, 1), again) == []
    assert kinds(reserved("A", ONE, 0, 1), released("A", 2, 3), again) == ["false entity-has-reservation"]


def test_who_holds_something_by_the_same_request_only_was_refused_falsely() -> None:
    mine = refused("A", 0, 1, "entity-has-reservation", key="k")
    assert kinds(mine, reserved("A", ONE, 0, 1, "k")) == ["false entity-has-reservation"]
    assert kinds(mine, unknown("A", 0, key="k")) == ["false entity-has-reservation"]
    assert kinds(mine, unknown("A", 0)) == []


def test_a_refusal_that_names_a_booking_of_somebody_else_is_false() -> None:
    asked = Asked(0, Action.RESERVE, "k", "A", BOTH)

    def named(reservation: str) -> Operation:
        return Operation(asked, 2, 3, Answer(Outcome.REFUSED, "entity-has-reservation", ONE, reservation))

    assert kinds(reserved("A", ONE, 0, 1), named("r-A")) == []
    assert kinds(reserved("A", ONE, 0, 1), named("r-B")) == ["false entity-has-reservation"]


def test_a_request_that_was_answered_is_not_refused_when_it_comes_again() -> None:
    first, end = reserved("A", ONE, 0, 1, "k"), released("A", 4, 5)
    assert kinds(first, refused("A", 2, 3, "entity-has-reservation", key="k"))[0] == "forgotten key"
    later = refused("A", 8, 9, "slot-taken", frozenset({ONE}), "k")
    assert "forgotten key" in kinds(first, end, reserved("B", ONE, 6, 7), later)
    at_once = refused("A", 0, 1, "all-taken", key="k")
    before = (reserved("B", ONE, -2, -1), released("B", 0.5, 0.7), reserved("C", TWO, -2, -1))
    assert kinds(*before, at_once, reserved("A", ONE, 0.8, 1, "k")) == []


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.UNKNOWN])
def test_who_releases_again_is_never_told_that_there_was_nothing(outcome: Outcome) -> None:
    first = (reserved("A", ONE, 0, 1), released("A", 2, 3, outcome))
    again = released("A", 4, 5, Outcome.REFUSED, "no-such-reservation")
    assert kinds(*first, released("A", 4, 5)) == []
    assert "refused release" in kinds(*first, again)
    beside = released("A", 2.1, 2.5, Outcome.REFUSED, "no-such-reservation")
    assert kinds(*first, beside) == ["refused release"]


def test_who_releases_is_told_of_that_booking_and_of_one_price() -> None:
    first = (reserved("A", ONE, 0, 1), reserved("B", TWO, 0, 1))
    of_b = Operation(released("A", 2, 3).asked, 2, 3, Answer(Outcome.OK, "", TWO, "r-B", 100))
    assert kinds(*first, released("A", 2, 3)) == []
    assert kinds(*first, of_b) == ["another's end"]
    assert kinds(*first, released("A", 2, 3), released("A", 4, 5)) == []
    assert kinds(*first, released("A", 2, 3), released("A", 4, 5, cost_minor=150)) == ["two prices"]


def test_a_refusal_that_nobody_expects_is_flagged() -> None:
    assert kinds(refused("A", 0, 1, "no-tariff")) == ["unexpected refusal"]


def truth(
    holder_of_one: str | None = None, *, ended: tuple[str, ...] = (), state: State | None = None
) -> Truth:
    """Slot one with this holder, slot two free."""
    running = () if holder_of_one is None else (Booked(f"r-{holder_of_one}", ONE, holder_of_one),)
    held = running[0].reservation if running else None
    first = state or (State.RESERVED if held else State.FREE)
    slots = (TrueSlot(ONE, 0, 0, 1, first, 2, held), TrueSlot(TWO, 1, 1, 1, State.FREE, 1, None))
    return Truth(slots, running, tuple(Booked(f"r-{entity}", ONE, entity) for entity in ended))


@pytest.mark.parametrize(
    ("operations", "at_the_end", "expected"),
    [
        pytest.param([reserved("A", ONE, 0, 1)], truth("A"), [], id="kept"),
        pytest.param([reserved("A", ONE, 0, 1)], truth(), ["lost booking"], id="gone"),
        pytest.param(
            [reserved("A", TWO, 0, 1)], truth("A"), ["lost booking"], id="on another slot than was said"
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1), released("A", 2, 3)], truth(ended=("A",)), [], id="kept and ended"
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1), released("A", 2, 3)], truth("A"), ["lost release"], id="not ended"
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1), released("A", 2, 3, Outcome.UNKNOWN)],
            truth("A"),
            [],
            id="not yet ended",
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1), released("A", 2, 3, Outcome.UNKNOWN)],
            truth(),
            ["lost booking"],
            id="neither running nor ended",
        ),
        pytest.param([unknown("A", 0)], truth("A"), [], id="came to pass unseen"),
        pytest.param([unknown("A", 0)], truth(), [], id="never came to pass"),
        pytest.param([], truth("A"), ["unasked booking"], id="nobody asked"),
        pytest.param(
            [unknown("A", 0, frozenset({TWO}))], truth("A"), ["unasked booking"], id="asked for another slot"
        ),
        pytest.param(
            [unknown("A", 0), refused("A", 2, 3, "slot-taken", key="A")],
            truth("A"),
            ["false slot-taken", "booked and refused"],
            id="refused under the same key although it had come to pass",
        ),
        pytest.param(
            [unknown("A", 0)], truth(ended=("A",)), ["unasked end"], id="ended, and nobody knew of it"
        ),
        pytest.param(
            [unknown("A", 0), refused("C", 2, 3, "slot-taken", frozenset({ONE}))],
            truth("A"),
            [],
            id="had come to pass, and was in the way",
        ),
        pytest.param(
            [unknown("A", 0), refused("C", 2, 3, "slot-taken", frozenset({ONE}))],
            truth(),
            ["false slot-taken"],
            id="never came to pass, and can have been in nobody's way",
        ),
        pytest.param(
            [unknown("A", 0), refused("C", 2, 3, "slot-taken", frozenset({TWO}))],
            truth("A"),
            ["false slot-taken"],
            id="came to pass on another slot",
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1), released("A", 2, 3)],
            truth("A", ended=("A",)),
            ["SQL contradicts itself", "lost release"],
            id="runs and has ended",
        ),
        pytest.param(
            [reserved("A", ONE, 0, 1)], truth("A", state=State.FREE), ["SQL contradicts itself"], id="torn"
        ),
    ],
)
def test_the_end_bears_out_what_was_acknowledged(
    operations: list[Operation], at_the_end: Truth, expected: list[str]
) -> None:
    assert [violation.kind for violation in violations(operations, at_the_end)] == expected
