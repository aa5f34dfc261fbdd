"""Cash or a terminal, taken by an attendant: whoever presses the button has the money."""

from collections.abc import Mapping
from datetime import datetime

from app.core.languages import sentence
from app.payments.providers.protocol import (
    BadWebhook,
    Charged,
    ChargeOrder,
    Event,
    Fate,
    Refunded,
    RefundOrder,
)


class Desk:
    """The default: it needs nothing but a person."""

    name = "desk"
    means: Mapping[str, str] = {"cash": sentence("Cash"), "terminal": sentence("Card terminal")}
    by_attendant = True
    needs_payer: frozenset[str] = frozenset()

    async def charge(self, order: ChargeOrder) -> Charged:
        return Charged(
            Fate.PAID, charge=order.payment, amount_minor=order.amount_minor, currency=order.currency
        )

    async def ask(self, order: ChargeOrder) -> Charged:
        # An attendant's word is written with the payment itself: one that nobody has heard of was not taken.
        return Charged(Fate.UNKNOWN)

    async def cancel(self, order: ChargeOrder) -> Charged:
        return Charged(Fate.CANCELLED)

    async def refund(self, order: RefundOrder) -> Refunded:
        return Refunded(Fate.PAID, refund=order.refund)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event | None:
        raise BadWebhook("a desk sends none")

    async def aclose(self) -> None:
        """It has no connections."""
