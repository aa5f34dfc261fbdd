"""From a quote to a receipt, at the desk: what is said is what is paid, once, whoever asks how often."""

import asyncio
import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.audit.models import AuditEntry
from app.audit.trail import seal, verify
from app.bookings.bills import read_bill
from app.bookings.codes import Giving, give_code
from app.bookings.desk import Desk
from app.bookings.forms import ReserveRequest
from app.bookings.reserve import reserve
from app.bookings.unreserve import release
from app.core.clock import FixedClock
from app.core.errors import Problem
from app.core.signing import Secrets
from app.payments import quotes, records
from app.payments.journal import Journal
from app.payments.models import Payment, PaymentState, RefundState
from app.payments.paying import Cashier, Order, pay, quote_for
from app.payments.providers.desk import Desk as Till
from app.payments.refunding import give_back
from app.payments.service import first_lines, set_tariff
from app.payments.tariffs.lines import Offer
from tests.integration.lots import lot_plan, open_lot

Timed = tuple[Desk, FixedClock]
CASH = Order("cash", by="Ann")
MINUTE = timedelta(minutes=1)


# While SQL is there nothing is opened.
NO_JOURNAL = Journal(Path("/dev/null/journal"))


def cashier_at(desk: Desk) -> Cashier:
    return Cashier(desk.database, Secrets((b"k" * 32,)), {"desk": Till()}, read_bill, NO_JOURNAL)


async def booked(timed: Timed) -> tuple[Cashier, str]:
    """A booking of the only slot, at 1.00 per started half hour."""
    desk, _ = timed
    await open_lot(desk, lot_plan(slots=1))
    done = await reserve(desk, ReserveRequest("A 1", lot="here"))
    return cashier_at(desk), done.reservation


async def quote_of(cashier: Cashier, reservation: str) -> str:
    _, signed = await quote_for(cashier, reservation)
    assert signed
    return signed


async def refusal(work: object) -> str:
    with pytest.raises(Problem) as caught:
        await work  # type: ignore[misc]
    return caught.value.type


async def sums_to_zero(cashier: Cashier) -> None:
    async with cashier.database.look() as connection:
        assert set((await records.balance(connection)).values()) <= {0}


async def paid_of(cashier: Cashier, reservation: str) -> list[Payment]:
    async with cashier.database.look() as connection:
        found = await records.payments_of(connection, reservation)
    return [one for one in found if one.state == PaymentState.PAID]


async def test_who_pays_and_leaves_while_the_quote_holds_owes_nothing(timed: Timed) -> None:
    desk, clock = timed
    cashier, reservation = await booked(timed)
    clock.advance(20 * MINUTE)
    found, signed = await quote_for(cashier, reservation)
    assert found.quote is not None
    assert (found.fee.amount_minor, found.quote.ordinal) == (100, 1)
    paid = await pay(cashier, signed, CASH)
    assert (paid.state, paid.amount_minor, paid.by) == (PaymentState.PAID, 100, "Ann")
    clock.advance(9 * MINUTE)
    released = await release(desk, reservation)
    assert released.fee.amount_minor == 100
    left, none = await quote_for(cashier, reservation)
    assert (left.fee.amount_minor, none, left.quote) == (0, "", None)
    assert sum(line.amount_minor for line in left.fee.lines) == 0
    await sums_to_zero(cashier)


async def test_a_price_that_is_about_to_grow_is_quoted_as_it_will_be(timed: Timed) -> None:
    _, clock = timed
    cashier, reservation = await booked(timed)
    clock.advance(timedelta(minutes=29, seconds=30))
    found, _ = await quote_for(cashier, reservation)
    assert found.fee.amount_minor == 200


async def test_who_stays_on_after_paying_pays_the_difference(timed: Timed) -> None:
    desk, clock = timed
    cashier, reservation = await booked(timed)
    await pay(cashier, await quote_of(cashier, reservation), CASH)
    clock.advance(100 * MINUTE)
    assert (await release(desk, reservation)).fee.amount_minor == 400
    found, signed = await quote_for(cashier, reservation)
    assert (found.fee.amount_minor, found.settled_minor) == (300, 100)
    assert found.fee.lines[-1].amount_minor == -100
    second = await pay(cashier, signed, CASH)
    assert (second.ordinal, second.amount_minor) == (2, 300)
    assert await refusal(pay(cashier, signed, replace(CASH, means="terminal"))) == "already-paid"
    await sums_to_zero(cashier)


