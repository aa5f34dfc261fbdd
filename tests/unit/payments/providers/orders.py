"""Orders for the tests of providers."""

from datetime import UTC, datetime

from app.payments.providers.protocol import ChargeOrder, RefundOrder

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = "whsec_of_the_tests"
OLDER_SECRET = "whsec_of_the_day_before"


def ordered(
    payment: str = "p-1",
    means: str = "",
    amount_minor: int = 450,
    currency: str = "EUR",
    words: str = "Lotline P1",
    return_url: str = "https://parking.example/paid",
) -> ChargeOrder:
    return ChargeOrder(payment, amount_minor, currency, means, words, return_url)


def given_back(
    refund: str = "r-1",
    payment: str = "p-1",
    charge: str = "",
    amount_minor: int = 450,
    currency: str = "EUR",
) -> RefundOrder:
    return RefundOrder(refund, payment, charge, amount_minor, currency)
