"""What was accepted while SQL was away: a file of each process, on the disk before anyone is answered.

A line is an entry with a checksum before it. The process that writes a file holds a lock on it; where that
is free, nothing more will come, and what is not a whole line was never acknowledged.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from app.core import metrics
from app.core.ids import new_id
from app.payments.quotes import Quote

log = structlog.get_logger()
FOLDER = "payments-journal"
ENDING = ".journal"
# Somebody has to look at what can't be read; it is never thrown away.
UNREADABLE = ".unreadable"
_CHECKSUM_LENGTH = 16


@dataclass(frozen=True)
class Entry:
    """A payment that was accepted at ``accepted_at``. ``means``: a word, or a token of the provider's.

    ``by``: the attendant who has the money. ``leaves``: the payer said that they leave with it.
    """

    id: str
    quote: Quote
    provider: str
    means: str
    by: str
    accepted_at: datetime
    leaves: bool = False
    origin: str = ""

    def is_alike(self, provider: str, means: str, by: str, amount_minor: int) -> bool:
        """Whether as much is paid in the same way by the same person: then it is the same, sent again."""
        mine = (self.provider, self.means, self.by, self.quote.amount_minor)
        return mine == (provider, means, by, amount_minor)

    def line(self) -> bytes:
        """As it stands in the file."""
        facts = asdict(self) | {"accepted_at": self.accepted_at.isoformat()}
        body = json.dumps(facts, separators=(",", ":")).encode()
        return _checksum(body) + b" " + body + b"\n"

    @classmethod
    def of_line(cls, line: bytes) -> "Entry":
        """Raises ValueError where the line is not as it was written."""
        checksum, _, body = line.partition(b" ")
        if checksum != _checksum(body):
            raise ValueError("the checksum does not fit")
        facts: dict[str, Any] = json.loads(body)
        quote, accepted_at = Quote(**facts.pop("quote")), datetime.fromisoformat(facts.pop("accepted_at"))
        return cls(quote=quote, accepted_at=accepted_at, **facts)


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_CHECKSUM_LENGTH].encode()


class Journal:
    """One process's way to accept payments while SQL is away. Nothing is opened before it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: _OpenFile | None = None
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._accepted: dict[str, tuple[Entry, asyncio.Future[None]]] = {}

    async def accept(self, entry: Entry) -> Entry:
        """What this process has accepted for this payment since SQL went away: the entry, or one before it.

        Returns once it is on the disk. OSError where it can't be: then nothing was accepted.
        """
        payment = entry.quote.payment
        if payment not in self._accepted:
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._accepted[payment] = entry, written
            self._waiting.append((entry.line(), written))
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write())
        accepted, written = self._accepted[payment]
        try:
            await asyncio.shield(written)
        except OSError:
            self._accepted.pop(payment, None)
            raise
        if accepted is entry:
            metrics.JOURNALED.labels(entry.provider).inc()
        return accepted

    async def sql_is_back(self) -> None:
        """Leaves the file to the worker, which ends it once all that it holds is posted."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        self._accepted.clear()
        self._leave_file()

    async def _write(self) -> None:
        """Those who wait together are written together."""
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._append, b"".join(line for line, _ in together))
            except OSError as error:
                log.exception("journal.write_failed")
                # What a failed write has left in it is not known: nothing more is added.
                self._leave_file()
                for _, written in together:
                    written.set_exception(OSError(*error.args))
            else:
                for _, written in together:
                    written.set_result(None)

    def _append(self, lines: bytes) -> None:
        if self._file is None:
            self._file = _OpenFile(self.folder)
        self._file.append(lines)

    def _leave_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()


class _OpenFile:
    """A new file with its lock, of which the folder knows for good."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)
        self._size = 0
        path = folder / f"{new_id()}{ENDING}"
        new = path.with_suffix(".new")
        # It holds tokens of cards, if no numbers: nobody else is to read it.
        self._fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # Locked before a worker can find it, which would take it for one that is ended.
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            new.rename(path)
            _sync_folder(folder)
        except OSError:
            os.close(self._fd)
            raise

    def append(self, lines: bytes) -> None:
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._fd, left) :]
            os.fsync(self._fd)
        except OSError:
            # Who is told that it was not accepted is not to be charged for it.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(lines)

    def close(self) -> None:
        os.close(self._fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Pages:
    """What a file holds. ``is_ended``: nothing more comes, since nobody writes it any more.

    ``unreadable``: lines that are not as they were written, the last and torn one of a process that died
    not among them: that was never acknowledged.
    """

    path: Path
    entries: tuple[Entry, ...]
    size_bytes: int
    is_ended: bool
    unreadable: int = 0


def files(folder: Path) -> list[Path]:
    """The files of all processes of this machine, those that were begun first before others."""
    try:
        found = [(path.stat().st_ctime, path) for path in folder.glob(f"*{ENDING}")]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found)]


def read(path: Path) -> Pages | None:
    """What the file holds by now; ``None`` where another worker has just ended it."""
    try:
        with path.open("rb") as file:
            # Asked before it is read: what was written until the lock was let go of is then read as well.
            is_ended = _nobody_writes(file.fileno())
            text = file.read()
    except FileNotFoundError:
        return None
    # What follows the last line break is no line, or not yet.
    entries, unreadable = [], 0
    for found in _entries(text.split(b"\n")[:-1]):
        if found is None:
            unreadable += 1
        else:
            entries.append(found)
    return Pages(path, tuple(entries), len(text), is_ended, unreadable)


def _nobody_writes(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _entries(lines: list[bytes]) -> Iterator[Entry | None]:
    for line in lines:
        try:
            yield Entry.of_line(line)
        except (ValueError, TypeError, KeyError):
            yield None


def end(pages: Pages) -> None:
    """Takes away a file of which everything is posted; one that holds what can't be read is put aside."""
    with suppress(FileNotFoundError):
        if pages.unreadable:
            log.error("journal.unreadable", file=str(pages.path), lines=pages.unreadable)
            pages.path.rename(pages.path.with_suffix(UNREADABLE))
        else:
            pages.path.unlink()