async def test_a_quote_that_is_sent_again_pays_once(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    signed = await quote_of(cashier, reservation)
    first = await pay(cashier, signed, CASH)
    again = await asyncio.gather(*(pay(cashier, signed, CASH) for _ in range(5)))
    assert [one.id for one in again] == [first.id] * 5
    assert len(await paid_of(cashier, reservation)) == 1


async def test_of_two_who_pay_at_once_one_does_and_the_other_is_told(timed: Timed) -> None:
    _, clock = timed
    cashier, reservation = await booked(timed)
    for _ in range(5):
        signed = await quote_of(cashier, reservation)
        both = [pay(cashier, signed, replace(CASH, means=means)) for means in ("cash", "terminal")]
        told = await asyncio.gather(*both, return_exceptions=True)
        kinds = sorted(one.type if isinstance(one, Problem) else one.state for one in told)  # type: ignore[union-attr]
        assert kinds in (["already-paid", "paid"], ["being-paid", "paid"])
        clock.advance(31 * MINUTE)
    await sums_to_zero(cashier)


async def test_a_quote_that_is_over_is_answered_with_a_fresh_one(timed: Timed) -> None:
    _, clock = timed
    cashier, reservation = await booked(timed)
    signed = await quote_of(cashier, reservation)
    clock.advance(16 * MINUTE)
    with pytest.raises(Problem) as refused:
        await pay(cashier, signed, CASH)
    assert (refused.value.status, refused.value.type) == (409, "stale-quote")
    paid = await pay(cashier, refused.value.extra["quote"], CASH)
    assert paid.state == PaymentState.PAID


async def test_a_quote_of_a_booking_that_has_ended_for_less_is_not_taken(timed: Timed) -> None:
    desk, clock = timed
    cashier, reservation = await booked(timed)
    clock.advance(timedelta(minutes=29, seconds=30))
    signed = await quote_of(cashier, reservation)
    assert (await release(desk, reservation)).fee.amount_minor == 100
    assert await refusal(pay(cashier, signed, CASH)) == "stale-quote"
    assert (await pay(cashier, await quote_of(cashier, reservation), CASH)).amount_minor == 100


async def test_a_quote_of_before_a_code_asks_too_much_and_is_not_taken(timed: Timed) -> None:
    desk, clock = timed
    lot = await open_lot(desk, lot_plan(slots=1))
    half = Offer(code="HALF", percent_bp=5_000)
    lines = (*first_lines("EUR"), half, Offer(code="ALL", percent_bp=10_000))
    async with desk.transaction() as connection:
        now = await desk.database.now(connection)
        await set_tariff(connection, lot.id or 0, None, "EUR", "Europe/Berlin", lines, now, now)
    booking = (await reserve(desk, ReserveRequest("A 1", lot="here"))).reservation
    cashier = cashier_at(desk)
    clock.advance(20 * MINUTE)
    before = await quote_of(cashier, booking)
    await give_code(desk, Giving("half", booking))
    with pytest.raises(Problem) as refused:
        await pay(cashier, before, CASH)
    assert refused.value.type == "stale-quote"
    assert refused.value.extra["amountMinor"] == 50
    await give_code(desk, Giving("all", booking))
    assert await refusal(pay(cashier, refused.value.extra["quote"], CASH)) == "nothing-due"
    assert await paid_of(cashier, booking) == []


async def test_nothing_but_what_was_signed_here_is_a_quote(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    signed = await quote_of(cashier, reservation)
    body, mac = signed.split(".")
    chance = random.Random(1)
    forged = [body, f"{body}.", f".{mac}", signed[:-1], signed + "A", "x" * 5_000, "é" * 10, f"{mac}.{body}"]
    for _ in range(50):
        place = chance.randrange(len(signed))
        forged.append(signed[:place] + chance.choice("abcXYZ019-_") + signed[place + 1 :])
    for one in forged:
        if one != signed:
            assert await refusal(pay(cashier, one, CASH)) == "not-a-quote"
    other = replace(cashier, secrets=Secrets((b"z" * 32,)))
    assert await refusal(pay(other, signed, CASH)) == "not-a-quote"
    newer = replace(cashier, secrets=Secrets((b"z" * 32, b"k" * 32)))
    assert (await pay(newer, signed, CASH)).state == PaymentState.PAID


async def test_who_is_no_attendant_takes_no_cash_and_nobody_pays_in_beads(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    signed = await quote_of(cashier, reservation)
    assert await refusal(pay(cashier, signed, Order("cash"))) == "only-an-attendant"
    assert await refusal(pay(cashier, signed, Order("beads"))) == "no-such-method"


async def test_a_refund_is_given_once_and_never_more_than_was_paid(timed: Timed) -> None:
    _, clock = timed
    cashier, reservation = await booked(timed)
    clock.advance(100 * MINUTE)
    paid = await pay(cashier, await quote_of(cashier, reservation), CASH)
    assert paid.amount_minor == 400
    twice = [give_back(cashier, paid.id, 150, "too long a walk", "Ann", number=1) for _ in range(2)]
    done = await asyncio.gather(*twice)
    assert [(one.amount_minor, one.state) for one in done] == [(150, RefundState.DONE)] * 2
    many = [give_back(cashier, paid.id, 100, "again", "Ann", number=number) for number in range(2, 8)]
    told = await asyncio.gather(*many, return_exceptions=True)
    refused = [one.type for one in told if isinstance(one, Problem)]
    assert refused == ["not-so-much-left"] * 4
    for wrong in (0, -100, 51):
        assert await refusal(give_back(cashier, paid.id, wrong, "", "Ann", number=9)) == "not-so-much-left"
    found, _ = await quote_for(cashier, reservation)
    assert (found.settled_minor, found.fee.amount_minor) == (50, 350)
    await sums_to_zero(cashier)


async def test_a_refund_while_somebody_pays_leaves_one_story(timed: Timed) -> None:
    """Either the refund comes first, and the quote is stale, or it comes after, and both took place."""
    _, clock = timed
    cashier, reservation = await booked(timed)
    settled = 0
    for number in range(1, 7):
        clock.advance(31 * MINUTE)
        first = await pay(cashier, await quote_of(cashier, reservation), CASH)
        clock.advance(31 * MINUTE)
        signed = await quote_of(cashier, reservation)
        both = [
            pay(cashier, signed, CASH),
            give_back(cashier, first.id, 50, "sorry", "Ann", number=number),
        ]
        told = await asyncio.gather(*(both if number % 2 else reversed(both)), return_exceptions=True)
        refused = [one.type for one in told if isinstance(one, Problem)]
        assert refused in ([], ["stale-quote"], ["being-paid"])
        paid = await paid_of(cashier, reservation)
        settled = sum(one.amount_minor - one.refunded_minor for one in paid)
        found, _ = await quote_for(cashier, reservation)
        assert found.settled_minor == settled
    await sums_to_zero(cashier)


async def test_a_receipt_is_the_same_to_the_byte_and_names_no_plate(timed: Timed) -> None:
    desk, clock = timed
    cashier, reservation = await booked(timed)
    clock.advance(20 * MINUTE)
    paid = await pay(cashier, await quote_of(cashier, reservation), CASH)
    async with desk.database.look() as connection:
        first = await records.receipt_of(connection, paid.id)
    assert first is not None
    clock.advance(300 * MINUTE)
    await release(desk, reservation)
    await pay(cashier, await quote_of(cashier, reservation), CASH)
    await give_back(cashier, paid.id, 10, "sorry", "Ann", number=1)
    async with desk.database.look() as connection:
        again = await records.receipt_of(connection, paid.id)
    assert again is not None
    assert again.body.encode() == first.body.encode()
    told = json.loads(first.body)
    assert json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == first.body
    assert sum(line["amountMinor"] for line in told["bill"]["lines"]) == told["amountMinor"] == 100
    assert "A 1" not in first.body


async def test_what_is_only_added_to_is_changed_by_nobody(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    await pay(cashier, await quote_of(cashier, reservation), CASH)
    await seal(cashier.database)
    keys = {"ledger_entry": "id", "receipt": "number", "audit_entry": "id", "audit_seal": "number"}
    for table, key in keys.items():
        for act in (f"DELETE FROM {table}", f"UPDATE {table} SET {key} = 77"):
            with pytest.raises(DBAPIError):
                async with cashier.database.unit_of_work() as connection:
                    await connection.execute(text(act))


async def test_what_people_and_money_do_is_noted_and_sealed(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    paid = await pay(cashier, await quote_of(cashier, reservation), CASH)
    await give_back(cashier, paid.id, 40, "sorry", "Ann", number=1)
    assert await seal(cashier.database) == 4
    async with cashier.database.look() as connection:
        acts = (await connection.execute(select(AuditEntry.act).order_by(AuditEntry.id))).scalars().all()  # type: ignore[arg-type]
        verdict = await verify(connection)
    assert acts == ["pay", "paid", "refund", "refunded"]
    assert (verdict.sealed, verdict.unsealed, verdict.wrong) == (4, 0, ())


async def test_a_quote_and_its_payment_have_the_names_that_every_process_gives_them() -> None:
    assert quotes.payment_id("a", 1) == quotes.payment_id("a", 1) != quotes.payment_id("a", 2)


async def test_a_payment_without_its_ledger_is_never_seen(timed: Timed) -> None:
    cashier, reservation = await booked(timed)
    is_paid = records.PAYMENT.c.state == "paid"
    paid = select(func.count()).select_from(records.PAYMENT).where(is_paid).scalar_subquery()
    sides = select(func.count()).select_from(records.LEDGER).scalar_subquery()
    seen: list[tuple[int, int]] = []
    is_over = False

    async def look() -> None:
        while not is_over:
            async with cashier.database.look() as connection:
                row = (await connection.execute(select(paid, sides))).one()
                seen.append((row[0], row[1]))

    looking = asyncio.create_task(look())
    await pay(cashier, await quote_of(cashier, reservation), CASH)
    is_over = True
    await looking
    assert {2 * paid == sides for paid, sides in seen} == {True}
