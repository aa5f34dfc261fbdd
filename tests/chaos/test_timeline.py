"""What is held against the timeline of slots: a true life has nothing wrong, and each wrong one is named."""

from dataclasses import replace
from typing import Any

import pytest

from app.bookings.models import Ending
from app.slots.models import State
from tests.chaos.history import Action, Answer, Asked, Operation, Outcome
from tests.chaos.timeline import Begun, Kept, Left, Step, Told, Visit, check_lives

FREE, HELD, RESERVED, OCCUPIED, CLOSED = (
    State.FREE,
    State.HELD,
    State.RESERVED,
    State.OCCUPIED,
    State.CLOSED,
)


def steps(slot: str, *told: tuple[State, str | None, float]) -> list[Step]:
    return [Step(slot, number, *one) for number, one in enumerate(told, 1)]


def asked(action: Action, entity: str, reservation: str = "") -> Asked:
    return Asked(0, action, f"key of {entity}", entity, frozenset({"A", "B"}), reservation)


def reserved(entity: str, at_s: float, reservation: str, slot: str) -> Operation:
    told = Answer(Outcome.OK, "", slot, reservation)
    return Operation(asked(Action.RESERVE, entity), at_s - 0.1, at_s + 0.1, told)


def refused(entity: str, at_s: float) -> Operation:
    told = Answer(Outcome.REFUSED, "all-taken")
    return Operation(asked(Action.RESERVE, entity), at_s - 0.1, at_s + 0.1, told)


# On A a driver who leaves, then a no-show; on B a hold that is confirmed, moved to A, and one that is not
# answered. At 4.5 both are taken.
TRUE = Told(
    steps=[
        *steps(
            "A",
            (FREE, None, 0),
            (RESERVED, "r1", 1),
            (OCCUPIED, "r1", 2),
            (FREE, None, 3),
            (RESERVED, "r2", 4),
            (FREE, None, 8),
            (RESERVED, "r3", 9),
            (FREE, None, 11),
        ),
        *steps(
            "B",
            (FREE, None, 0),
            (HELD, "h1", 2),
            (RESERVED, "r3", 3),
            (FREE, None, 9),
            (HELD, "h2", 10),
            (CLOSED, None, 12),
        ),
    ],
    kept=[Kept("h1", "one", 4), Kept("h2", "two", 12)],
    begun=[
        Begun("r1", "E1", 5, Ending.RELEASED),
        Begun("r2", "E2", 7, Ending.NO_SHOW),
        Begun("r3", "E3", 30, Ending.RELEASED),
    ],
    operations=[
        reserved("E1", 1, "r1", "A"),
        Operation(asked(Action.UNRESERVE, "E1", "r1"), 2.9, 3.1, Answer(Outcome.OK, "", "A", "r1")),
        reserved("E2", 4, "r2", "A"),
        refused("E4", 4.5),
    ],
    visits=[Visit("h1", "one", "E3", 2.9, 3.1, "r3")],
    left=[Left("r3", 10.9)],
)


def with_step(slot: str, number: int, /, **changed: Any) -> Told:
    return replace(
        TRUE,
        steps=[
            replace(one, **changed) if (one.slot, one.version) == (slot, number) else one
            for one in TRUE.steps
        ],
    )


def kinds(told: Told) -> set[str]:
    return {violation.kind for violation in check_lives(told)}


def test_a_true_life_has_nothing_wrong() -> None:
    assert [str(one) for one in check_lives(TRUE)] == []


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (with_step("A", 4, state=RESERVED, owner="r2"), "double booking"),
        (with_step("A", 5, version=4), "lost step"),
        (with_step("A", 6, at_s=6.5), "ended early"),
        (with_step("A", 5, state=OCCUPIED), "ended early"),
        (with_step("B", 6, at_s=11.5), "lost hold"),
        (with_step("B", 2, owner="h3"), "lost hold"),
        (with_step("B", 2, state=CLOSED, owner=None), "closed slot booked"),
        (with_step("B", 4, at_s=9.5), "SQL contradicts itself"),
        (with_step("A", 4, owner="r9"), "SQL contradicts itself"),
        (replace(TRUE, left=[]), "lost booking"),
        (replace(TRUE, left=[Left("r3", 11.5)]), "lost booking"),
        (replace(TRUE, operations=[*TRUE.operations, reserved("E5", 5, "r5", "B")]), "lost booking"),
        (replace(TRUE, operations=[*TRUE.operations, reserved("E5", 5, "r1", "A")]), "another's booking"),
        (replace(TRUE, operations=[*TRUE.operations, reserved("E1", 1, "r1", "B")]), "wrong slot"),
        (replace(TRUE, operations=[*TRUE.operations, refused("E5", 1.5)]), "false all-taken"),
        (replace(TRUE, visits=[*TRUE.visits, Visit("h2", "two", "E5", 10.5, 10.6)]), "lost hold"),
        (
            replace(TRUE, begun=[*TRUE.begun[:1], replace(TRUE.begun[1], entity="E3"), TRUE.begun[2]]),
            "entity booked twice",
        ),
        (
            replace(
                TRUE,
                operations=[
                    *TRUE.operations,
                    Operation(asked(Action.UNRESERVE, "E3", "r3"), 5, 5.1, Answer(Outcome.OK, "", "B", "r3")),
                ],
            ),
            "not ended",
        ),
    ],
)
def test_what_is_wrong_in_it_is_named(told: Told, kind: str) -> None:
    assert kind in kinds(told)


def test_what_may_be_is_not_called_wrong() -> None:
    let_go = Visit("h2", "two", "", 10.5, 10.6)
    ended = replace(with_step("B", 6, at_s=11), visits=[*TRUE.visits, let_go])
    assert kinds(ended) == set()
    shut = replace(TRUE, operations=[*TRUE.operations, refused("E5", 1.5)], shut_s=[(1, 2)])
    assert kinds(shut) == set()
    # It had only just come free, and its transaction may not have been seen yet.
    early = replace(TRUE, operations=[*TRUE.operations, refused("E5", 3.1)])
    assert kinds(early) == set()
