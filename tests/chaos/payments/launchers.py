"""Processes whose times are short, so that a run is over soon; and wrong ones, each in a plausible way."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from app.payments import paying, providers, records, refunding, unfinished
from app.payments.journal import Entry, Journal
from app.payments.models import PaymentState
from app.payments.providers import sandbox
from app.payments.providers.protocol import Charged, ChargeOrder, Fate
from app.payments.providers.sandbox import Sandbox
from tests.chaos.deployment import finish_payments, serve
from workers import payments

SLOW_S = 0.5
WORKER_AFTER = timedelta(seconds=2)
TAKEN_FOR = timedelta(seconds=3)
LAST_AGAIN = timedelta(seconds=2)
# Whom nobody sees again is waited for no longer.
GIVEN_UP_AFTER = timedelta(seconds=5)
LOOKS_EVERY_S, SEALS_EVERY_S = 0.2, 0.5
WRITES_AFTER_S = 3.0
_OWED: set[asyncio.Task[None]] = set()


def _hurry() -> None:
    providers.__dict__["Sandbox"] = partial(Sandbox, slow_s=SLOW_S)
    paying.WORKER_AFTER = refunding.WORKER_AFTER = WORKER_AFTER  # type: ignore[attr-defined]
    unfinished.TAKEN_FOR, unfinished.LAST_AGAIN = TAKEN_FOR, LAST_AGAIN
    unfinished.GIVEN_UP_AFTER = GIVEN_UP_AFTER
    payments.LOOKS_EVERY_S, payments.SEALS_EVERY_S = LOOKS_EVERY_S, SEALS_EVERY_S


def serve_in_a_hurry() -> None:
    """A web process."""
    _hurry()
    serve()


def finish_in_a_hurry() -> None:
    """A payments worker."""
    _hurry()
    finish_payments()


def _charge_afresh() -> None:
    """Who asks a second time for a charge is charged a second time: each try has an identifier of its own."""
    charge = Sandbox.charge

    async def afresh(self: Sandbox, order: ChargeOrder) -> Charged:
        if (await self.ask(order)).fate is Fate.UNKNOWN:
            return await charge(self, order)
        return await charge(self, replace(order, payment=str(uuid.uuid4())))

    Sandbox.charge = afresh  # type: ignore[method-assign]


def _settle_whatever_it_was() -> None:
    """A payment is written down as paid, or as declined, whatever was written down before."""
    move_payment = records.move_payment

    async def from_any(
        connection: Any,
        payment_id: str,
        expected: Sequence[PaymentState],
        target: PaymentState,
        **values: Any,
    ) -> bool:
        return await move_payment(connection, payment_id, list(PaymentState), target, **values)

    records.move_payment = from_any


def _believe_everybody() -> None:
    """A webhook's signature is not looked at."""
    sandbox.signatures.check = lambda *given: None  # type: ignore[assignment]


def serve_charging_afresh() -> None:
    _charge_afresh()
    serve_in_a_hurry()


def finish_charging_afresh() -> None:
    _charge_afresh()
    finish_in_a_hurry()


def serve_settling_twice() -> None:
    _settle_whatever_it_was()
    serve_in_a_hurry()


def serve_believing_everybody() -> None:
    _believe_everybody()
    serve_in_a_hurry()


@dataclass(frozen=True)
class Variant:
    """``kinds``: the violations that it must be caught by."""

    name: str
    serve: Callable[[], None]
    finish: Callable[[], None]
    kinds: frozenset[str]


VARIANTS = (
    Variant(
        "each try to charge under a name of its own",
        serve_charging_afresh,
        finish_charging_afresh,
        frozenset({"charged, not recorded"}),
    ),
    Variant(
        "settled whatever it was before",
        serve_settling_twice,
        finish_in_a_hurry,
        frozenset({"not moved once", "not one audit entry"}),
    ),
    Variant(
        "webhooks by anybody",
        serve_believing_everybody,
        finish_in_a_hurry,
        frozenset({"forged webhook taken", "paid, not charged"}),
    ),
)


def serve_acknowledging_early() -> None:
    """A payment is accepted before it is on the disk."""
    accept = Journal.accept

    async def early(self: Journal, entry: Entry) -> Entry:
        async def write() -> None:
            await asyncio.sleep(WRITES_AFTER_S)
            await accept(self, entry)

        task = asyncio.create_task(write())
        _OWED.add(task)
        task.add_done_callback(_OWED.discard)
        return entry

    Journal.accept = early  # type: ignore[method-assign]
    serve_in_a_hurry()


def finish_posting_again() -> None:
    """What is posted is posted again by whoever finds it."""

    async def never(*given: Any) -> bool:
        return False

    insert_posting = records.insert_posting

    async def under_another_name(connection: Any, values: Mapping[str, Any]) -> None:
        await insert_posting(connection, {**values, "id": str(uuid.uuid4())})

    records.is_posted = never
    records.insert_posting = under_another_name
    Entry.is_alike = lambda *given: False  # type: ignore[assignment, method-assign]
    finish_in_a_hurry()


JOURNAL_VARIANTS = (
    Variant(
        "accepted before it is written",
        serve_acknowledging_early,
        finish_in_a_hurry,
        frozenset({"accepted, not posted", "taken, not once in the till"}),
    ),
    Variant(
        "posted by whoever finds it",
        serve_in_a_hurry,
        finish_posting_again,
        frozenset({"taken, not once in the till"}),
    ),
)
