"""What there is to pay for: facts of a booking, handed in by whoever knows bookings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.payments.fees import Fee, FeeLine, Stay, dearer_from, fee_of_what_is_covered
from app.payments.tariffs.lines import Tariff

# A quote holds for as long as its price does, within these.
HOLDS_AT_LEAST = timedelta(minutes=1)
HOLDS_AT_MOST = timedelta(minutes=15)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Bill:
    """A booking as it is billed. ``fixed``: its fee, once it has ended; till then ``stay`` ends now."""

    reservation: str
    lot_id: int
    lot: str
    lot_name: str
    lot_address: str
    slot: str
    slot_name: str
    area: str
    tariff: Tariff
    stay: Stay
    fixed: Fee | None = None

    @property
    def currency(self) -> str:
        return self.tariff.currency if self.fixed is None else self.fixed.currency

    def fee_until(self, end: datetime) -> Fee:
        """What it costs if it ends then; once it has ended, what it cost."""
        return self.fixed or fee_of_what_is_covered(self.tariff, replace(self.stay, end=end))

    def price_holds_until(self, now: datetime) -> datetime:
        """Until when leaving costs what it does now; or what it soon does, where that is in a moment."""
        if self.fixed is not None:
            return now + HOLDS_AT_MOST
        at = now
        for _ in range(3):
            found = dearer_from(self.tariff, replace(self.stay, end=at), HOLDS_AT_MOST, SECOND)
            if found is None:
                break
            if found[0] - now >= HOLDS_AT_LEAST:
                return min(found[0], now + HOLDS_AT_MOST)
            at = found[0] + SECOND
        else:
            # By the second, or so: who pays has a minute all the same.
            return now + HOLDS_AT_LEAST
        return now + HOLDS_AT_MOST


ReadBill = Callable[[AsyncConnection, str, datetime], Awaitable[Bill | None]]


def with_paid_before(fee: Fee, paid_minor: int, times: int) -> Fee:
    """What is left to pay of a fee; its lines say what was paid before."""
    left_minor = max(0, fee.amount_minor - paid_minor)
    if not paid_minor:
        return fee
    paid = FeeLine("paid before", max(1, times), "payment", left_minor - fee.amount_minor)
    return Fee(left_minor, fee.currency, (*fee.lines, paid))
