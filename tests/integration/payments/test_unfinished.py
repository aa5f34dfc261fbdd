"""Payments begun and not finished: a worker goes on, webhooks come as they like, each is paid once."""

import asyncio
import random
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit import trail
from app.bookings.bills import read_bill
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.leaving import end_who_left
from app.bookings.reserve import reserve
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import Problem
from app.core.signing import Secrets
from app.payments import records, refunding
from app.payments.asking import give_up, hear
from app.payments.journal import Journal
from app.payments.models import Payment, PaymentState, RefundState
from app.payments.paying import Cashier, Order, pay, quote_for
from app.payments.providers.desk import Desk as Till
from app.payments.providers.protocol import Charged, ChargeOrder, ProviderAway, Refunded, RefundOrder
from app.payments.providers.refusals import OddAmount, OtherCharge
from app.payments.providers.sandbox import AWAY, DECLINE, SLOW, SUCCESS, THREE_D, Sandbox
from app.payments.refunding import give_back
from app.payments.unfinished import GIVEN_UP_AFTER, finish
from app.payments.webhooks import take_up
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]
SECOND = timedelta(seconds=1)


class Wire(Sandbox):
    """The way to a provider: silent where the test says so."""

    is_silent = False
    charges = 0

    async def charge(self, order: ChargeOrder) -> Charged:
        if self.is_silent:
            raise ProviderAway("silent")
        self.charges += 1
        return await super().charge(order)

    async def ask(self, order: ChargeOrder) -> Charged:
        if self.is_silent:
            raise ProviderAway("silent")
        return await super().ask(order)

    async def refund(self, order: RefundOrder) -> Refunded:
        if self.is_silent:
            raise ProviderAway("silent")
        return await super().refund(order)


@pytest.fixture
async def shop(timed: Timed, tmp_path: Path) -> tuple[Cashier, Wire, FixedClock, list[str]]:
    """A cashier with a card provider, and bookings that cost 1.00 so far."""
    desk, clock = timed
    await open_lot(desk, lot_plan(slots=12))
    wire = Wire(tmp_path / "sandbox.db", ["s" * 32], clock)
    cashier = Cashier(
        desk.database, Secrets((b"k" * 32,)), {"desk": Till(), "sandbox": wire}, read_bill, Journal(tmp_path)
    )
    made = [await reserve(desk, ReserveRequest(f"A {number}", lot="here")) for number in range(12)]
    clock.advance(timedelta(minutes=5))
    return cashier, wire, clock, [one.reservation for one in made]


async def begin(cashier: Cashier, reservation: str, card: str) -> Payment:
    _, signed = await quote_for(cashier, reservation)
    paid = await pay(cashier, signed, Order(card))
    assert isinstance(paid, Payment)
    return paid


async def state_of(cashier: Cashier, payment: str) -> str:
    async with cashier.database.look() as connection:
        found = await records.payment(connection, payment)
    assert found is not None
    return found.state


async def is_true(cashier: Cashier, paid: int) -> None:
    """So many payments have moved money, each with its two sides and its receipt; the books sum to zero."""
    async with cashier.database.look() as connection:
        assert set((await records.balance(connection)).values()) <= {0}
        sides = (await connection.execute(records.LEDGER.select())).all()
        receipts = (await connection.execute(records.RECEIPT.select())).all()
        states = (await connection.execute(records.PAYMENT.select())).mappings().all()
    assert len(receipts) == paid == sum(one["state"] == "paid" for one in states)
    assert len(sides) == 2 * paid


