"""Money: an integer of minor units with an ISO 4217 code."""

from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_currency

from app.core.languages import locale

# Minor units per ISO 4217; every code that is not here has two.
_EXPONENTS = {
    **dict.fromkeys(("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF").split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def exponent(currency: str) -> int:
    """How many digits of ``currency`` stand after the point (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True)
class Money:
    """An amount in minor units of ``currency``."""

    amount_minor: int
    currency: str

    @property
    def major(self) -> str:
        """The amount in major units as a plain decimal string, ``"4.80"``."""
        return str(Decimal(self.amount_minor).scaleb(-exponent(self.currency)))

    def text(self) -> str:
        """The amount as the reader writes it: ``"$4.80"``, ``"4,80\xa0$"``."""
        return str(format_currency(Decimal(self.major), self.currency, locale=locale()))

    def __str__(self) -> str:
        return self.text()
