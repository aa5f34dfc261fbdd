"""Databases that can be taken away while they are used, and given back."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import servers
from tests.servers import PostgreSQLData

_READY_WITHIN_S = 60.0
_STOPS_WITHIN_S = 5.0
_POLL_S = 0.01
# SQLite's lock bytes of the shared index: who holds them lets nobody read or write, as a process does that
# mends the index, or a file system whose locks are stuck.
_HOLD_LOCKS = """
import fcntl, sys
with open(sys.argv[1] + "-shm", "r+b") as index:
    fcntl.lockf(index, fcntl.LOCK_EX, 8, 120)
    print("held", flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Outage:
    """A database, and what takes it away and gives it back."""

    url: str
    begin: Callable[[], None]
    end: Callable[[], None]


class LockedFile:
    """An SQLite file that another process locks as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder: subprocess.Popen[bytes] | None = None

    def lock(self) -> None:
        """Returns once nobody else can read."""
        command = [sys.executable, "-c", _HOLD_LOCKS, str(self._path)]
        self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"held\n"

    def unlock(self) -> None:
        """Nothing happens where it is not locked."""
        if self._holder is not None:
            self._holder.communicate()
            self._holder = None


class PostgreSQL:
    """A PostgreSQL of its own, which can be killed, frozen and started again."""

    def __init__(self, data: PostgreSQLData) -> None:
        self._data = data
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it takes connections. Nothing happens where it runs."""
        if self._server is not None:
            return
        with self._data.log.open("ab") as lines:
            self._server = subprocess.Popen(
                self._data.command, cwd=self._data.place, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines
            )
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not self._data.is_ready(self._server.pid):
            assert self._server.poll() is None, self._data.log.read_text(errors="replace")
            assert time.monotonic() < deadline_s
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """``kill -9`` of the server and of all that it has started."""
        assert self._server is not None
        # One that has ended by itself is what the test has to tell of, not that it can't be killed.
        with suppress(psutil.NoSuchProcess):
            self._signal(signal.SIGKILL)
        self._server.wait()
        self._server = None

    def freeze(self) -> None:
        """Everything stops where it is: connections stay open, new ones are not answered."""
        assert self._server is not None
        parent = psutil.Process(self._server.pid)
        parent.suspend()
        # A signal is only on its way at first, and until it has arrived another child may be started.
        _until_stopped(parent)
        for child in parent.children(recursive=True):
            # Its connections end while they are gone through.
            with suppress(psutil.NoSuchProcess):
                child.suspend()
                _until_stopped(child)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def be_there(self) -> None:
        """Ends whatever was done to it."""
        self.start()
        self.thaw()

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None
        parent = psutil.Process(self._server.pid)
        children = parent.children(recursive=True)
        parent.send_signal(number)
        for child in children:
            # Its connections end while they are gone through.
            with suppress(psutil.NoSuchProcess):
                child.send_signal(number)


def _until_stopped(process: psutil.Process) -> None:
    deadline_s = time.monotonic() + _STOPS_WITHIN_S
    while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
        assert time.monotonic() < deadline_s, process
        time.sleep(_POLL_S)


@contextmanager
def postgresql(log: Path) -> Iterator[tuple[PostgreSQL, str]]:
    """A server that runs, and its URL."""
    with servers.postgresql_data(log) as data:
        server = PostgreSQL(data)
        server.start()
        try:
            yield server, data.url
        finally:
            server.be_there()
            server.kill()
