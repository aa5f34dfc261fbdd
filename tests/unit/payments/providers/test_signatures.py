"""Webhooks that were not sent, or not just now, by whom they say."""

from datetime import timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from app.payments.providers.protocol import BadWebhook
from app.payments.providers.signatures import WINDOW_S, check, secrets_of, signature
from tests.unit.payments.providers.orders import NOON, OLDER_SECRET, SECRET

HEADER = "Stripe-Signature"
BODY = b'{"id":"evt_1","amount":450,"words":"G\xc3\xbcnther"}'
SECRETS = (SECRET, OLDER_SECRET)

instants = st.datetimes(timezones=st.just(NOON.tzinfo)).filter(lambda instant: instant.year > 1970)
texts = st.text(min_size=1).filter(str.strip)


def checks(header: str, body: bytes = BODY, after_s: float = 0, name: str = HEADER) -> None:
    check({name: header}, HEADER, body, SECRETS, NOON + timedelta(seconds=after_s))


@given(st.binary(), texts, instants)
def test_what_is_signed_is_believed(body: bytes, secret: str, now: object) -> None:
    check({HEADER: signature(secret, body, now)}, HEADER, body, [secret], now)  # type: ignore[arg-type]


@given(st.text(), st.integers(1, 10**10))
def test_it_is_the_signature_that_stripes_own_library_makes(body: str, second: int) -> None:
    theirs = stripe.WebhookSignature.generate_signature_header(body, SECRET, second)
    now = NOON.fromtimestamp(second, NOON.tzinfo)
    assert signature(SECRET, body.encode(), now) == theirs
    check({HEADER: theirs}, HEADER, body.encode(), SECRETS, now)


@given(st.data())
def test_no_bit_of_the_body_may_differ(data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(BODY) * 8 - 1))
    forged = bytearray(BODY)
    forged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadWebhook):
        checks(signature(SECRET, BODY, NOON), bytes(forged))


@given(st.data())
def test_no_bit_of_the_signature_may_differ(data: st.DataObject) -> None:
    signed = signature(SECRET, BODY, NOON)
    raw = bytearray(signed.encode())
    bit = data.draw(st.integers(0, len(raw) * 7 - 1))
    raw[bit // 7] ^= 1 << bit % 7
    with pytest.raises(BadWebhook):
        checks(raw.decode())


@given(st.text() | st.from_regex(r"(t=[0-9]{0,13},?|v1=[0-9a-f]{0,64},?|v0=x,?)*", fullmatch=True))
def test_nothing_made_up_is_believed(header: str) -> None:
    with pytest.raises(BadWebhook):
        checks(header)


@pytest.mark.parametrize("after_s", [-WINDOW_S, -1, 0, 1, WINDOW_S])
def test_it_may_be_on_its_way_for_five_minutes_by_either_clock(after_s: int) -> None:
    checks(signature(SECRET, BODY, NOON), after_s=after_s)


@pytest.mark.parametrize("after_s", [-86_400, -WINDOW_S - 1, WINDOW_S + 1, 86_400])
def test_a_recording_is_not_believed_later_nor_one_from_the_future(after_s: int) -> None:
    with pytest.raises(BadWebhook, match="not signed just now"):
        checks(signature(SECRET, BODY, NOON), after_s=after_s)


def test_a_recording_can_not_be_given_another_instant() -> None:
    _, _, mac = signature(SECRET, BODY, NOON).partition(",")
    later = NOON + timedelta(hours=1)
    with pytest.raises(BadWebhook, match="another body"):
        checks(f"t={int(later.timestamp())},{mac}", after_s=3_600)


def test_while_secrets_are_changed_both_are_good_and_others_are_not() -> None:
    checks(signature(OLDER_SECRET, BODY, NOON))
    _, _, by_another = signature("whsec_of_nobody", BODY, NOON).partition(",")
    _, _, by_older = signature(OLDER_SECRET, BODY, NOON).partition(",")
    # The sender signs with each that it holds.
    checks(f"t={int(NOON.timestamp())},{by_another},{by_older},v0=ff")
    with pytest.raises(BadWebhook):
        checks(f"t={int(NOON.timestamp())},{by_another}")
    with pytest.raises(BadWebhook):
        check({HEADER: signature(OLDER_SECRET, BODY, NOON)}, HEADER, BODY, [SECRET], NOON)


def test_it_is_found_whatever_the_case_of_the_headers_name() -> None:
    checks(signature(SECRET, BODY, NOON), name="stripe-signature")


def test_none_and_two_signatures_are_refused() -> None:
    signed = signature(SECRET, BODY, NOON)
    for headers in ({}, {"Stripe-Signature": signed, "stripe-signature": signed}):
        with pytest.raises(BadWebhook):
            check(headers, HEADER, BODY, SECRETS, NOON)


@pytest.mark.parametrize("seconds", ["1²", "１２３", "1_000", " 1", "-1", "+1", "1e3", "9" * 400])
def test_an_instant_is_written_in_plain_digits(seconds: str) -> None:
    with pytest.raises(BadWebhook):
        checks(f"t={seconds},v1=00")


def test_without_secrets_nothing_is_believed() -> None:
    with pytest.raises(BadWebhook):
        check({HEADER: signature("", BODY, NOON)}, HEADER, BODY, secrets_of([]), NOON)


@pytest.mark.parametrize("given", [[SECRET, ""], [" " * 20], ["whsec_short"], SECRET])
def test_a_secret_that_can_be_guessed_is_none(given: list[str] | str) -> None:
    with pytest.raises(ValueError, match="less than 16"):
        secrets_of(given)
