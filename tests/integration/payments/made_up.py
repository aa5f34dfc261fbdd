"""Payments that were made at chosen moments, with everything that goes with one: ledger, receipt, refund."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from sqlalchemy import insert

from app.audit.trail import canonical
from app.core.db import Database
from app.payments import receipts, records
from app.payments.models import Payment, PaymentState, RefundState
from app.payments.quotes import payment_id
from app.payments.refunding import refund_id

_numbers = count(1)


@dataclass
class Books:
    """Writes payments of one lot as paying does, without a booking behind them."""

    database: Database
    lot_id: int
    code: str = "here"
    name: str = "Here"
    zone: str = "Europe/Berlin"
    currency: str = "EUR"
    made: list[Payment] = field(default_factory=list)

    async def paid(self, at: datetime, amount_minor: int, means: str = "cash", by: str = "Ann") -> Payment:
        """A payment that was made then, at the desk or (``sandbox-…``) by card."""
        is_desk = means in ("cash", "terminal")
        return await self.payment(
            at,
            amount_minor,
            means,
            PaymentState.PAID,
            "desk" if is_desk else "sandbox",
            by if is_desk else "",
        )

    async def payment(
        self,
        at: datetime,
        amount_minor: int,
        means: str,
        state: PaymentState,
        provider: str = "sandbox",
        by: str = "",
    ) -> Payment:
        number = next(_numbers)
        reservation = f"00000000-0000-7000-8000-{number:012}"
        made = Payment(
            id=payment_id(reservation, 1),
            reservation_id=reservation,
            lot_id=self.lot_id,
            ordinal=1,
            amount_minor=amount_minor,
            currency=self.currency,
            provider=provider,
            means=means,
            state=state,
            bill=self._bill(reservation, number, amount_minor, at),
            by=by,
            created_at=at,
            settled_at=None if state == PaymentState.PENDING else at,
        )
        async with self.database.unit_of_work() as connection:
            await connection.execute(insert(records.PAYMENT).values(**made.model_dump()))
            if state == PaymentState.PAID:
                till, revenue = f"till:{provider}", f"revenue:{self.lot_id}"
                await records.move_money(connection, made.id, amount_minor, self.currency, till, revenue, at)
                text = receipts.receipt_text(made, "", at)
                await records.insert_receipt(connection, made.id, text, at)
        self.made.append(made)
        return made

    async def refunded(
        self,
        payment: Payment,
        at: datetime,
        amount_minor: int,
        by: str = "Ann",
        state: RefundState = RefundState.DONE,
        number: int = 1,
    ) -> str:
        """A part of it that was given back then, or is to be; the refund's identifier."""
        refund = refund_id(payment.id, number)
        is_done = state == RefundState.DONE
        values = {
            "id": refund, "payment_id": payment.id, "number": number, "amount_minor": amount_minor,
            "currency": payment.currency, "state": state, "reason": "made up", "by": by, "created_at": at,
            "settled_at": at if is_done else None,
        }  # fmt: skip
        async with self.database.unit_of_work() as connection:
            assert await records.take_back(connection, payment.id, amount_minor)
            await records.insert_refund(connection, values)
            if is_done:
                till, revenue = f"till:{payment.provider}", f"revenue:{self.lot_id}"
                await records.move_money(
                    connection, refund, amount_minor, payment.currency, revenue, till, at
                )
        return refund

    def _bill(self, reservation: str, number: int, amount_minor: int, at: datetime) -> str:
        line = {"rule": "standard", "quantity": 1, "unit": "30 min", "amountMinor": amount_minor}
        return canonical(
            {
                "reservation": reservation,
                "lot": {"code": self.code, "name": self.name, "timeZone": self.zone},
                "slot": {"identifier": f"{self.code}-{number}", "name": f"S{number}", "area": "A"},
                "from": at.isoformat(),
                "until": at.isoformat(),
                "ended": True,
                "tariff": {"number": 1, "version": 1},
                "currency": self.currency,
                "lines": [line],
                "dueMinor": amount_minor,
            }
        )
