"""What the page of money at the desk is given: texts in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from app.attendant.slot_views import Take
from app.payments.wording import ToGive


def money_url(lot_code: str = "", **said: str) -> str:
    """What is unpaid and to be given back, of all lots or of one."""
    fields = urlencode({name: text for name, text in {"lot": lot_code, **said}.items() if text})
    return f"/attendant/money?{fields}" if fields else "/attendant/money"


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment of today. `by` took it, empty where the driver paid by card; `undo` is its number while who
    took it may say that they did not, else empty."""

    when: str
    slot: str
    amount: str
    means: str
    by: str
    state: str
    receipt_url: str = ""
    undo: str = ""


@dataclass(frozen=True, slots=True)
class OwedRow:
    """A booking that has ended and is not paid; `id` is the booking's number."""

    id: str
    plate: str
    slot: str
    left: str
    take: Take


@dataclass(frozen=True, slots=True)
class LotMoney:
    """A lot with how many left it without paying in the last day."""

    code: str
    name: str
    unpaid: int

    @property
    def url(self) -> str:
        return money_url(self.code)


@dataclass(frozen=True, slots=True)
class MoneyPage:
    """`attendant/money.html`: what is to be given back, of all lots or of `lot`, whose payments follow.

    `sums` are what the lot took today and kept, by till: words and amount. `desk_url` leads to the lot.
    """

    attendant: str
    is_operator: bool
    lot: str
    lot_code: str
    lots: tuple[LotMoney, ...]
    today: str
    to_give: tuple[ToGive, ...]
    payments: tuple[PaymentRow, ...]
    sums: tuple[tuple[str, str], ...] = ()
    desk_url: str = ""
    has_more: bool = False
    notice: str = ""
    refused: str = ""
    # Of the lot: what was not paid when it ended, the last day's, of plates that hold `typed`.
    owed: tuple[OwedRow, ...] = ()
    owed_more: bool = False
    typed: str = ""