async def test_whose_answer_was_lost_is_found_by_the_worker_and_charged_once(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    begun = await begin(cashier, bookings[0], AWAY)
    assert begun.state == PaymentState.PENDING
    assert await finish(cashier) == 0
    clock.advance(31 * SECOND)
    assert await finish(cashier) == 1
    assert await state_of(cashier, begun.id) == PaymentState.PAID
    assert await finish(cashier) == 0
    assert wire.charges == 2
    await is_true(cashier, paid=1)


async def test_after_one_card_was_declined_the_same_quote_with_another_card_is_not_called_paid(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, _, _, bookings = shop
    _, signed = await quote_for(cashier, bookings[0])
    assert (await pay(cashier, signed, Order(DECLINE))).state == PaymentState.FAILED
    with pytest.raises(Problem) as refused:
        await pay(cashier, signed, Order(SUCCESS))
    assert (refused.value.status, refused.value.type) == (409, "stale-quote")
    again = await pay(cashier, refused.value.extra["quote"], Order(SUCCESS))
    assert (again.state, again.ordinal) == (PaymentState.PAID, 2)
    with pytest.raises(Problem) as late:
        await pay(cashier, signed, Order(SUCCESS))
    assert late.value.type == "nothing-due"
    await is_true(cashier, paid=1)


async def test_several_workers_finish_each_payment_once(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    wire.is_silent = True
    begun = [await begin(cashier, one, SUCCESS) for one in bookings]
    wire.is_silent = False
    clock.advance(31 * SECOND)
    await asyncio.gather(*(finish(cashier) for _ in range(5)))
    assert {await state_of(cashier, one.id) for one in begun} == {PaymentState.PAID}
    assert wire.charges == len(begun)
    await is_true(cashier, paid=len(begun))


async def test_a_provider_that_stays_silent_is_asked_ever_more_seldom(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    wire.is_silent = True
    begun = await begin(cashier, bookings[0], SUCCESS)
    tries = 0
    for _ in range(600):
        clock.advance(SECOND)
        tries += await finish(cashier)
    assert 4 <= tries <= 9
    wire.is_silent = False
    clock.advance(timedelta(minutes=5))
    await finish(cashier)
    assert await state_of(cashier, begun.id) == PaymentState.PAID


async def test_who_never_confirms_blocks_nobody_for_long(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, _, clock, bookings = shop
    begun = await begin(cashier, bookings[0], THREE_D)
    assert begun.next_url
    with pytest.raises(Problem) as refused:
        await begin(cashier, bookings[0], SUCCESS)
    assert refused.value.type == "being-paid"
    clock.advance(GIVEN_UP_AFTER + 31 * SECOND)
    await finish(cashier)
    assert await state_of(cashier, begun.id) == PaymentState.EXPIRED
    assert (await begin(cashier, bookings[0], SUCCESS)).state == PaymentState.PAID
    await is_true(cashier, paid=1)


async def test_webhooks_that_come_twice_late_forged_or_in_another_order_pay_each_once(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    begun = [
        await begin(cashier, one, chance.choice([SUCCESS, SLOW, DECLINE, AWAY, THREE_D])) for one in bookings
    ]
    sent = []
    for one in begun:
        sent.append(await wire.webhook_of(one.id))
        if chance.random() < 0.5:
            await wire.confirm(one.id, chance.random() < 0.7)
    clock.advance(60 * SECOND)
    sent += [await wire.webhook_of(one.id) for one in begun] * 3
    chance.shuffle(sent)
    for headers, body in sent:
        forged = body.replace(b"paid", b"PAID") if chance.random() < 0.3 else body
        try:
            await take_up(cashier, "sandbox", headers, forged)
        except Problem as refused:
            assert refused.type == "bad-webhook"
            assert forged != body
    clock.advance(301 * SECOND)
    with pytest.raises(Problem):
        await take_up(cashier, "sandbox", *sent[0])
    for _ in range(3):
        clock.advance(timedelta(minutes=6))
        await finish(cashier)
    async with cashier.database.look() as connection:
        known = [await records.payment(connection, one.id) for one in begun]
    for one in known:
        assert one is not None
        told = await wire.ask(ChargeOrder(one.id, one.amount_minor, one.currency, one.means, "Parking"))
        assert (one.state == PaymentState.PAID) == (told.fate == "paid")
        assert one.state != PaymentState.PENDING
    await is_true(cashier, paid=sum(one.state == PaymentState.PAID for one in known if one is not None))


async def test_money_that_comes_in_after_an_attempt_was_given_up_is_never_denied(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    wire.is_silent = True
    begun = await begin(cashier, bookings[0], SUCCESS)
    wire.is_silent = False
    await wire.charge(ChargeOrder(begun.id, begun.amount_minor, begun.currency, SUCCESS, "Parking"))
    headers, body = await wire.webhook_of(begun.id)
    async with cashier.database.unit_of_work() as connection:
        moved = await records.move_payment(
            connection, begun.id, [PaymentState.PENDING], PaymentState.EXPIRED, settled_at=clock.now()
        )
    assert moved
    for _ in range(2):
        await take_up(cashier, "sandbox", headers, body)
    assert await state_of(cashier, begun.id) == PaymentState.PAID
    await is_true(cashier, paid=1)


async def test_a_refund_that_was_not_answered_is_done_by_the_worker_once(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, bookings = shop
    paid = await begin(cashier, bookings[0], SUCCESS)
    wire.is_silent = True
    refund = await give_back(cashier, paid.id, 60, "sorry", "Ann", number=1)
    assert refund.state == RefundState.PENDING
    wire.is_silent = False
    clock.advance(31 * SECOND)
    await asyncio.gather(*(finish(cashier) for _ in range(3)))
    async with cashier.database.look() as connection:
        (done,) = await records.refunds_of(connection, paid.id)
        assert set((await records.balance(connection)).values()) <= {0}
        sides = (await connection.execute(records.LEDGER.select())).all()
    assert done.state == RefundState.DONE
    assert len(sides) == 4


@pytest.mark.parametrize("refusal", [OddAmount, OtherCharge])
async def test_what_a_provider_refuses_whoever_asks_stands_in_no_other_payments_way(
    shop: tuple[Cashier, Wire, FixedClock, list[str]], refusal: type[ValueError]
) -> None:
    cashier, wire, _, (one, two, *_) = shop

    async def refuses(order: ChargeOrder) -> Charged:
        raise refusal("never")

    wire.charge = refuses  # type: ignore[method-assign]
    failed = await begin(cashier, one, SUCCESS)
    assert failed.state == PaymentState.FAILED
    _, signed = await quote_for(cashier, one)
    paid = await pay(cashier, signed, Order("cash", by="Ann"))
    assert isinstance(paid, Payment)
    assert paid.state == PaymentState.PAID
    # One that was begun before, and is refused however it is asked, ends too.
    wire.is_silent = True
    del wire.charge
    waits = await begin(cashier, two, SUCCESS)
    wire.is_silent = False
    wire.charge = wire.cancel = wire.ask = refuses  # type: ignore[method-assign]
    assert (await give_up(cashier, waits.id)).state == PaymentState.FAILED


async def test_a_task_that_fails_keeps_no_other_from_being_done(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, (one, two, *_) = shop
    wire.is_silent = True
    spoilt, good = await begin(cashier, one, SUCCESS), await begin(cashier, two, SUCCESS)
    wire.is_silent = False
    charge = wire.charge

    async def spoils(order: ChargeOrder) -> Charged:
        if order.payment == spoilt.id:
            raise RuntimeError("spoilt")
        return await charge(order)

    wire.charge = spoils  # type: ignore[method-assign]
    clock.advance(60 * SECOND)
    await finish(cashier)
    assert await state_of(cashier, good.id) == PaymentState.PAID
    assert await state_of(cashier, spoilt.id) == PaymentState.PENDING


@pytest.mark.parametrize("card", [SLOW, THREE_D, AWAY])
async def test_who_leaves_with_a_payment_that_takes_a_while_has_left_when_it_is_paid(
    shop: tuple[Cashier, Wire, FixedClock, list[str]], timed: Timed, card: str
) -> None:
    desk, _ = timed
    cashier, wire, clock, (one, *_) = shop
    _, signed = await quote_for(cashier, one)
    waits = await pay(cashier, signed, Order(card, leaves=True))
    assert isinstance(waits, Payment)
    assert waits.state == PaymentState.PENDING
    assert await end_who_left(desk, cashier) == 0
    clock.advance(60 * SECOND)
    if card == THREE_D:
        await wire.confirm(waits.id, ok=True)
    await finish(cashier)
    paid_at = clock.now()
    clock.advance(3600 * SECOND)
    assert await end_who_left(desk, cashier) == 1
    assert await end_who_left(desk, cashier) == 0
    async with cashier.database.look() as connection:
        bill = await cashier.read_bill(connection, one, clock.now())
    assert bill is not None
    assert bill.fixed is not None
    assert bill.fixed.amount_minor == 100
    assert bill.stay.end <= clock.now()
    assert paid_at < clock.now()


async def test_a_refunds_number_that_is_taken_hands_nothing_over(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, _, _, (one, *_) = shop
    _, signed = await quote_for(cashier, one)
    paid = await pay(cashier, signed, Order("cash", by="Ann"))
    assert isinstance(paid, Payment)
    async with cashier.database.unit_of_work() as connection:
        now = await cashier.database.now(connection)
        await refunding.begin(connection, paid, 50, "paid twice", "journal", 1, now, by_hand=True)
    other = await give_back(cashier, paid.id, 10, "broken gate", "Ines", number=1)
    assert (other.by, other.amount_minor) == ("journal", 50)
    async with cashier.database.look() as connection:
        (owed,) = await records.refunds_of(connection, paid.id)
    assert (owed.state, owed.amount_minor) == (RefundState.PENDING, 50)


async def refused_as(work: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(Problem) as caught:
        await work
    return caught.value.type


async def test_while_a_card_is_under_way_nothing_is_given_back_and_it_is_said_why(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, (one, *_) = shop
    first = await begin(cashier, one, SUCCESS)
    clock.advance(1800 * SECOND)
    waits = await begin(cashier, one, THREE_D)
    assert waits.state == PaymentState.PENDING
    assert await refused_as(give_back(cashier, first.id, 50, "so", "Ines", number=1)) == "being-paid"
    await wire.confirm(waits.id, ok=True)
    await hear(cashier, waits.id)
    back = await give_back(cashier, first.id, 50, "so", "Ines", number=1)
    assert back.state == RefundState.DONE


async def test_of_two_who_pay_by_card_at_once_one_is_charged_and_the_other_told(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, _, booked = shop
    for one in booked[:6]:
        _, signed = await quote_for(cashier, one)
        before = wire.charges
        done = await asyncio.gather(
            pay(cashier, signed, Order(SUCCESS)), pay(cashier, signed, Order(SLOW)), return_exceptions=True
        )
        (payment,) = [each for each in done if isinstance(each, Payment)]
        (refusal,) = [each for each in done if isinstance(each, Problem)]
        assert refusal.type in ("being-paid", "already-paid")
        assert refusal.extra["payment"] == payment.id
        assert wire.charges == before + 1


async def ended_with_too_much(
    shop: tuple[Cashier, Wire, FixedClock, list[str]], desk: Desk
) -> tuple[Cashier, str]:
    """Paid for two half hours when the second was about to begin, and left before it did."""
    cashier, _, clock, (one, *_) = shop
    clock.advance(timedelta(minutes=24, seconds=30))
    paid = await begin(cashier, one, SUCCESS)
    assert paid.amount_minor == 200
    await release(desk, one)
    return cashier, one


async def settled_minor(cashier: Cashier, reservation: str) -> int:
    async with cashier.database.look() as connection:
        return (await records.standing(connection, reservation)).settled_minor


async def test_what_is_too_much_goes_back_once_however_many_see_it(
    shop: tuple[Cashier, Wire, FixedClock, list[str]], timed: Timed
) -> None:
    cashier, one = await ended_with_too_much(shop, timed[0])
    await asyncio.gather(*(refunding.give_back_surplus(cashier, one) for _ in range(6)))
    await refunding.give_back_surplus(cashier, one)
    assert await settled_minor(cashier, one) == 100


async def test_money_that_comes_late_and_was_paid_otherwise_goes_back(
    shop: tuple[Cashier, Wire, FixedClock, list[str]], timed: Timed
) -> None:
    cashier, wire, clock, (one, *_) = shop
    waits = await begin(cashier, one, THREE_D)
    headers, body = await wire.webhook_of(waits.id)
    async with cashier.database.unit_of_work() as connection:
        # It was given up here, and the provider did not hear of it.
        now = await cashier.database.now(connection)
        await records.move_payment(connection, waits.id, [PaymentState.PENDING], PaymentState.EXPIRED)
        await records.delete_task(connection, waits.id)
    assert now == clock.now()
    paid = await begin(cashier, one, SUCCESS)
    assert paid.state == PaymentState.PAID
    await release(timed[0], one)
    await wire.confirm(waits.id, ok=True)
    headers, body = await wire.webhook_of(waits.id)
    await take_up(cashier, "sandbox", headers, body)
    assert await state_of(cashier, waits.id) == PaymentState.PAID
    assert await settled_minor(cashier, one) == 100


async def test_a_quote_that_is_sent_again_after_long_charges_nobody(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, wire, clock, (one, *_) = shop
    _, signed = await quote_for(cashier, one)
    wire.is_silent = True
    await pay(cashier, signed, Order(SUCCESS))
    wire.is_silent = False
    clock.advance(GIVEN_UP_AFTER + SECOND)
    again = await pay(cashier, signed, Order(SUCCESS))
    assert isinstance(again, Payment)
    assert (again.state, wire.charges) == (PaymentState.PENDING, 0)
    await finish(cashier)
    assert await state_of(cashier, again.id) == PaymentState.EXPIRED


async def test_of_several_who_seal_the_trail_one_does_and_the_chain_holds(
    shop: tuple[Cashier, Wire, FixedClock, list[str]],
) -> None:
    cashier, _, _, booked = shop
    for one in booked[:4]:
        await begin(cashier, one, SUCCESS)
    await asyncio.gather(*(trail.seal(cashier.database) for _ in range(6)))
    async with cashier.database.look() as connection:
        verdict = await trail.verify(connection)
    assert (verdict.wrong, verdict.unsealed) == ((), 0)
    assert verdict.sealed >= 8
