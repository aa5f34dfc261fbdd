"""What is asked of the books on the command line, and money that is given back from there."""

from typing import TYPE_CHECKING

from app.settings import Settings

if TYPE_CHECKING:
    from app.audit.trail import Verdict

BY = "command line"


async def verify_audit(settings: Settings) -> "Verdict":
    """What the chain of the audit trail says of itself."""
    from app.audit.trail import verify
    from app.core.db import Database

    database = Database(settings.database_url)
    try:
        async with database.look() as connection:
            return await verify(connection)
    finally:
        await database.close()


async def give_back(
    settings: Settings, payment_id: str, amount: str | None, reason: str, number: int | None
) -> tuple[int, str]:
    """Gives back so much of a payment, or all that is left; the refund's number, and a sentence of it.

    ``number``: the refund's own; sent again under it, it is given once. ValueError says what is wrong.
    """
    from contextlib import AsyncExitStack

    from app.accounts.service import installation
    from app.bookings.bills import read_bill
    from app.core.db import Database
    from app.core.errors import Problem
    from app.core.money import Money
    from app.core.signing import Secrets
    from app.operator.spelling import read_amount
    from app.payments import records, refunding, wording
    from app.payments.journal import FOLDER, Journal
    from app.payments.paying import Cashier
    from app.payments.providers import providers_of

    if not reason.strip():
        raise ValueError("Say why: --reason stays in the books.")
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        key = bytes.fromhex((await installation(database)).signing_key)
        providers = providers_of(settings, key)
        for provider in providers.values():
            stack.push_async_callback(provider.aclose)
        cashier = Cashier(
            database, Secrets((key,)), providers, read_bill, Journal(settings.data_dir / FOLDER)
        )
        async with database.look() as connection:
            payment = await records.payment(connection, payment_id)
            before = await records.refunds_of(connection, payment_id)
        if payment is None:
            raise ValueError(f"There is no payment {payment_id!r}.")
        left_minor = payment.amount_minor - payment.refunded_minor
        minor = left_minor if amount is None else read_amount(amount, payment.currency)
        number = number or max((one.number for one in before), default=0) + 1
        try:
            done = await refunding.give_back(cashier, payment_id, minor, reason, BY, number=number)
        except Problem as problem:
            raise ValueError(f"{problem.title}. {problem.detail}") from None
        if (done.amount_minor, done.by) != (minor, BY):
            raise ValueError(f"Refund {number} is another one, by {done.by}. Nothing was given back.")
        said = wording.refund_words(done.state, payment.provider)
        return number, f"{Money(done.amount_minor, done.currency).text()} {said}."
