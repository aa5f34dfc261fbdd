"""A card provider for trying out: no money moves, and everything that can happen can be made to happen.

It stands for a provider outside of this system, so it keeps a file of its own and works while the
application's database is away. Test cards are chosen by token, never by number.
"""

import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from app.core.clock import Clock
from app.core.languages import sentence
from app.payments.providers import signatures
from app.payments.providers.protocol import (
    Charged,
    ChargeOrder,
    Event,
    Fate,
    ProviderAway,
    Refunded,
    RefundOrder,
)
from app.payments.providers.refusals import OddAmount, OtherCharge
from app.payments.providers.sandbox_file import Books, ChargeRow, RefundRow, SandboxFile
from app.payments.providers.sandbox_notices import event_of, notice

SIGNATURE_HEADER = "Lotline-Sandbox-Signature"
SLOW_S = 20.0
SUCCESS = "sandbox-success"
DECLINE = "sandbox-decline"
INSUFFICIENT = "sandbox-insufficient"
SLOW = "sandbox-slow"
THREE_D = "sandbox-3d"
AWAY = "sandbox-away"
_REASONS = {
    DECLINE: sentence("The card was declined"),
    INSUFFICIENT: sentence("There is not enough money on the card"),
}
_NO_CARD = sentence("There is no such test card")
_REFUSED = sentence("The payer's bank did not confirm the payment")


@dataclass(frozen=True)
class Asked:
    """What a payer is asked to confirm, for the page that asks; ``charged`` says whether it still waits."""

    payment: str
    amount_minor: int
    currency: str
    words: str
    return_url: str
    charged: Charged


