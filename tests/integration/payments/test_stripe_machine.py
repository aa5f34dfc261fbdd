"""Stripe through whatever is asked in whatever order, while answers are lost and days pass."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.payments.providers.protocol import Charged, ChargeOrder, Fate, ProviderAway, Refunded, RefundOrder
from app.payments.providers.stripe import Stripe
from tests.integration.payments.stripe_stub import (
    GOOD,
    INSUFFICIENT,
    KEY,
    PROCESSING,
    THREE_D,
    Fault,
    served,
)
from tests.unit.payments.providers.orders import SECRET, given_back, ordered

FINAL = (Fate.PAID, Fate.DECLINED, Fate.CANCELLED)
_T = TypeVar("_T")

processes = st.integers(0, 1)
names = st.sampled_from(["p-1", "p-2", "p-3"])
# A payment has one card.
cards = st.sampled_from([GOOD, GOOD, THREE_D, THREE_D, PROCESSING, INSUFFICIENT])
faults = st.builds(
    Fault,
    st.sampled_from(["payment_intents", "confirm", "cancel", "refunds", "search", ""]),
    st.sampled_from([0, 409, 429, 502]),
    st.booleans(),
)


class StripeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.stub = self.run(self.stack.enter_async_context(served()))
        self.processes = [self.opened() for _ in range(2)]
        self.said: dict[str, Charged] = {}
        self.cards: dict[str, str] = {}
        self.back: dict[str, Refunded] = {}
        # After a day nothing is begun any more that was begun before.
        self.old: set[str] = set()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def opened(self) -> Stripe:
        return Stripe(KEY, [SECRET], api_base=self.stub.url)

    def teardown(self) -> None:
        for one in self.processes:
            self.run(one.aclose())
        self.run(self.stack.aclose())
        self.runner.close()

    def order(self, payment: str, data: st.DataObject) -> ChargeOrder:
        if payment not in self.cards:
            self.cards[payment] = data.draw(cards)
        return ordered(payment, self.cards[payment])

    def hears(self, payment: str, work: Coroutine[Any, Any, Charged]) -> None:
        try:
            told = self.run(work)
        except ProviderAway:
            return
        before = self.said.get(payment)
        if before is not None and before.fate in FINAL:
            assert (told.fate, told.charge) == (before.fate, before.charge)
        self.said[payment] = told
        assert (told.fate is Fate.PAID) == (self.stub.paid[payment] == 1)

    @initialize(fault=st.none() | faults, data=st.data())
    def some_are_charged(self, fault: Fault | None, data: st.DataObject) -> None:
        self.it_is_charged(0, "p-1", data)
        if fault is not None:
            self.stub.faults.append(fault)
        self.it_is_charged(0, "p-2", data)

    @rule(at=processes, payment=names, data=st.data())
    def it_is_charged(self, at: int, payment: str, data: st.DataObject) -> None:
        if payment not in self.old:
            self.hears(payment, self.processes[at].charge(self.order(payment, data)))

    @rule(at=processes, payment=names, data=st.data())
    def it_is_asked(self, at: int, payment: str, data: st.DataObject) -> None:
        paid = self.stub.paid[payment]
        self.hears(payment, self.processes[at].ask(self.order(payment, data)))
        assert self.stub.paid[payment] == paid

    @rule(at=processes, payment=names, data=st.data())
    def it_is_cancelled(self, at: int, payment: str, data: st.DataObject) -> None:
        """Mostly after it was ordered: else most of what there is would be cancelled."""
        if payment not in self.cards and data.draw(st.integers(0, 3)):
            return
        self.hears(payment, self.processes[at].cancel(self.order(payment, data)))

    @rule(payment=names, ok=st.booleans())
    def the_bank_says(self, payment: str, ok: bool) -> None:
        if any(one["metadata"]["payment"] == payment for one in self.stub.intents.values()):
            self.stub.bank_says(payment, ok)

    @rule(
        at=processes,
        payment=names,
        refund=st.sampled_from(["r-1", "r-2", "r-3"]),
    )
    def it_is_given_back(self, at: int, payment: str, refund: str) -> None:
        """A refund is of one payment and one amount."""
        paid = [name for name, told in self.said.items() if told.fate is Fate.PAID]
        if not paid:
            return
        payment = payment if payment in paid else paid[0]
        charge = self.said[payment]
        refund = f"{payment}-{refund}"
        order: RefundOrder = given_back(refund, payment, charge.charge, 100 * int(refund[-1]))
        try:
            told = self.run(self.processes[at].refund(order))
        except ProviderAway:
            return
        before = self.back.get(refund)
        if before is not None:
            assert told == before
        self.back[refund] = told

    @rule(fault=faults)
    def something_goes_wrong(self, fault: Fault) -> None:
        self.stub.faults.append(fault)

    @rule()
    def all_is_well_again(self) -> None:
        self.stub.faults.clear()

    @rule(at=processes)
    def a_process_begins_anew(self, at: int) -> None:
        self.run(self.processes[at].aclose())
        self.processes[at] = self.opened()

    @rule()
    def search_comes_up(self) -> None:
        self.stub.search_is_late = False

    @rule()
    def a_day_passes(self) -> None:
        self.old |= set(self.cards)
        self.stub.a_day_passes()

    @invariant()
    def nothing_is_charged_or_given_back_twice(self) -> None:
        assert all(times == 1 for times in self.stub.paid.values())
        for name, intent in self.stub.intents.items():
            back = [one for one in self.stub.refunds if one["payment_intent"] == name]
            assert sum(one["amount"] for one in back) <= intent["amount"]
        assert all(
            times == 1 for times in Counter(one["metadata"]["refund"] for one in self.stub.refunds).values()
        )
        assert {one["metadata"]["refund"] for one in self.stub.refunds} >= {
            refund for refund, told in self.back.items() if told.fate is Fate.PAID
        }


@pytest.mark.timeout(300)
def test_whatever_is_asked_in_whatever_order_it_charges_once_and_never_contradicts_itself() -> None:
    run_state_machine_as_test(
        StripeMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
