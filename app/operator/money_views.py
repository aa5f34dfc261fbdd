"""What the templates of payments and of the closing are given, with every text already formatted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from app.payments.wording import ToGive

PAYMENTS = "/operator/payments"
CLOSING = "/operator/closing"
Tone = Literal["", "quiet", "danger", "waits"]


def payment_url(payment: str) -> str:
    """A payment's page."""
    return f"{PAYMENTS}/{quote(payment, safe='')}"


def filled(path: str, **fields: str) -> str:
    """The address with those of the fields that say something."""
    said = {name: text for name, text in fields.items() if text}
    return f"{path}?{urlencode(said)}" if said else path


@dataclass(frozen=True, slots=True)
class Option:
    """What a field lets one choose."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Filters:
    """The fields above the list as they were filled in, and a sentence by the name of each that is wrong."""

    lot: str
    day: str
    state: str
    provider: str
    q: str
    lots: tuple[Option, ...]
    states: tuple[Option, ...]
    providers: tuple[Option, ...]
    errors: Mapping[str, str]

    @property
    def any(self) -> bool:
        return any((self.lot, self.day, self.state, self.provider, self.q))


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment in the list. ``back`` is what was given back, empty where nothing was."""

    url: str
    when: str
    lot: str
    slot: str
    amount: str
    means: str
    state: str
    tone: Tone
    back: str = ""
    receipt_url: str = ""


@dataclass(frozen=True, slots=True)
class PaymentsPage:
    """``operator/payments.html``. ``older_url`` leads to the next page, ``newest_url`` back to the first."""

    operator: str
    filters: Filters
    rows: tuple[PaymentRow, ...]
    to_give: tuple[ToGive, ...]
    older_url: str = ""
    newest_url: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name with what is true; ``url`` leads to more of it, ``is_id``: it is for looking it up elsewhere."""

    name: str
    value: str
    url: str = ""
    is_id: bool = False


@dataclass(frozen=True, slots=True)
class BillLine:
    """A line of what was paid for."""

    rule: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class RefundRow:
    """A refund. ``give_url``: where one says that it was handed over, empty where nobody has to."""

    when: str
    amount: str
    state: str
    tone: Tone
    reason: str
    by: str
    give_url: str = ""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One side of a movement."""

    when: str
    account: str
    amount: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, with the facts that were noted of it."""

    when: str
    who: str
    act: str
    detail: str


@dataclass(frozen=True, slots=True)
class RefundForm:
    """What is to be given back. ``asks``: it is right, and has to be confirmed; ``amount_text`` says it then.

    ``unavailable`` says why there is no form.
    """

    action_url: str
    amount: str
    reason: str
    number: int
    left: str
    errors: Mapping[str, str]
    currency: str = ""
    unavailable: str = ""
    asks: bool = False
    amount_text: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """``operator/payment.html``. ``surplus`` says that too much was paid, ``surplus_url`` fills the form."""

    operator: str
    title: str
    amount: str
    state: str
    tone: Tone
    facts: tuple[Fact, ...]
    lines: tuple[BillLine, ...]
    total: str
    refunds: tuple[RefundRow, ...]
    ledger: tuple[LedgerRow, ...]
    audit: tuple[AuditRow, ...]
    form: RefundForm
    receipt_url: str = ""
    booking_url: str = ""
    surplus: str = ""
    surplus_url: str = ""
    notice: str = ""
    notice_more: str = ""
    problem: str = ""
    problem_more: str = ""


@dataclass(frozen=True, slots=True)
class SumRow:
    """A till or a person, with what came in, what went out, and how often."""

    name: str
    taken: str
    count: str
    back: str
    refunds: str
    net: str
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class CheckRow:
    """Whether the ledger says the same; ``odd`` are the movements that differ."""

    said: str
    agrees: bool
    odd: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawer:
    """The cash to be counted in one currency: the field's name, what should be there, what was typed.

    Of a closed day ``counted`` and ``difference`` say what was.
    """

    field: str
    label: str
    expected: str
    typed: str = ""
    error: str = ""
    counted: str = ""
    difference: str = ""
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the large figures at the top."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A lot's day. ``closed`` says who closed it and when; ``since`` what was posted after that.

    ``pending_said``: that not all of what is under way is shown.
    """

    lot: str
    day: str
    hours: str
    figures: tuple[Figure, ...]
    tills: tuple[SumRow, ...]
    hands: tuple[SumRow, ...]
    checks: tuple[CheckRow, ...]
    pending: tuple[PaymentRow, ...]
    returning: tuple[Fact, ...]
    drawers: tuple[Drawer, ...]
    csv_url: str
    payments_url: str
    seen: str
    closed: str = ""
    since: tuple[str, ...] = ()
    pending_said: str = ""
    runs: bool = False


@dataclass(frozen=True, slots=True)
class ClosingPage:
    """``operator/closing.html``: the sheet, or (``said``, ``advice``) why there is none.

    ``typed_day`` is empty for today: it is another day where another lot is chosen.
    """

    operator: str
    lot: str
    day: str
    typed_day: str
    lots: tuple[Option, ...]
    errors: Mapping[str, str]
    previous_url: str = ""
    next_url: str = ""
    sheet: Sheet | None = None
    said: str = ""
    advice: str = ""
    notice: str = ""
    problem: str = ""
    problem_more: str = ""
