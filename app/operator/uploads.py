"""The files that operators have uploaded for an import, kept from the dry run to the end of the import.

Each is a file in the data folder with a note beside it: how far its import is, and what came of it. They are
few, small and short-lived, so a listing of the folder is all the index there is.
"""

import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

FOLDER = "imports"
MOST_FILES = 20
KEPT_S = 24 * 3600
MOST_BYTES = 16 * 1024 * 1024
MOST_SLOTS = 20_000
_ID = re.compile(r"[0-9a-f]{32}")
TRIED, RUNNING, DONE, FAILED = "tried", "running", "done", "failed"


@dataclass(frozen=True)
class Upload:
    """A file and what is to be done with it. ``lot``: the code of the lot that its slots go into, or empty.

    ``report`` has counts by name and, under ``refusals``, [row, reference, reason] each.
    """

    id: str
    name: str
    by: str
    time_zone: str
    currency: str
    lot: str = ""
    plates: bool = False
    state: str = TRIED
    done: int = 0
    total: int = 0
    problem: str = ""
    report: dict[str, object] = field(default_factory=dict)


class Uploads:
    """The folder of uploads. Several processes on one machine may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, upload: Upload, data: bytes) -> Upload:
        """Keeps a new file; the oldest make room for it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._drop_old()
        kept = replace(upload, id=uuid.uuid4().hex)
        self._write(f"{kept.id}.data", data)
        self.note(kept)
        return kept

    def find(self, id: str) -> Upload | None:
        """What is noted of an upload; ``None`` where it is unknown or has expired."""
        if not _ID.fullmatch(id):
            return None
        path = self._folder / f"{id}.json"
        try:
            if path.stat().st_mtime < time.time() - KEPT_S:
                return None
            return Upload(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def data(self, id: str) -> bytes:
        """FileNotFoundError where it has gone."""
        return (self._folder / f"{id}.data").read_bytes()

    def note(self, upload: Upload) -> None:
        """Writes down how far it is."""
        self._write(f"{upload.id}.json", json.dumps(asdict(upload)).encode())

    @contextmanager
    def claimed(self, id: str) -> Iterator[bool]:
        """Within the block nobody else imports this file; ``False`` where somebody is at it already.

        The claim ends with the process that has it, however that ends.
        """
        lock = os.open(self._folder / f"{id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def is_claimed(self, id: str) -> bool:
        """Whether a process that lives is at it."""
        with self.claimed(id) as mine:
            return not mine

    def _write(self, name: str, data: bytes) -> None:
        fresh = self._folder / f"{name}.{uuid.uuid4().hex}.new"
        fresh.write_bytes(data)
        fresh.replace(self._folder / name)

    def _drop_old(self) -> None:
        """Leaves the newest, one fewer than there may be."""
        now = time.time()
        dated = [(_written_at(path), path) for path in self._folder.glob("*.json")]
        for number, (at, path) in enumerate(sorted(dated, reverse=True)):
            is_old = at < now - KEPT_S or number >= MOST_FILES - 1
            if is_old and not self.is_claimed(path.stem):
                for each in self._folder.glob(f"{path.stem}.*"):
                    each.unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    """Unix seconds; 0 where another process has just taken it away."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
