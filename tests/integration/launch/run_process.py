"""Starts `lotline run` with stand-ins for the application, and watches it from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_HERE = Path(__file__).parent
_WITHIN_S = 30.0
_POLL_S = 0.02
WEB = f"web: exec python {_HERE / 'stand_in_web.py'} $HOST $PORT"


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Returns as soon as ``condition`` holds; fails after 30 s, saying ``what`` was waited for."""
    deadline_s = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not after {_WITHIN_S:.0f} s: {what}"
        time.sleep(_POLL_S)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Run:
    """One `lotline run` with stand-ins for the application, as a process of its own."""

    def __init__(
        self,
        folder: Path,
        entries: str,
        port: int,
        data_dir: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.data_dir = data_dir or folder / "data"
        self._log = folder / "output.log"
        procfile = folder / "Procfile"
        procfile.write_text(entries + "\n")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, _HERE / "stand_in_run.py", procfile],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={
                    **self._environment(),
                    "LOTLINE_DATA": str(self.data_dir),
                    "PORT": str(port),
                    **(env or {}),
                },
            )

    @staticmethod
    def _environment() -> dict[str, str]:
        names = ("HOST", "DATABASE_URL", "REDIS_URL", "LOTLINE_PROFILE")
        return {name: value for name, value in os.environ.items() if name not in names}

    @property
    def output(self) -> str:
        """Everything that it wrote so far."""
        return self._log.read_text()

    def until(self, text: str) -> "Run":
        """Waits until ``text`` was written."""
        wait_until(lambda: text in self.output or self.process.poll() is not None, f"{text!r} in the output")
        assert text in self.output, self.output
        return self

    def family(self) -> list[psutil.Process]:
        """Every process below it, the guard among them."""
        children: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return children

    def child(self, word: str) -> psutil.Process:
        """The one process below it that has ``word`` as an argument or is the program ``word``.

        Waits for it: one that has only just been forked still looks like its parent.
        """
        found: list[psutil.Process] = []

        def is_there() -> bool:
            found[:] = [one for one in self.family() if _is(one, word)]
            return len(found) == 1

        wait_until(is_there, f"one process {word}")
        return found[0]

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(_WITHIN_S)


def assert_gone(processes: list[psutil.Process]) -> None:
    """Waits until none of them runs; a zombie has ended and only waits for its parent."""

    def running() -> list[psutil.Process]:
        return [process for process in processes if is_running(process)]

    wait_until(lambda: not running(), f"{processes} ended")


def is_running(process: psutil.Process) -> bool:
    """True where it still executes."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is(process: psutil.Process, word: str) -> bool:
    try:
        return word in process.cmdline() or process.exe().endswith(f"/{word}")
    except psutil.NoSuchProcess:
        return False
