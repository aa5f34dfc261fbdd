"""What the checker of payments finds: each kind of violation in facts that have just that one."""

from dataclasses import replace

import pytest

from tests.chaos.payments.checker import check
from tests.chaos.payments.facts import (
    Accepted,
    Charge,
    Entry,
    Facts,
    GivenBack,
    PaymentFact,
    Posting,
    RefundFact,
    Taken,
    Told,
    Word,
)

PAID = PaymentFact("p1", "b1", 300, "EUR", 100, "sandbox", "c1", "paid")
DECLINED = PaymentFact("p2", "b2", 300, "EUR", 0, "sandbox", "c2", "failed")
CASH = PaymentFact("p3", "b3", 300, "EUR", 0, "desk", "p3", "paid", "cash", "Ann")
TAKEN = Taken("b3", "cash", "Ann", 300)
BY_ANN = Posting("p3", "b3", "desk", "Ann", "posted")
BACK = RefundFact("r1", "p1", 100, "EUR", "done")
CHARGES = (Charge("p1", "c1", 300, "EUR", "paid"), Charge("p2", "c2", 300, "EUR", "declined"))
ENTRIES = (
    Entry("p1", "till:sandbox", 300, "EUR"),
    Entry("p1", "revenue:1", -300, "EUR"),
    Entry("p3", "till:desk", 300, "EUR"),
    Entry("p3", "revenue:1", -300, "EUR"),
    Entry("r1", "revenue:1", 100, "EUR"),
    Entry("r1", "till:sandbox", -100, "EUR"),
)
SOUND = Facts(
    charges=CHARGES,
    given_back=(GivenBack("r1", "p1", 100, "EUR", "paid"),),
    payments=(PAID, DECLINED, CASH),
    refunds=(BACK,),
    receipts=("p1", "p3"),
    entries=ENTRIES,
    noted=("p1", "p3"),
    fees={"b1": 300, "b2": 300, "b3": 300},
    told=(Told("p1", Word.PAID), Told("p2", Word.DECLINED), Told("p3", Word.PAID)),
    accepted=(Accepted("b3", "cash", "Ann"), Accepted("b2", "sandbox-decline")),
    taken=(TAKEN,),
    postings=(BY_ANN, Posting("p2", "b2", "sandbox", "", "known")),
)
AGAIN = PaymentFact("p4", "b3", 300, "EUR", 0, "sandbox", "c4", "paid")


def kinds(facts: Facts) -> set[str]:
    return {violation.kind for violation in check(facts)}


def test_nothing_is_found_where_all_agree() -> None:
    assert check(SOUND) == []


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"charges": (*CHARGES, Charge("p9", "c9", 300, "EUR", "paid"))}, "charged, not recorded"),
        ({"charges": (CHARGES[0], replace(CHARGES[1], fate="paid"))}, "charged, not recorded"),
        ({"charges": (CHARGES[0], replace(CHARGES[1], fate="paid"))}, "charged after all"),
        ({"charges": (replace(CHARGES[0], amount_minor=200), CHARGES[1])}, "other amount"),
        ({"charges": (replace(CHARGES[0], currency="JPY"), CHARGES[1])}, "other amount"),
        ({"charges": (replace(CHARGES[0], charge="c9"), CHARGES[1])}, "other charge"),
        ({"charges": CHARGES[1:]}, "paid, not charged"),
        ({"payments": (PAID, DECLINED, CASH, AGAIN)}, "charged twice"),
        ({"fees": {"b1": 300, "b2": 300}}, "charged twice"),
        ({"refunds": (replace(BACK, state="failed"),)}, "given back, not recorded"),
        ({"refunds": (replace(BACK, amount_minor=90),)}, "other refund"),
        ({"given_back": ()}, "recorded, not given back"),
        ({"payments": (replace(PAID, refunded_minor=0), DECLINED, CASH)}, "refunds miscounted"),
        ({"receipts": ("p1",)}, "not one receipt"),
        ({"receipts": ("p1", "p1", "p3")}, "not one receipt"),
        ({"receipts": ("p1", "p2", "p3")}, "not one receipt"),
        ({"noted": ("p1", "p3", "p3")}, "not one audit entry"),
        ({"entries": ENTRIES[2:]}, "not moved once"),
        ({"entries": (*ENTRIES, *ENTRIES[:2])}, "not moved once"),
        ({"entries": (*ENTRIES, *ENTRIES[4:])}, "not moved once"),
        (
            {"entries": (*ENTRIES, *(replace(one, movement="p2") for one in ENTRIES[:2]))},
            "moved without cause",
        ),
        ({"entries": ENTRIES[1:]}, "ledger off"),
        ({"told": (Told("p2", Word.PAID),)}, "told of a payment that is none"),
        ({"told": (Told("p9", Word.PAID),)}, "told of a payment that is none"),
        ({"told": (Told("p1", Word.DECLINED),)}, "charged after all"),
        ({"payments": (PAID, replace(DECLINED, state="pending"), CASH)}, "pending for ever"),
        ({"refunds": (replace(BACK, state="pending"),)}, "refund pending for ever"),
        ({"accepted": (Accepted("b9", "cash", "Ann"),)}, "accepted, not posted"),
        ({"accepted": (Accepted("b3", "cash", "Bob"),)}, "accepted, not posted"),
        ({"accepted": (Accepted("b2", "sandbox-success"),)}, "accepted, not paid"),
        ({"postings": (replace(BY_ANN, payment="p9"),)}, "posted as nothing"),
        ({"postings": (replace(BY_ANN, outcome="paid-twice"),)}, "paid twice, not listed"),
        ({"postings": (replace(BY_ANN, outcome="no-booking"),)}, "posted without a booking"),
        ({"taken": ()}, "in the till, not taken"),
        ({"taken": (TAKEN, Taken("b2", "cash", "Ann", 300))}, "taken, not once in the till"),
        ({"payments": (PAID, DECLINED, CASH, replace(CASH, id="p4"))}, "taken, not once in the till"),
        ({"in_journals": ("e1",)}, "left in a journal"),
        ({"tasks": ("p2",)}, "task left"),
        ({"wrong_seals": ("seal 3 is missing",)}, "audit trail broken"),
    ],
)
def test_each_kind_of_violation_is_found(wrong: dict[str, object], kind: str) -> None:
    assert kind in kinds(replace(SOUND, **wrong))


def test_what_nobody_answered_may_be_in_the_till_or_not() -> None:
    perhaps = replace(SOUND, taken=(TAKEN, Taken("b2", "cash", "Ann", 300, certain=False)))
    assert check(perhaps) == []
    assert check(replace(SOUND, taken=(replace(TAKEN, certain=False),))) == []


def test_what_was_accepted_may_be_given_up() -> None:
    given_up = replace(DECLINED, state="expired", means="sandbox-success")
    facts = replace(SOUND, payments=(PAID, given_up, CASH), accepted=(Accepted("b2", "sandbox-success"),))
    assert check(facts) == []


def test_what_a_person_is_to_hand_over_waits_for_nobody_else() -> None:
    owed = RefundFact("r3", "p3", 100, "EUR", "pending")
    facts = replace(SOUND, refunds=(BACK, owed), payments=(PAID, DECLINED, replace(CASH, refunded_minor=100)))
    assert check(facts) == []


def test_cash_is_asked_of_no_provider() -> None:
    assert "paid, not charged" not in kinds(replace(SOUND, charges=CHARGES))
