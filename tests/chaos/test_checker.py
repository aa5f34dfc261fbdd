"""The checker on long histories: it lets a true one pass, finds what is planted, and takes seconds."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tests.chaos.bookings import Bookings
from tests.chaos.checker import Violation, check
from tests.chaos.history import Action, Answer, Operation, Outcome
from tests.chaos.made_up import MadeUp, true_history

SLOTS = [f"S{number}" for number in range(200)]
FEW = ["S0", "S1", "S2", "S3"]


def found(made: MadeUp, operations: list[Operation]) -> list[Violation]:
    return check(Bookings(operations, made.in_sql))


def test_100_000_operations_over_200_slots_are_checked_in_seconds() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    made = true_history(seed, 100_000, SLOTS, lost_share=0.001)
    kinds = Counter(
        f"{one.asked.action} {one.answer.refusal or one.answer.outcome}" for one in made.operations
    )
    began_s = time.monotonic()
    assert found(made, made.operations) == []
    took_s = time.monotonic() - began_s
    print(f"{took_s:.1f} s for {dict(kinds)}")
    assert kinds["reserve all-taken"] > 20_000
    assert took_s < 30


@pytest.mark.parametrize("lost_share", [0.0, 0.02])
def test_a_404_while_a_slot_was_free_is_found_among_thousands(lost_share: float) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    made = true_history(seed, 5_000, SLOTS, lost_share)
    bookings = Bookings(made.operations, made.in_sql)
    stays = bookings.by_slot
    refused, holder = random.Random(seed).choice(
        [
            (one, stay)
            for one in made.operations[::10]
            if one.answer.refusal == "all-taken"
            for slot in sorted(one.asked.fitting)
            for stay in stays[slot]
            if stay.certain_from_s < one.called_s and stay.certain_until_s > one.answered_s
            # Whose end was not answered may have been there still.
            if not any(other is not stay and other.possible_until_s >= one.called_s for other in stays[slot])
            # So may one who never heard that the slot is theirs.
            if not any(slot in lost.fitting and lost.called_s <= one.answered_s for lost in bookings.loose)
        ]
    )
    # One of those who were in the way was never there.
    operations = [
        one
        for one in made.operations
        if holder.reservation not in (one.answer.reservation, one.asked.reservation)
    ]
    in_sql = [one for one in made.in_sql if one.reservation != holder.reservation]
    told = [violation.detail for violation in check(Bookings(operations, in_sql))]
    print(f"{len(told)} violations")
    assert any(detail.startswith(f"{refused.asked.entity}:") for detail in told)


def test_one_slot_given_out_twice_among_thousands_is_found() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    made = true_history(seed, 5_000, SLOTS)
    bookings = Bookings(made.operations)
    stays = [stay for stay in bookings.stays.values() if stay.certain_until_s - stay.certain_from_s > 1]
    twice = random.Random(seed).choice(stays)
    middle_s = (twice.certain_from_s + min(twice.certain_until_s, 5.0)) / 2
    planted = Operation(
        replace(
            made.operations[0].asked,
            action=Action.RESERVE,
            key="twice",
            entity="TWICE",
            fitting=frozenset(SLOTS),
        ),
        middle_s,
        middle_s + 0.01,
        Answer(Outcome.OK, "", twice.slot, "r-twice"),
    )
    kinds = {violation.kind for violation in found(made, [*made.operations, planted])}
    assert kinds == {"double booking"}


def _was_free_for_certain(bookings: Bookings, one: Operation) -> bool:
    """The definition, word for word: at no instant was each fitting slot possibly held by somebody else."""
    ends = [end for stay in bookings.stays.values() for end in (stay.possible_from_s, stay.possible_until_s)]
    ends += [loose.called_s for loose in bookings.loose]
    instants = {one.called_s, one.answered_s, *(end for end in ends if one.called_s <= end <= one.answered_s)}
    for instant in instants:
        held = {
            stay.slot
            for stay in bookings.stays.values()
            if stay.possible_from_s <= instant <= stay.possible_until_s and one.asked.key not in stay.keys
        }
        free = one.asked.fitting - held
        others = [
            loose.fitting
            for loose in bookings.loose
            if loose.called_s <= instant and loose.key != one.asked.key
        ]
        if any(
            all(slot in fitting for slot, fitting in zip(free, some, strict=True))
            for some in itertools.permutations(others, len(free))
        ):
            return False
    return True


def _with_wrong_answers(source: random.Random, operations: Iterable[Operation]) -> list[Operation]:
    """The same with some answers made worse, and some requests sent again."""
    wrong = []
    for one in operations:
        chance = source.random()
        if chance < 0.15 and one.asked.action is Action.RESERVE:
            one = replace(one, answer=Answer(Outcome.REFUSED, "all-taken"))
        elif chance < 0.2:
            one = replace(one, answer=Answer(Outcome.UNKNOWN, "lost"))
        elif chance < 0.3 and one.asked.action is Action.RESERVE:
            refused = Answer(Outcome.REFUSED, "all-taken")
            wrong.append(replace(one, called_s=one.called_s - 0.003, answer=refused))
        wrong.append(one)
    return wrong


def test_what_the_checker_calls_false_is_what_the_definition_calls_false() -> None:
    first = random.randrange(2**32)
    print(f"seeds from {first}")
    verdicts = Counter[bool]()
    for seed in range(first, first + 200):
        made = true_history(seed, 40, FEW, lost_share=0.03, longest_s=0.002)
        bookings = Bookings(_with_wrong_answers(random.Random(seed), made.operations))
        told = {
            violation.detail.partition(":")[0] for violation in check(bookings) if "-taken" in violation.kind
        }
        for one in bookings.operations:
            if one.answer.refusal not in ("all-taken", "slot-taken"):
                continue
            mine = [other for other in bookings.operations if other.asked.entity == one.asked.entity]
            expected = any(
                _was_free_for_certain(bookings, other)
                for other in mine
                if other.answer.refusal.endswith("-taken")
            )
            verdicts[expected] += 1
            assert (one.asked.entity in told) == expected, f"seed {seed}: {one}"
    print(verdicts)
    assert min(verdicts.values()) > 200
