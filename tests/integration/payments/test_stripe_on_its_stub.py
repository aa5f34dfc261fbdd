"""Stripe where it is asked twice, declines, wants the payer, or is not there."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
import structlog

from app.payments.providers.protocol import Charged, Fate, ProviderAway
from app.payments.providers.refusals import OddAmount, OtherCharge
from app.payments.providers.stripe import Stripe
from app.payments.providers.stripe_calls import CALLS_AT_ONCE
from tests.integration.payments.stripe_stub import (
    AT_BANK,
    GOOD,
    INSUFFICIENT,
    KEY,
    MISSING,
    PROCESSING,
    STOLEN,
    THREE_D,
    Fault,
    StripeStub,
    served,
)
from tests.unit.payments.providers.orders import SECRET, given_back, ordered

SOON_S = 0.6
Opened = Callable[..., Stripe]


@pytest.fixture
async def stub() -> AsyncIterator[StripeStub]:
    async with served() as stub:
        yield stub


@pytest.fixture
async def opened(stub: StripeStub) -> AsyncIterator[Opened]:
    """Makes a provider as another process would have it, that remembers nothing."""
    async with contextlib.AsyncExitStack() as stack:

        def open_one(total_s: float = 8.0, key: str = KEY) -> Stripe:
            one = Stripe(key, [SECRET], api_base=stub.url, total_s=total_s)
            stack.push_async_callback(one.aclose)
            return one

        yield open_one


@pytest.fixture
def provider(opened: Opened) -> Stripe:
    return opened()


async def test_an_intent_is_made_and_then_confirmed_with_the_card(stub: StripeStub, provider: Stripe) -> None:
    paid = await provider.charge(ordered(means=GOOD))
    assert (paid.fate, paid.amount_minor, paid.currency) == (Fate.PAID, 450, "EUR")
    made, confirmed = stub.seen
    assert made.key == "p-1"
    assert made.params == {
        "amount": "450",
        "currency": "eur",
        "allowed_payment_method_types[0]": "card",
        "metadata[payment]": "p-1",
        "description": "Lotline P1",
        "statement_descriptor_suffix": "Lotline P1",
    }
    assert confirmed.path == f"/v1/payment_intents/{paid.charge}/confirm"
    assert confirmed.params == {"payment_method": GOOD, "return_url": "https://parking.example/paid"}
    assert "x-stripe-client-telemetry" not in confirmed.headers


@pytest.mark.parametrize("again", ["here", "elsewhere"])
@pytest.mark.parametrize(
    ("means", "fate", "words"),
    [
        (GOOD, Fate.PAID, ""),
        (INSUFFICIENT, Fate.DECLINED, "not enough money"),
        (STOLEN, Fate.DECLINED, "was declined"),
        (THREE_D, Fate.WAITING, ""),
        (PROCESSING, Fate.WAITING, ""),
    ],
)
async def test_ordered_again_it_answers_alike_and_tries_no_card_twice(
    stub: StripeStub, opened: Opened, again: str, means: str, fate: Fate, words: str
) -> None:
    first = opened()
    charged = await first.charge(ordered(means=means))
    assert charged.fate is fate
    assert words in charged.reason
    other = first if again == "here" else opened()
    assert await other.charge(ordered(means=means)) == charged == await other.ask(ordered(means=means))
    assert stub.paths().count("POST confirm") == 1
    assert len(stub.intents) == 1


@pytest.mark.parametrize(("ok", "fate"), [(True, Fate.PAID), (False, Fate.DECLINED)])
async def test_a_payer_is_sent_to_the_bank(stub: StripeStub, provider: Stripe, ok: bool, fate: Fate) -> None:
    waiting = await provider.charge(ordered(means=THREE_D))
    assert (waiting.fate, waiting.next_url) == (Fate.WAITING, AT_BANK)
    stub.bank_says("p-1", ok)
    decided = await provider.ask(ordered(means=THREE_D))
    assert (decided.fate, decided.next_url) == (fate, "")
    assert await provider.charge(ordered(means=THREE_D)) == decided == await provider.cancel(ordered())


@pytest.mark.parametrize("path", ["payment_intents", "confirm"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("search_is_late", [False, True])
async def test_when_an_answer_is_lost_it_is_charged_once_all_the_same(
    stub: StripeStub, opened: Opened, path: str, after: bool, search_is_late: bool
) -> None:
    stub.search_is_late = search_is_late
    stub.faults.append(Fault(path, after=after))
    with pytest.raises(ProviderAway):
        await opened().charge(ordered(means=GOOD))
    is_charged = path == "confirm" and after
    assert (await opened().ask(ordered(means=GOOD))).fate is (Fate.PAID if is_charged else Fate.UNKNOWN)
    # Whoever asks begins none.
    assert stub.paid["p-1"] == is_charged
    assert (await opened().charge(ordered(means=GOOD))).fate is Fate.PAID
    assert stub.paid["p-1"] == 1


async def test_after_a_day_a_payment_is_found_by_search(stub: StripeStub, opened: Opened) -> None:
    paid = await opened().charge(ordered(means=GOOD))
    stub.a_day_passes()
    assert await opened().ask(ordered(means=GOOD)) == paid
    assert await opened().cancel(ordered(means=GOOD)) == paid
    assert len(stub.intents) == 1


async def test_without_search_a_payment_is_found_by_its_key(stub: StripeStub, opened: Opened) -> None:
    stub.has_search = False
    paid = await opened().charge(ordered(means=GOOD))
    assert await opened().ask(ordered(means=GOOD)) == paid


async def test_of_several_intents_the_one_that_was_paid_is_meant(stub: StripeStub, opened: Opened) -> None:
    await opened().charge(ordered(means=INSUFFICIENT))
    stub.kept.clear()
    paid = await opened().charge(ordered(means=GOOD))
    await opened().charge(ordered("p-2", means=GOOD))
    stub.a_day_passes()
    assert await opened().ask(ordered()) == paid


async def test_other_words_are_no_other_payment(stub: StripeStub, opened: Opened) -> None:
    paid = await opened().charge(ordered(means=GOOD))
    renamed = ordered(means=GOOD, words="Lotline P2")
    with pytest.raises(ProviderAway, match="yet"):
        await opened().charge(renamed)
    stub.search_is_late = False
    assert await opened().charge(renamed) == paid
    assert await opened().ask(renamed) == paid


async def test_one_identifier_stands_for_one_amount(stub: StripeStub, opened: Opened) -> None:
    here = opened()
    await here.charge(ordered(means=GOOD))
    stub.search_is_late = False
    for one in (here, opened()):
        for other in (ordered(means=GOOD, amount_minor=451), ordered(means=GOOD, currency="USD")):
            for call in (one.charge, one.ask, one.cancel):
                with pytest.raises(OtherCharge):
                    await call(other)
    assert stub.paid == {"p-1": 1}


async def test_a_card_that_can_not_be_used_is_declined(stub: StripeStub, provider: Stripe) -> None:
    declined = await provider.charge(ordered(means=MISSING))
    assert (declined.fate, declined.amount_minor) == (Fate.DECLINED, 450)
    assert "enter them again" in declined.reason
    assert (await provider.ask(ordered(means=MISSING))).fate is Fate.UNKNOWN


async def test_an_amount_that_stripe_does_not_take_is_declined(stub: StripeStub, provider: Stripe) -> None:
    small = ordered(means=GOOD, amount_minor=49)
    declined = await provider.charge(small)
    assert (declined.fate, declined.reason) == (Fate.DECLINED, "The amount is too small to be paid by card")
    assert await provider.ask(small) == Charged(Fate.UNKNOWN)
    assert await provider.cancel(small) == Charged(Fate.CANCELLED)


async def test_an_amount_that_is_too_fine_is_not_even_asked_for(stub: StripeStub, provider: Stripe) -> None:
    odd = ordered(means=GOOD, amount_minor=5_124, currency="KWD")
    for call in (provider.charge, provider.ask, provider.cancel):
        with pytest.raises(OddAmount):
            await call(odd)
    with pytest.raises(OddAmount):
        await provider.refund(given_back(charge="pi_1", amount_minor=5_124, currency="KWD"))
    assert not stub.intents


@pytest.mark.parametrize("means", ["", "Card", "0" * 16, "pm_", "pm_x\n", "tok_visa", "pm_" + "x" * 500])
async def test_what_is_no_token_is_not_even_sent(stub: StripeStub, provider: Stripe, means: str) -> None:
    assert (await provider.charge(ordered(means=means))).fate is Fate.DECLINED
    assert stub.seen == []


async def test_amounts_are_in_stripes_units(stub: StripeStub, provider: Stripe) -> None:
    paid = await provider.charge(ordered(means=GOOD, amount_minor=700, currency="ISK"))
    assert (paid.amount_minor, paid.currency) == (700, "ISK")
    assert stub.intents[paid.charge]["amount"] == 70_000
    await provider.refund(given_back(charge=paid.charge, amount_minor=300, currency="ISK"))
    assert stub.refunds[0]["amount"] == 30_000


@pytest.mark.parametrize("means", [GOOD, THREE_D])
async def test_what_waits_can_be_cancelled_and_is_never_charged_then(
    stub: StripeStub, opened: Opened, means: str
) -> None:
    """Also what has not yet arrived."""
    here = opened()
    if means == THREE_D:
        await here.charge(ordered(means=means))
    cancelled = await here.cancel(ordered(means=means))
    assert cancelled.fate is Fate.CANCELLED
    assert await here.cancel(ordered(means=means)) == cancelled
    assert await here.charge(ordered(means=means)) == cancelled
    assert await opened().charge(ordered(means=means)) == cancelled
    assert not stub.paid


async def test_what_stripe_works_on_can_not_be_cancelled(stub: StripeStub, provider: Stripe) -> None:
    await provider.charge(ordered(means=PROCESSING))
    assert (await provider.cancel(ordered())).fate is Fate.WAITING
    stub.bank_says("p-1", True)
    assert (await provider.cancel(ordered())).fate is Fate.PAID


async def test_a_declined_charge_stays_declined_when_it_is_cancelled(
    stub: StripeStub, provider: Stripe
) -> None:
    declined = await provider.charge(ordered(means=STOLEN))
    assert await provider.cancel(ordered()) == declined
    assert "POST cancel" not in stub.paths()


async def test_a_refund_is_made_once_also_after_a_day(stub: StripeStub, opened: Opened) -> None:
    paid = await opened().charge(ordered(means=GOOD))
    part = given_back(charge=paid.charge, amount_minor=300)
    stub.faults.append(Fault("refunds"))
    with pytest.raises(ProviderAway):
        await opened().refund(part)
    back = await opened().refund(part)
    assert back.fate is Fate.PAID
    stub.a_day_passes()
    assert await opened().refund(part) == back
    assert [one["amount"] for one in stub.refunds] == [300]
    with pytest.raises(OtherCharge):
        await opened().refund(replace(part, amount_minor=100))


async def test_when_the_answer_to_a_refund_is_lost_it_is_made_once(stub: StripeStub, opened: Opened) -> None:
    paid = await opened().charge(ordered(means=GOOD))
    part = given_back(charge=paid.charge, amount_minor=300)
    stub.faults.append(Fault("refunds", after=True, method="POST"))
    with pytest.raises(ProviderAway):
        await opened().refund(part)
    assert (await opened().refund(part)).fate is Fate.PAID
    assert [one["amount"] for one in stub.refunds] == [300]


async def test_many_that_give_back_the_same_at_once_give_it_back_once(
    stub: StripeStub, opened: Opened
) -> None:
    """None of them finds it in the list."""
    paid = await opened().charge(ordered(means=GOOD))
    empty = b'{"object":"list","data":[]}'
    stub.faults += [Fault("refunds", 200, body=empty, method="GET") for _ in range(5)]
    part = given_back(charge=paid.charge, amount_minor=50)
    ended = [await opened().refund(part) for _ in range(5)]
    assert len({(one.fate, one.refund) for one in ended}) == 1
    assert {one.key for one in stub.seen[2:] if one.method == "POST"} == {"r-1"}
    assert [one["amount"] for one in stub.refunds] == [50]


async def test_no_more_is_given_back_than_was_paid(stub: StripeStub, provider: Stripe) -> None:
    paid = await provider.charge(ordered(means=GOOD))
    await provider.refund(given_back(charge=paid.charge, amount_minor=300))
    too_much = await provider.refund(given_back("r-2", charge=paid.charge, amount_minor=151))
    assert (too_much.fate, too_much.reason) == (Fate.DECLINED, "It can't be given back to the card")


async def test_a_charge_whose_name_is_not_known_is_found_to_be_given_back(
    stub: StripeStub, opened: Opened
) -> None:
    await opened().charge(ordered(means=GOOD))
    with pytest.raises(ProviderAway, match="not yet"):
        await opened().refund(given_back(amount_minor=300))
    stub.search_is_late = False
    assert (await opened().refund(given_back(amount_minor=300))).fate is Fate.PAID


@pytest.mark.parametrize(
    "fault",
    [
        Fault("payment_intents"),
        Fault("payment_intents", 500),
        Fault("payment_intents", 502, body=b"<html>Bad Gateway</html>"),
        Fault("payment_intents", 503),
        Fault("payment_intents", 429),
        Fault("payment_intents", 409),
        Fault("payment_intents", 403),
        Fault("payment_intents", 200, body=b""),
        Fault("payment_intents", 200, body=b"<html>Welcome to this hotel</html>"),
        Fault("payment_intents", 200, body=b"{}"),
        Fault("payment_intents", 200, body=b'{"object":"payment_intent","id":"pi_1"}'),
        Fault("confirm", 500),
        Fault("confirm", 429),
        Fault("confirm", 200, body=b'{"id":"pi_1","status":7}'),
        Fault("confirm", 402, body=b"{}"),
        Fault("confirm", 400, body=b"[]"),
    ],
    ids=lambda fault: f"{fault.path} {fault.status} {(fault.body or b'')[:12]!r}",
)
async def test_what_is_no_answer_is_a_provider_that_is_away_and_nothing_is_repeated(
    stub: StripeStub, provider: Stripe, fault: Fault
) -> None:
    stub.faults.append(replace(fault))
    with pytest.raises(ProviderAway):
        await provider.charge(ordered(means=GOOD))
    assert len(stub.seen) == (1 if fault.path == "payment_intents" else 2)
    assert (await provider.charge(ordered(means=GOOD))).fate is Fate.PAID
    assert stub.paid["p-1"] == 1


async def test_what_went_wrong_at_stripe_under_a_key_does_so_for_a_day(
    stub: StripeStub, opened: Opened
) -> None:
    """It repeats its own faults, too. Nothing is charged meanwhile: that would take another request."""
    stub.faults.append(Fault("payment_intents", 500, is_kept=True))
    for _ in range(2):
        for call in (opened().charge, opened().ask, opened().cancel):
            with pytest.raises(ProviderAway):
                await call(ordered(means=GOOD))
    stub.a_day_passes()
    assert (await opened().ask(ordered(means=GOOD))).fate is Fate.UNKNOWN
    assert (await opened().charge(ordered(means=GOOD))).fate is Fate.PAID


async def test_a_key_that_is_refused_is_a_provider_that_is_away(stub: StripeStub, opened: Opened) -> None:
    with pytest.raises(ProviderAway):
        await opened(key="sk_test_of_nobody").charge(ordered(means=GOOD))


async def test_where_nobody_listens_it_is_away_at_once() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        provider = Stripe(KEY, [SECRET], api_base=f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(ProviderAway):
            await provider.charge(ordered(means=GOOD))
        await provider.aclose()


@pytest.mark.parametrize("status", [-1, -2], ids=["silent", "a byte now and then"])
@pytest.mark.parametrize("path", ["payment_intents", "confirm"])
async def test_who_does_not_answer_in_time_is_away(
    stub: StripeStub, opened: Opened, path: str, status: int
) -> None:
    stub.faults.append(Fault(path, status))
    provider = opened(SOON_S)
    began_s = time.monotonic()
    with pytest.raises(ProviderAway, match=r"in time|ConnectionError"):
        await provider.charge(ordered(means=GOOD))
    assert SOON_S / 2 < time.monotonic() - began_s < SOON_S * 3
    assert (await provider.charge(ordered(means=GOOD))).fate is Fate.PAID


async def test_a_call_of_several_requests_has_one_time_limit(stub: StripeStub, opened: Opened) -> None:
    stub.delay_s = SOON_S * 0.7
    with pytest.raises(ProviderAway, match="in time"):
        await opened(SOON_S).charge(ordered(means=GOOD))
    assert len(stub.seen) == 2


async def test_a_provider_that_hangs_holds_so_many_requests_and_no_more(
    stub: StripeStub, opened: Opened
) -> None:
    more = 5
    stub.faults += [Fault("payment_intents", -1) for _ in range(CALLS_AT_ONCE + more)]
    provider = opened(SOON_S)
    calls = [provider.charge(ordered(f"p-{number}", GOOD)) for number in range(CALLS_AT_ONCE + more)]
    waiting = asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(SOON_S / 2)
    assert len(stub.seen) == CALLS_AT_ONCE
    assert {type(one) for one in await waiting} == {ProviderAway}


async def test_many_that_order_the_same_at_once_charge_it_once(stub: StripeStub, opened: Opened) -> None:
    stub.delay_s = 0.01
    calls = [opened().charge(ordered(means=GOOD)) for _ in range(5)]
    ended = await asyncio.gather(*calls)
    assert {one.fate for one in ended} == {Fate.PAID}
    assert len({one.charge for one in ended}) == 1
    assert stub.paid["p-1"] == 1


async def test_nothing_secret_is_logged_or_said(
    stub: StripeStub, opened: Opened, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    stub.faults += [
        Fault("payment_intents", 500, body=f'["{KEY}"]'.encode()),
        Fault("confirm", 502, body=f"<html>{INSUFFICIENT}</html>".encode()),
    ]
    attempts = ((KEY, GOOD), (KEY, INSUFFICIENT), (KEY, MISSING), (KEY, STOLEN), ("sk_test_other", GOOD))
    with structlog.testing.capture_logs() as logged:
        for number, (key, means) in enumerate(attempts):
            try:
                await opened(key=key).charge(ordered(f"p-{number}", means))
            except ProviderAway as away:
                assert away.__suppress_context__
                said.append(str(away))
    told = "\n".join([*said, str(logged), caplog.text, *capfd.readouterr()])
    assert len(said) == 3
    assert "stripe.key_refused" in told
    assert "resource_missing" in told
    for secret in (KEY, "sk_test_other", SECRET, "pm_"):
        assert secret not in told
