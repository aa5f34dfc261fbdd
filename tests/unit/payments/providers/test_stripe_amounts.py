"""Amounts in Stripe's units and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import exponent
from app.payments.providers.refusals import OddAmount
from app.payments.providers.stripe_amounts import minor_amount, stripe_amount

CURRENCIES = "EUR USD GBP JPY KRW XOF CLP KWD BHD ISK UGX MGA HUF TWD".split()


@pytest.mark.parametrize(
    ("amount_minor", "currency", "amount"),
    [
        (450, "EUR", 450),
        (99, "USD", 99),
        # No decimals: as it is.
        (500, "JPY", 500),
        (1, "KRW", 1),
        # Three decimals, the last of which is 0.
        (5_120, "KWD", 5_120),
        (10, "OMR", 10),
        # Without a minor unit by ISO 4217, and in hundredths all the same.
        (5, "ISK", 500),
        (1_000, "UGX", 100_000),
        # With a minor unit by ISO 4217, and in whole units.
        (1_200, "MGA", 12),
        # Only payouts are in whole units.
        (1_045, "HUF", 1_045),
    ],
)
def test_stripe_counts_in_units_of_its_own(amount_minor: int, currency: str, amount: int) -> None:
    assert stripe_amount(amount_minor, currency) == amount
    assert minor_amount(amount, currency) == amount_minor


@pytest.mark.parametrize(
    ("amount_minor", "currency"),
    [(5_124, "KWD"), (1, "TND"), (1_250, "MGA"), (0, "EUR"), (-450, "EUR"), (0, "JPY")],
)
def test_an_amount_that_is_too_fine_is_refused_and_not_rounded(amount_minor: int, currency: str) -> None:
    with pytest.raises(OddAmount):
        stripe_amount(amount_minor, currency)


@pytest.mark.parametrize("currency", ["IQD", "LYD", "CLF", "UYW"])
def test_a_currency_that_stripe_does_not_take_is_refused_by_name(currency: str) -> None:
    with pytest.raises(OddAmount, match=currency):
        stripe_amount(1_000, currency)


@pytest.mark.parametrize("currency", ["", "eur", "EU", "EURO", "€€€", "EUR\n"])
def test_what_names_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(OddAmount):
        stripe_amount(450, currency)


@given(st.integers(1, 10**8), st.sampled_from(CURRENCIES))
def test_what_is_sent_is_worth_the_same_and_is_read_as_what_was_sent(
    amount_minor: int, currency: str
) -> None:
    try:
        amount = stripe_amount(amount_minor, currency)
    except OddAmount:
        assert currency in ("KWD", "BHD", "MGA")
        return
    assert minor_amount(amount, currency) == amount_minor
    digits = {"KWD": 3, "BHD": 3, "ISK": 2, "UGX": 2, "MGA": 0}.get(currency, exponent(currency))
    assert amount * 10 ** exponent(currency) == amount_minor * 10**digits


def test_an_answer_that_is_finer_than_the_minor_unit_is_refused() -> None:
    with pytest.raises(OddAmount):
        minor_amount(550, "ISK")