class Sandbox:
    """``path``: its file, in a folder that exists. ``secrets`` sign its webhooks, the newest first.

    ``slow_s``: after so many seconds a charge with the slow card is paid.
    """

    name = "sandbox"
    by_attendant = False
    needs_payer = frozenset({THREE_D})
    means: Mapping[str, str] = {
        SUCCESS: sentence("Test card ending 4242: succeeds"),
        DECLINE: sentence("Test card ending 0002: declined"),
        INSUFFICIENT: sentence("Test card ending 9995: not enough money"),
        SLOW: sentence("Test card ending 0077: paid after a while"),
        THREE_D: sentence("Test card ending 3155: asks for a confirmation"),
        AWAY: sentence("Test card ending 0119: paid, but the first answer is lost"),
    }

    def __init__(self, path: Path, secrets: Sequence[str], clock: Clock, slow_s: float = SLOW_S) -> None:
        if not secrets:
            raise ValueError("the sandbox has no secret to sign with")
        self._file = SandboxFile(path)
        self._secrets = signatures.secrets_of(secrets)
        self._clock = clock
        self._slow = timedelta(seconds=slow_s)

    async def charge(self, order: ChargeOrder) -> Charged:
        """Raises OtherCharge where the identifier stands for another amount or currency."""
        _check_amount(order)

        def work(books: Books) -> tuple[ChargeRow, bool]:
            known = self._known(books, order)
            if known is not None:
                return known, False
            made = self._made(order)
            books.add_charge(made)
            return made, True

        row, is_new = await self._file.write(work)
        if is_new and order.means == AWAY:
            raise ProviderAway("the sandbox has charged, and its answer is lost")
        return _charged(row)

    async def ask(self, order: ChargeOrder) -> Charged:
        """Raises OtherCharge as :meth:`charge` does."""
        row = await self._file.write(lambda books: self._known(books, order))
        return Charged(Fate.UNKNOWN) if row is None else _charged(row)

    async def cancel(self, order: ChargeOrder) -> Charged:
        """What was never begun is cancelled too: the order may still be under way, and finds it so."""
        _check_amount(order)

        def work(books: Books) -> ChargeRow:
            if self._known(books, order) is None:
                books.add_charge(_row(order, Fate.CANCELLED))
            books.decide(order.payment, Fate.CANCELLED)
            return _stored(books, order.payment)

        return _charged(await self._file.write(work))

    async def confirm(self, payment: str, ok: bool) -> Charged:
        """What the payer says who was asked. What is decided already stays as it is."""

        def work(books: Books) -> ChargeRow | None:
            row = self._settled(books, payment)
            if row is None or not row.asks_payer:
                return row
            books.decide(payment, Fate.PAID if ok else Fate.DECLINED, "" if ok else _REFUSED)
            return _stored(books, payment)

        row = await self._file.write(work)
        return Charged(Fate.UNKNOWN) if row is None else _charged(row)

    async def asked_of_payer(self, payment: str) -> Asked | None:
        """``None`` where nothing was ever asked of the payer."""
        row = await self._file.write(lambda books: self._settled(books, payment))
        if row is None or not row.asks_payer:
            return None
        return Asked(row.payment, row.amount_minor, row.currency, row.words, row.return_url, _charged(row))

    async def refund(self, order: RefundOrder) -> Refunded:
        """Raises OtherCharge where the identifier, or the charge, stands for something else."""
        if order.amount_minor <= 0:
            raise OddAmount("nothing, or less, can't be given back")

        def work(books: Books) -> RefundRow:
            known = books.refund(order.refund)
            if known is not None:
                if (known.payment, known.amount_minor, known.currency) != (
                    order.payment,
                    order.amount_minor,
                    order.currency,
                ):
                    raise OtherCharge("the refund's identifier stands for another one")
                return known
            charge = self._settled(books, order.payment)
            if charge is not None and (
                charge.currency != order.currency or order.charge not in ("", charge.charge)
            ):
                raise OtherCharge("the refund is of another charge")
            reason = _why_not(books, charge, order.amount_minor)
            fate = Fate.DECLINED if reason else Fate.PAID
            row = RefundRow(order.refund, order.payment, order.amount_minor, order.currency, fate, reason)
            books.add_refund(row)
            return row

        row = await self._file.write(work)
        return Refunded(row.fate, refund=row.refund, reason=row.reason)

    async def webhook_of(self, payment: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of what the sandbox has to say of a charge. LookupError: of none that it knows.

        The same state is the same event, however often it is delivered.
        """
        row = await self._file.write(lambda books: self._settled(books, payment))
        if row is None:
            raise LookupError(payment)
        body = notice(payment, _charged(row))
        return self.sign(body, self._clock.now()), body

    def sign(self, body: bytes, now: datetime) -> dict[str, str]:
        """The headers that a body is sent with, by the newest secret."""
        return {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: signatures.signature(self._secrets[0], body, now),
        }

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Event | None:
        signatures.check(headers, SIGNATURE_HEADER, body, self._secrets, now)
        return event_of(body)

    async def aclose(self) -> None:
        await self._file.aclose()

    def _known(self, books: Books, order: ChargeOrder) -> ChargeRow | None:
        row = self._settled(books, order.payment)
        if row is not None and (row.amount_minor, row.currency) != (order.amount_minor, order.currency):
            raise OtherCharge("the payment stands for another amount or currency")
        return row

    def _settled(self, books: Books, payment: str) -> ChargeRow | None:
        """As it is now: what waits for its time may be due."""
        row = books.charge(payment)
        if row is None or row.settles_ms is None or row.settles_ms > _ms(self._clock.now()):
            return row
        books.decide(payment, Fate.PAID)
        return _stored(books, payment)

    def _made(self, order: ChargeOrder) -> ChargeRow:
        if order.means in _REASONS or order.means not in self.means:
            return _row(order, Fate.DECLINED, _REASONS.get(order.means, _NO_CARD))
        if order.means == SLOW:
            return _row(order, Fate.WAITING, settles_ms=_ms(self._clock.now() + self._slow))
        if order.means == THREE_D:
            return _row(order, Fate.WAITING, asks_payer=True)
        return _row(order, Fate.PAID)


def _check_amount(order: ChargeOrder) -> None:
    if order.amount_minor <= 0:
        raise OddAmount("nothing, or less, can't be charged")


def _row(
    order: ChargeOrder,
    fate: Fate,
    reason: str = "",
    *,
    asks_payer: bool = False,
    settles_ms: int | None = None,
) -> ChargeRow:
    return ChargeRow(
        payment=order.payment,
        charge=f"sandbox_{randomness.token_hex(12)}",
        amount_minor=order.amount_minor,
        currency=order.currency,
        words=order.words,
        return_url=order.return_url,
        fate=fate,
        reason=reason,
        asks_payer=asks_payer,
        settles_ms=settles_ms,
    )


def _stored(books: Books, payment: str) -> ChargeRow:
    row = books.charge(payment)
    if row is None:
        raise LookupError(payment)
    return row


def _why_not(books: Books, charge: ChargeRow | None, amount_minor: int) -> str:
    """Why it can't be given back; "": it can."""
    if charge is None or charge.fate is not Fate.PAID:
        return sentence("Nothing was paid")
    if books.given_back_minor(charge.payment) + amount_minor > charge.amount_minor:
        return sentence("It is more than is left of what was paid")
    return ""


def _charged(row: ChargeRow) -> Charged:
    asks = row.fate is Fate.WAITING and row.asks_payer
    return Charged(
        row.fate,
        charge=row.charge,
        reason=row.reason,
        next_url=f"/payments/sandbox/{quote(row.payment, safe='')}" if asks else "",
        amount_minor=row.amount_minor,
        currency=row.currency,
    )


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
