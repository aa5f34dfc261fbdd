"""The sandbox against a plain account of it, whatever is asked in whatever order, by two at one file."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app.core.clock import FixedClock
from app.payments.providers.protocol import Charged, ChargeOrder, Fate, ProviderAway, RefundOrder
from app.payments.providers.refusals import OtherCharge
from app.payments.providers.sandbox import AWAY, SLOW, SUCCESS, THREE_D, Sandbox
from tests.unit.payments.providers.orders import NOON, SECRET, given_back, ordered

SLOW_S = 30
FINAL = (Fate.PAID, Fate.DECLINED, Fate.CANCELLED)
_T = TypeVar("_T")

counters = st.integers(0, 1)
payments = st.sampled_from(["p-1", "p-2", "p-3"])
orders = st.builds(
    ordered,
    payments,
    st.sampled_from([*Sandbox.means, SUCCESS, SUCCESS, THREE_D, THREE_D, "sandbox-no-such"]),
    # Mostly the same, so that most orders go through.
    st.sampled_from([100, 100, 100, 100, 250]),
    st.sampled_from(["EUR", "EUR", "EUR", "JPY"]),
)
refunds = st.builds(
    given_back,
    st.sampled_from([f"r-{number}" for number in range(1, 7)]),
    payments,
    st.just(""),
    st.sampled_from([1, 40, 40, 60, 60, 100, 250]),
    st.sampled_from(["EUR", "EUR", "EUR", "EUR", "JPY"]),
)


@dataclass
class Account:
    """What is known of a payment."""

    order: ChargeOrder
    fate: Fate
    asks: bool = False
    due: datetime | None = None
    name: str = ""
    said: list[Charged] = field(default_factory=list)
    back_minor: int = 0


class SandboxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "sandbox.db"
        self.clock = FixedClock(NOON)
        self.runner = asyncio.Runner()
        self.counters = [self.opened() for _ in range(2)]
        self.accounts: dict[str, Account] = {}
        self.given: dict[str, tuple[RefundOrder, Fate]] = {}

    def opened(self) -> Sandbox:
        return Sandbox(self.path, [SECRET], self.clock, SLOW_S)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(work)

    def teardown(self) -> None:
        for counter in self.counters:
            self.run(counter.aclose())
        self.runner.close()
        self.folder.cleanup()

    def account(self, payment: str) -> Account | None:
        """As it is by now."""
        found = self.accounts.get(payment)
        if found and found.fate is Fate.WAITING and found.due and found.due <= self.clock.now():
            found.fate = Fate.PAID
        return found

    def paid(self) -> list[str]:
        return [name for name in self.accounts if (found := self.account(name)) and found.fate is Fate.PAID]

    def is_other(self, order: ChargeOrder) -> bool:
        found = self.account(order.payment)
        return found is not None and (found.order.amount_minor, found.order.currency) != (
            order.amount_minor,
            order.currency,
        )

    def hears(self, payment: str, told: Charged) -> None:
        """One name, one amount, and nothing that contradicts what was final before."""
        found = self.account(payment)
        assert found is not None
        assert told.fate is found.fate
        found.name = found.name or told.charge
        assert told.charge == found.name != ""
        assert (told.amount_minor, told.currency) == (found.order.amount_minor, found.order.currency)
        assert bool(told.next_url) == (found.asks and told.fate is Fate.WAITING)
        assert bool(told.reason) == (told.fate is Fate.DECLINED)
        assert all(before == told for before in found.said if before.fate in FINAL)
        found.said.append(told)

    @initialize(first=st.lists(orders, min_size=2, max_size=4))
    def some_are_charged(self, first: list[ChargeOrder]) -> None:
        for order in first:
            self.it_is_charged(0, order)

    @rule(at=counters, order=orders)
    def it_is_charged(self, at: int, order: ChargeOrder) -> None:
        if self.is_other(order):
            with pytest.raises(OtherCharge):
                self.run(self.counters[at].charge(order))
            return
        is_new = order.payment not in self.accounts
        if is_new:
            waits = order.means in (SLOW, THREE_D)
            works = order.means in (SUCCESS, AWAY)
            self.accounts[order.payment] = Account(
                order,
                Fate.WAITING if waits else Fate.PAID if works else Fate.DECLINED,
                asks=order.means == THREE_D,
                due=self.clock.now() + timedelta(seconds=SLOW_S) if order.means == SLOW else None,
            )
        if is_new and order.means == AWAY:
            with pytest.raises(ProviderAway):
                self.run(self.counters[at].charge(order))
        else:
            self.hears(order.payment, self.run(self.counters[at].charge(order)))

    @rule(at=counters, order=orders)
    def it_is_asked(self, at: int, order: ChargeOrder) -> None:
        if self.is_other(order):
            with pytest.raises(OtherCharge):
                self.run(self.counters[at].ask(order))
        elif order.payment in self.accounts:
            self.hears(order.payment, self.run(self.counters[at].ask(order)))
        else:
            assert self.run(self.counters[at].ask(order)) == Charged(Fate.UNKNOWN)

    @rule(at=counters, order=orders, is_early=st.sampled_from([False, False, False, True]))
    def it_is_cancelled(self, at: int, order: ChargeOrder, is_early: bool) -> None:
        """Mostly after it was ordered: else most of what there is would be cancelled."""
        if order.payment not in self.accounts and not is_early:
            return
        if self.is_other(order):
            with pytest.raises(OtherCharge):
                self.run(self.counters[at].cancel(order))
            return
        found = self.account(order.payment)
        if found is None:
            self.accounts[order.payment] = Account(order, Fate.CANCELLED)
        elif found.fate is Fate.WAITING:
            found.fate = Fate.CANCELLED
        self.hears(order.payment, self.run(self.counters[at].cancel(order)))

    @rule(at=counters, payment=payments, ok=st.booleans())
    def the_payer_confirms(self, at: int, payment: str, ok: bool) -> None:
        found = self.account(payment)
        told = self.run(self.counters[at].confirm(payment, ok))
        if found is None:
            assert told == Charged(Fate.UNKNOWN)
            return
        if found.fate is Fate.WAITING and found.asks:
            found.fate = Fate.PAID if ok else Fate.DECLINED
        self.hears(payment, told)

    @rule(at=counters, order=refunds, data=st.data())
    def it_is_given_back(self, at: int, order: RefundOrder, data: st.DataObject) -> None:
        """Mostly what was paid."""
        paid = self.paid()
        if paid and order.refund not in self.given:
            order = replace(order, payment=data.draw(st.sampled_from([*paid, *paid, order.payment])))
        found = self.account(order.payment)
        known = self.given.get(order.refund)
        is_other = known[0] != order if known else found and found.order.currency != order.currency
        if is_other:
            with pytest.raises(OtherCharge):
                self.run(self.counters[at].refund(order))
            return
        told = self.run(self.counters[at].refund(order))
        if known is None:
            fits = (
                found is not None
                and found.fate is Fate.PAID
                and found.back_minor + order.amount_minor <= found.order.amount_minor
            )
            if found is not None and fits:
                found.back_minor += order.amount_minor
            known = self.given[order.refund] = order, Fate.PAID if fits else Fate.DECLINED
        assert told.fate is known[1]

    @rule(at=counters, payment=payments)
    def it_is_told_of(self, at: int, payment: str) -> None:
        if payment not in self.accounts:
            with pytest.raises(LookupError):
                self.run(self.counters[at].webhook_of(payment))
            return
        headers, body = self.run(self.counters[at].webhook_of(payment))
        event = self.counters[1 - at].read_webhook(headers, body, self.clock.now())
        assert event is not None
        assert event.payment == payment
        self.hears(payment, event.charged)

    @rule(seconds=st.sampled_from([1, SLOW_S - 1, SLOW_S]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(at=counters)
    def one_begins_anew(self, at: int) -> None:
        self.run(self.counters[at].aclose())
        self.counters[at] = self.opened()

    @invariant()
    def no_more_is_given_back_than_was_paid(self) -> None:
        if not self.accounts:
            return
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT payment, amount_minor, fate, coalesce((SELECT sum(refund.amount_minor) FROM refund"
                " WHERE refund.payment = charge.payment AND refund.fate = 'paid'), 0) FROM charge"
            ).fetchall()
        assert sorted(row[0] for row in rows) == sorted(self.accounts)
        for _, amount_minor, fate, back_minor in rows:
            assert back_minor <= (amount_minor if fate == "paid" else 0)


def test_whatever_is_asked_in_whatever_order_it_charges_once_and_never_contradicts_itself() -> None:
    run_state_machine_as_test(
        SandboxMachine,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
