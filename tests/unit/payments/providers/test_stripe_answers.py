"""What Stripe says, read without Stripe: statuses, declines and events."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.payments.providers.protocol import BadWebhook, Charged, Event, Fate, Provider
from app.payments.providers.signatures import WINDOW_S, signature
from app.payments.providers.stripe import SIGNATURE_HEADER, Stripe, on_statement
from app.payments.providers.stripe_answers import GivenBack, Intent
from tests.unit.payments.providers.orders import NOON, OLDER_SECRET, SECRET

STRIPE = Stripe("sk_test_none", [SECRET, OLDER_SECRET])
AT_BANK = "https://hooks.stripe.example/3d"


def intent(**facts: Any) -> dict[str, Any]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 450,
        "amount_received": 450 if facts.get("status", "succeeded") == "succeeded" else 0,
        "currency": "eur",
        "metadata": {"payment": "p-1"},
        "last_payment_error": None,
        "next_action": None,
    } | facts


def told(
    kind: str, about: Any, event: str = "evt_1", secret: str = SECRET, after_s: float = 0
) -> Event | None:
    body = json.dumps({"id": event, "object": "event", "type": kind, "data": {"object": about}}).encode()
    headers = {SIGNATURE_HEADER: signature(secret, body, NOON)}
    return STRIPE.read_webhook(headers, body, NOON + timedelta(seconds=after_s))


def test_it_is_a_provider() -> None:
    provider: Provider = STRIPE
    assert (provider.name, provider.by_attendant, dict(provider.means)) == ("stripe", False, {"card": "Card"})


@pytest.mark.parametrize(
    ("facts", "charged"),
    [
        ({}, Charged(Fate.PAID, "pi_1", "", "", 450, "EUR")),
        ({"status": "canceled"}, Charged(Fate.CANCELLED, "pi_1", "", "", 450, "EUR")),
        ({"status": "processing"}, Charged(Fate.WAITING, "pi_1", "", "", 450, "EUR")),
        ({"status": "requires_capture"}, Charged(Fate.WAITING, "pi_1", "", "", 450, "EUR")),
        ({"status": "a_word_of_tomorrow"}, Charged(Fate.WAITING, "pi_1", "", "", 450, "EUR")),
        ({"status": "requires_confirmation"}, Charged(Fate.UNKNOWN, "pi_1", "", "", 450, "EUR")),
        ({"status": "requires_payment_method"}, Charged(Fate.UNKNOWN, "pi_1", "", "", 450, "EUR")),
        (
            {"status": "requires_action", "next_action": {"redirect_to_url": {"url": AT_BANK}}},
            Charged(Fate.WAITING, "pi_1", "", AT_BANK, 450, "EUR"),
        ),
        (
            {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}},
            Charged(Fate.WAITING, "pi_1", "", "", 450, "EUR"),
        ),
        ({"currency": "jpy"}, Charged(Fate.PAID, "pi_1", "", "", 450, "JPY")),
        (
            {"currency": "isk", "amount": 45_000, "amount_received": 45_000},
            Charged(Fate.PAID, "pi_1", "", "", 450, "ISK"),
        ),
        # What arrived is what was paid, so that a difference is seen.
        ({"amount_received": 449}, Charged(Fate.PAID, "pi_1", "", "", 449, "EUR")),
    ],
)
def test_a_status_is_a_fate(facts: dict[str, Any], charged: Charged) -> None:
    assert Intent.model_validate(intent(**facts)).charged() == charged


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, "not enough money"),
        ({"code": "expired_card"}, "expired"),
        ({"code": "incorrect_cvc"}, "security code"),
        ({"code": "payment_intent_authentication_failure"}, "bank did not confirm"),
        ({"code": "card_declined", "decline_code": "stolen_card"}, "The card was declined"),
        ({"code": "card_declined", "decline_code": "fraudulent"}, "The card was declined"),
        ({"code": None}, "The card was declined"),
        ({}, "The card was declined"),
    ],
)
def test_a_decline_has_plain_words_and_gives_no_suspicion_away(error: dict[str, Any], words: str) -> None:
    declined = intent(status="requires_payment_method", last_payment_error=error)
    found = Intent.model_validate(declined).charged()
    assert found.fate is Fate.DECLINED
    assert words in found.reason


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        ("succeeded", Fate.PAID),
        ("failed", Fate.DECLINED),
        ("canceled", Fate.DECLINED),
        ("pending", Fate.WAITING),
        ("requires_action", Fate.WAITING),
    ],
)
def test_a_refund_has_a_fate(status: str, fate: Fate) -> None:
    back = GivenBack.model_validate(
        {"id": "re_1", "status": status, "amount": 450, "metadata": {}}
    ).refunded()
    assert (back.fate, back.refund, bool(back.reason)) == (fate, "re_1", fate is Fate.DECLINED)


@pytest.mark.parametrize(
    ("kind", "status", "fate"),
    [
        ("payment_intent.succeeded", "succeeded", Fate.PAID),
        ("payment_intent.payment_failed", "requires_payment_method", Fate.DECLINED),
        ("payment_intent.canceled", "canceled", Fate.CANCELLED),
        ("payment_intent.processing", "processing", Fate.WAITING),
    ],
)
def test_an_event_tells_of_a_payment_with_its_amount(kind: str, status: str, fate: Fate) -> None:
    event = told(kind, intent(status=status), event="evt_7")
    assert event is not None
    assert (event.event, event.payment) == ("evt_7", "p-1")
    assert (event.charged.fate, event.charged.charge) == (fate, "pi_1")
    assert (event.charged.amount_minor, event.charged.currency) == (450, "EUR")
    assert bool(event.charged.reason) == (fate is Fate.DECLINED)


@pytest.mark.parametrize("kind", ["charge.refunded", "payment_intent.created", "customer.created"])
def test_other_events_are_of_no_interest(kind: str) -> None:
    assert told(kind, {"id": "any"}) is None


@pytest.mark.parametrize("metadata", [{}, {"order": "7"}, {"payment": ""}])
def test_payments_of_another_shop_are_of_no_interest(metadata: dict[str, str]) -> None:
    assert told("payment_intent.succeeded", intent(metadata=metadata)) is None


def test_events_may_come_twice_and_in_any_order_and_say_the_same() -> None:
    late = told("payment_intent.processing", intent(status="processing"), event="evt_1")
    paid = told("payment_intent.succeeded", intent(), event="evt_2")
    assert paid == told("payment_intent.succeeded", intent(), event="evt_2")
    assert late == told("payment_intent.processing", intent(status="processing"), event="evt_1")
    assert paid is not None
    assert late is not None
    assert paid.event != late.event


def test_either_secret_is_good_and_a_recording_is_not() -> None:
    assert told("payment_intent.succeeded", intent(), secret=OLDER_SECRET) is not None
    with pytest.raises(BadWebhook):
        told("payment_intent.succeeded", intent(), secret="whsec_of_nobody")
    with pytest.raises(BadWebhook):
        told("payment_intent.succeeded", intent(), after_s=WINDOW_S + 1)


@pytest.mark.parametrize(
    "about",
    [None, [], "pi_1", {}, intent(amount="much"), intent(currency="euros"), intent(metadata=None)],
)
def test_a_signed_event_that_can_not_be_read_is_refused(about: Any) -> None:
    with pytest.raises(BadWebhook):
        told("payment_intent.succeeded", about)


@given(st.binary())
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(BadWebhook):
        STRIPE.read_webhook({SIGNATURE_HEADER: signature(SECRET, body, NOON)}, body, NOON)


def test_what_can_not_be_read_is_said_without_what_was_read() -> None:
    with pytest.raises(BadWebhook) as refused:
        told("payment_intent.succeeded", {"id": "pi_secret"})
    assert "pi_secret" not in str(refused.value)
    assert refused.value.__suppress_context__
    assert isinstance(refused.value.__context__, ValidationError)


@pytest.mark.parametrize(
    ("words", "suffix"),
    [
        ("Lotline P1", "Lotline P1"),
        ("Parkhaus Süd", "Parkhaus S"),
        ("Été <1>", "Ete 1"),
        ('O\'Hare * \\ "x"', "O Hare x"),
        ("駐車場", ""),
        ("駐車場 P2", "P2"),
        ("2026-03-02 12:00", ""),
        ("", ""),
    ],
)
def test_what_fits_on_a_statement_is_what_stripe_takes(words: str, suffix: str) -> None:
    assert on_statement(words) == suffix


@given(st.text())
def test_whatever_the_words_stripe_takes_what_is_left(words: str) -> None:
    suffix = on_statement(words)
    assert len(suffix) <= 10
    assert suffix.isascii()
    assert not set(suffix) & set("<>\\'\"*")
    assert not suffix or any(one.isalpha() for one in suffix)
