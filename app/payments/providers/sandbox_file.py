"""What the sandbox remembers: a small SQLite file of its own, which several processes may use at once."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from app.core.clock import monotonic_s
from app.payments.providers.protocol import Fate, ProviderAway

BUSY_TIMEOUT_S = 5.0
_POLL_S = 0.02
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS charge (
        payment TEXT PRIMARY KEY,
        charge TEXT NOT NULL UNIQUE,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        currency TEXT NOT NULL,
        words TEXT NOT NULL,
        return_url TEXT NOT NULL,
        fate TEXT NOT NULL,
        reason TEXT NOT NULL,
        asks_payer INTEGER NOT NULL,
        settles_ms INTEGER
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS refund (
        refund TEXT PRIMARY KEY,
        payment TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        currency TEXT NOT NULL,
        fate TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS refund_of ON refund (payment)",
)
_T = TypeVar("_T")


@dataclass(frozen=True)
class ChargeRow:
    """A charge as it is stored. ``settles_ms``: when one that waits is paid, since 1970; ``None``: it is not
    decided by time.
    """

    payment: str
    charge: str
    amount_minor: int
    currency: str
    words: str
    return_url: str
    fate: Fate
    reason: str = ""
    asks_payer: bool = False
    settles_ms: int | None = None


@dataclass(frozen=True)
class RefundRow:
    """A refund as it is stored."""

    refund: str
    payment: str
    amount_minor: int
    currency: str
    fate: Fate
    reason: str = ""


class Books:
    """One transaction's view of the file: nobody else writes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def charge(self, payment: str) -> ChargeRow | None:
        row = self._connection.execute(
            "SELECT payment, charge, amount_minor, currency, words, return_url, fate, reason, asks_payer,"
            " settles_ms FROM charge WHERE payment = ?",
            (payment,),
        ).fetchone()
        if row is None:
            return None
        stored = dict(row)
        return ChargeRow(**stored | {"fate": Fate(stored["fate"]), "asks_payer": bool(stored["asks_payer"])})

    def add_charge(self, row: ChargeRow) -> None:
        self._connection.execute(
            "INSERT INTO charge VALUES (:payment, :charge, :amount_minor, :currency, :words, :return_url,"
            " :fate, :reason, :asks_payer, :settles_ms)",
            asdict(row),
        )

    def decide(self, payment: str, fate: Fate, reason: str = "") -> None:
        """Only what waits is decided: what is final stays."""
        self._connection.execute(
            "UPDATE charge SET fate = ?, reason = ? WHERE payment = ? AND fate = ?",
            (fate.value, reason, payment, Fate.WAITING.value),
        )

    def refund(self, refund: str) -> RefundRow | None:
        row = self._connection.execute(
            "SELECT refund, payment, amount_minor, currency, fate, reason FROM refund WHERE refund = ?",
            (refund,),
        ).fetchone()
        return None if row is None else RefundRow(**dict(row) | {"fate": Fate(row["fate"])})

    def add_refund(self, row: RefundRow) -> None:
        self._connection.execute(
            "INSERT INTO refund VALUES (:refund, :payment, :amount_minor, :currency, :fate, :reason)",
            asdict(row),
        )

    def given_back_minor(self, payment: str) -> int:
        """The sum of what was given back of a charge."""
        found = self._connection.execute(
            "SELECT coalesce(sum(amount_minor), 0) FROM refund WHERE payment = ? AND fate = ?",
            (payment, Fate.PAID.value),
        ).fetchone()
        return int(found[0])


class SandboxFile:
    """One connection in a thread of its own, opened when it is first needed.

    A file that can't be opened, is full or stays locked is a provider that can't be reached: ProviderAway.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sandbox")
        self._connection: sqlite3.Connection | None = None

    async def write(self, work: Callable[[Books], _T]) -> _T:
        """Runs ``work`` in a transaction of its own; what it raises undoes it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._written, work)

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _written(self, work: Callable[[Books], _T]) -> _T:
        try:
            connection = self._connection or self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                done = work(Books(connection))
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            # The next one begins anew: a connection whose rollback failed is of no use.
            self._close()
            raise ProviderAway(f"the sandbox's file can't be used ({error})") from error
        return done

    def _open(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        _write_ahead(self._connection)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            self._connection.execute(statement)
        self._connection.execute("COMMIT")
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with closing(connection), suppress(sqlite3.Error):
                connection.rollback()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Several processes may turn the same new file to WAL at once, and SQLite lets none of them wait."""
    until_s = monotonic_s() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if monotonic_s() > until_s:
                raise
            time.sleep(_POLL_S)
        else:
            return
