"""Refunds that Stripe has taken and not made yet: they are asked after until it says what became of them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.bookings.bills import read_bill
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.core.clock import FixedClock
from app.core.signing import Secrets
from app.payments import records, wording
from app.payments.journal import Journal
from app.payments.models import Payment, PaymentState, Refund, RefundState
from app.payments.paying import Cashier, Order, pay, quote_for
from app.payments.providers.stripe import Stripe
from app.payments.refunding import give_back
from app.payments.unfinished import finish
from tests.integration.lots import lot_plan, open_lot
from tests.integration.payments.stripe_stub import GOOD, KEY, StripeStub, served
from tests.unit.payments.providers.orders import SECRET

Timed = tuple[Desk, FixedClock]
SECOND = timedelta(seconds=1)


@pytest.fixture
async def stub() -> AsyncIterator[StripeStub]:
    async with served() as stub:
        stub.refunds_are = "pending"
        yield stub


@pytest.fixture
async def shop(
    timed: Timed, stub: StripeStub, tmp_path: Path
) -> AsyncIterator[tuple[Cashier, Payment, FixedClock]]:
    """A cashier with Stripe, and a payment of 4.00 by card."""
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=1))
    stripe = Stripe(KEY, [SECRET], api_base=stub.url)
    cashier = Cashier(desk.database, Secrets((b"k" * 32,)), {"stripe": stripe}, read_bill, Journal(tmp_path))
    done = await reserve(desk, ReserveRequest("A 1", lot="here"))
    clock.advance(timedelta(minutes=100))
    _, signed = await quote_for(cashier, done.reservation)
    paid = await pay(cashier, signed, Order("card", token=GOOD))
    assert (paid.state, paid.amount_minor) == (PaymentState.PAID, 400)
    yield cashier, paid, clock
    await stripe.aclose()


async def state_of(cashier: Cashier, payment: Payment) -> tuple[Refund, int, int]:
    """The refund, what counts as given back, and how many sides the ledger has."""
    async with cashier.database.look() as connection:
        (refund,) = await records.refunds_of(connection, payment.id)
        now = await records.payment(connection, payment.id)
        sides = (await connection.execute(records.LEDGER.select())).all()
    assert now is not None
    return refund, now.refunded_minor, len(sides)


async def test_a_refund_that_stripe_has_not_made_yet_is_on_its_way_and_moves_no_money(
    shop: tuple[Cashier, Payment, FixedClock], stub: StripeStub
) -> None:
    cashier, payment, clock = shop
    begun = await give_back(cashier, payment.id, 150, "sorry", "Ines", number=1)
    assert begun.state == RefundState.PENDING
    assert wording.refund_words(begun.state, payment.provider) == "is on its way back"
    for _ in range(4):
        clock.advance(400 * SECOND)
        assert await finish(cashier) == 1
        refund, back_minor, sides = await state_of(cashier, payment)
        assert (refund.state, back_minor, sides) == (RefundState.PENDING, 150, 2)
    stub.refunds[0]["status"] = "succeeded"
    assert await finish(cashier) == 0
    clock.advance(400 * SECOND)
    assert await finish(cashier) == 1
    refund, back_minor, sides = await state_of(cashier, payment)
    assert (refund.state, back_minor, sides) == (RefundState.DONE, 150, 4)
    clock.advance(4_000 * SECOND)
    assert await finish(cashier) == 0
    assert [one["amount"] for one in stub.refunds] == [150]


async def test_a_refund_that_the_bank_did_not_take_is_paid_as_before(
    shop: tuple[Cashier, Payment, FixedClock], stub: StripeStub
) -> None:
    cashier, payment, clock = shop
    await give_back(cashier, payment.id, 150, "sorry", "Ines", number=1)
    stub.refunds[0]["status"] = "failed"
    clock.advance(31 * SECOND)
    assert await finish(cashier) == 1
    refund, back_minor, sides = await state_of(cashier, payment)
    assert (refund.state, back_minor, sides) == (RefundState.FAILED, 0, 2)
    stub.refunds_are = "succeeded"
    again = await give_back(cashier, payment.id, 150, "sorry", "Ines", number=2)
    assert again.state == RefundState.DONE


async def test_who_asks_again_for_a_pending_refund_begins_none(
    shop: tuple[Cashier, Payment, FixedClock], stub: StripeStub
) -> None:
    cashier, payment, _ = shop
    for _ in range(3):
        again = await give_back(cashier, payment.id, 150, "sorry", "Ines", number=1)
        assert again.state == RefundState.PENDING
    assert [one["amount"] for one in stub.refunds] == [150]
