"""Amounts as Stripe counts them, which is not always in the minor units of ISO 4217.

The rule is that of https://docs.stripe.com/currencies: most currencies in hundredths; some in whole units;
some in thousandths of which the last digit must be 0; and two that have no minor unit any more in hundredths
all the same, "to maintain backwards compatibility".
"""

import re

from app.core.money import exponent
from app.payments.providers.refusals import OddAmount

_WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
_THOUSANDTHS = frozenset("BHD JOD KWD OMR TND".split())
_POWERS = (1, 10, 100, 1_000)
_CODE = re.compile(r"[A-Z]{3}")


def stripe_amount(amount_minor: int, currency: str) -> int:
    """``amount_minor`` of ISO 4217 in Stripe's units.

    OddAmount where that is not exactly possible: nothing is rounded, since the receipt would say otherwise.
    """
    if amount_minor <= 0:
        raise OddAmount("nothing, or less, can't be charged or given back")
    times, parts = _factors(currency)
    amount, rest = divmod(amount_minor * times, parts)
    if rest or (currency in _THOUSANDTHS and amount % 10):
        raise OddAmount(f"Stripe takes no amount of {currency} as fine as this one")
    return amount


def minor_amount(amount: int, currency: str) -> int:
    """Stripe's ``amount`` in minor units of ISO 4217. OddAmount where that is not exactly possible."""
    times, parts = _factors(currency)
    amount_minor, rest = divmod(amount * parts, times)
    if rest:
        raise OddAmount(f"an amount of {currency} is finer than its minor unit")
    return amount_minor


def _factors(currency: str) -> tuple[int, int]:
    """How many of Stripe's units are how many minor units of ISO 4217; one of both is 1."""
    if not _CODE.fullmatch(currency):
        raise OddAmount("a currency is named by three capital letters")
    digits = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    shift = digits - exponent(currency)
    if exponent(currency) > digits and currency not in _WHOLE:
        raise OddAmount(f"Stripe does not take {currency}")
    return _POWERS[max(shift, 0)], _POWERS[max(-shift, 0)]
