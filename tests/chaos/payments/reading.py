"""Reads the facts that the checker is asked about, while nothing is under way."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import trail
from app.audit.models import AuditEntry, AuditSeal
from app.bookings import records as bookings
from app.payments import journal, records
from app.payments.models import JournalEntry, PaymentState
from tests.chaos.payments.facts import Charge, Entry, Facts, GivenBack, PaymentFact, Posting, RefundFact
from tests.chaos.payments.shop import Shop

_AUDIT = AuditEntry.__table__  # type: ignore[attr-defined]
_SEAL = AuditSeal.__table__  # type: ignore[attr-defined]
_POSTING = JournalEntry.__table__  # type: ignore[attr-defined]


async def read_facts(shop: Shop) -> Facts:
    """All of it."""
    charges, given_back = _books(shop.books)
    database = shop.desk.database
    async with database.look() as connection:
        payments = tuple(
            PaymentFact(
                id=row["id"],
                reservation=row["reservation_id"],
                amount_minor=row["amount_minor"],
                currency=row["currency"],
                refunded_minor=row["refunded_minor"],
                provider=row["provider"],
                charge=row["charge"],
                state=row["state"],
                means=row["means"],
                by=row["by"],
            )
            for row in await _rows(connection, records.PAYMENT)
        )
        refunds = tuple(
            RefundFact(row["id"], row["payment_id"], row["amount_minor"], row["currency"], row["state"])
            for row in await _rows(connection, records.REFUND)
        )
        entries = tuple(
            Entry(row["movement"], row["account"], row["amount_minor"], row["currency"])
            for row in await _rows(connection, records.LEDGER)
        )
        receipts = tuple(row["payment_id"] for row in await _rows(connection, records.RECEIPT))
        noted = select(_AUDIT.c.detail).where(_AUDIT.c.act == "paid")
        details = (await connection.execute(noted)).scalars().all()
        postings = await _rows(connection, _POSTING)
        tasks = tuple(row["id"] for row in await _rows(connection, records.TASK))
        fees = await _fees(shop, connection, {one.reservation for one in payments})
        verdict = await trail.verify(connection)
    return Facts(
        charges=charges,
        given_back=given_back,
        payments=payments,
        refunds=refunds,
        receipts=receipts,
        entries=entries,
        noted=tuple(json.loads(detail)["payment"] for detail in details),
        fees=fees,
        told=tuple(shop.diary.told),
        accepted=tuple(shop.diary.accepted),
        taken=tuple(shop.diary.taken),
        postings=tuple(
            Posting(row["payment_id"], row["reservation_id"], row["provider"], row["by"], row["outcome"])
            for row in postings
        ),
        in_journals=tuple(_in_journals(shop, {row["id"] for row in postings})),
        tasks=tasks,
        wrong_seals=(
            *verdict.wrong,
            *([f"{verdict.unsealed} entries are not sealed"] if verdict.unsealed else []),
        ),
    )


async def left_over(shop: Shop) -> list[str]:
    """What the workers still have to do."""
    async with shop.desk.database.look() as connection:
        tasks = [row["id"] for row in await _rows(connection, records.TASK)]
        posted = {*(await connection.execute(select(_POSTING.c.id))).scalars()}
        pending = select(records.PAYMENT.c.id).where(records.PAYMENT.c.state == PaymentState.PENDING)
        payments = (await connection.execute(pending)).scalars().all()
        asked = select(
            *(select(func.count()).select_from(table).scalar_subquery() for table in (_AUDIT, _SEAL))
        )
        entries, seals = (await connection.execute(asked)).one()
    return [
        *_in_journals(shop, posted),
        *(f"task {one}" for one in tasks),
        *(f"pending {one}" for one in payments),
        *([f"{entries - seals} entries to seal"] if entries > seals else []),
    ]


def _in_journals(shop: Shop, posted: set[str]) -> list[str]:
    """What is not posted, or can't be; the file of a process that lives is still there."""
    folder = shop.cashier.journal.folder
    pages = [page for path in journal.files(folder) if (page := journal.read(path)) is not None]
    return [
        *(f"entry {entry.id}" for page in pages for entry in page.entries if entry.id not in posted),
        *(f"{page.path.name}: {page.unreadable} lines" for page in pages if page.unreadable),
        *(path.name for path in folder.glob(f"*{journal.UNREADABLE}")),
    ]


async def _rows(connection: AsyncConnection, table: Any) -> Any:
    return (await connection.execute(select(table))).mappings().all()


async def _fees(shop: Shop, connection: AsyncConnection, reservations: set[str]) -> dict[str, int]:
    """What each booking costs: once it has ended that is written down."""
    now = await shop.desk.database.now(connection)
    ended = select(bookings.HISTORY.c.id, bookings.HISTORY.c.amount_minor)
    fees = {row.id: row.amount_minor for row in await connection.execute(ended)}
    for reservation in reservations - {*fees}:
        bill = await shop.cashier.read_bill(connection, reservation, now)
        if bill is not None:
            fees[reservation] = bill.fee_until(bill.price_holds_until(now)).amount_minor
    return fees


def _books(file: Path) -> tuple[tuple[Charge, ...], tuple[GivenBack, ...]]:
    """What the provider has, past its own code."""
    if not file.exists():
        return (), ()
    with closing(sqlite3.connect(file)) as connection:
        charges = connection.execute("SELECT payment, charge, amount_minor, currency, fate FROM charge")
        refunds = connection.execute("SELECT refund, payment, amount_minor, currency, fate FROM refund")
        return tuple(Charge(*row) for row in charges), tuple(GivenBack(*row) for row in refunds)
