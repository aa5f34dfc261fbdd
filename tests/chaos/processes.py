"""Processes that can be killed, frozen and started again by their name."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from tests.chaos.waiting import until_none

READY_WITHIN_S = 60.0
_ROOT = Path(__file__).resolve().parents[2]
_ENDS_WITHIN_S = 15.0
_POLL_S = 0.005
# What a process of the application has imported before it is needed: two seconds of work, done once.
_IMPORTED = (
    "app.cli",
    "app.launch.serve",
    "app.launch.tasks",
    "app.main",
    "tests.chaos.payments.launchers",
    "tests.chaos.sabotage",
    "tests.chaos.steps.victim",
    "workers.bookings",
    "workers.payments",
    "workers.status",
)


class Process:
    """One process through all its lives. ``serves`` asks whether the present one is ready."""

    def __init__(self, name: str, log: Path, serves: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self.lives = 0
        self._log = log
        self._serves = serves

    @property
    def is_running(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The number of the present life, or of the last one."""
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    @property
    def log(self) -> str:
        """What it wrote in all its lives."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Starts it; that it serves is for the caller to wait for."""
        assert not self.is_running, self.name
        self.lives += 1
        self._begin()

    async def until_ready(self) -> float:
        """Returns the seconds until it served; fails where it ends or takes too long."""

        async def not_ready() -> list[str]:
            assert self.is_running, f"{self.name} has ended:\n{self.log[-4000:]}"
            return [] if await self._serves() else [f"{self.name} is not ready"]

        return await until_none(not_ready, READY_WITHIN_S, f"{self.name} is ready")

    def kill(self) -> None:
        """``kill -9``, with whatever it has started; returns when all of it is gone."""
        # A process that stands still starts nothing more meanwhile.
        self.freeze()
        family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        for one in family:
            one.send_signal(signal.SIGKILL)
        self._until_gone(family)

    def freeze(self) -> None:
        """It keeps its sockets and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it as a supervisor does, if it runs."""
        if self.is_running:
            self.thaw()
            os.kill(self.pid, number)
            self._until_gone([psutil.Process(self.pid)])

    def wait(self) -> None:
        """Returns when it has ended by itself."""
        self._until_gone([])

    def _until_gone(self, family: Sequence[psutil.Process]) -> None:
        deadline_s = time.monotonic() + _ENDS_WITHIN_S
        while self.is_running or any(_executes(one) for one in family):
            assert time.monotonic() < deadline_s, f"{self.name} did not end:\n{self.log[-2000:]}"
            time.sleep(_POLL_S)


class Command(Process):
    """A command line."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        serves: Callable[[], Awaitable[bool]],
        env: Mapping[str, str] | None = None,
        cwd: Path = _ROOT,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name, log, serves)
        self._command = command
        self._env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _begin(self) -> None:
        self._prepare()
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for the tests, which then end it in order.
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class Fork(Process):
    """A process of the application, forked from one that has imported it: ready in a tenth of a second.

    From then on it is a process like any other. ``main`` must be importable by its name.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[], None],
        log: Path,
        serves: Callable[[], Awaitable[bool]],
        env: Mapping[str, str],
    ) -> None:
        super().__init__(name, log, serves)
        self._main = main
        self._env = env
        self._process: BaseProcess | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def _begin(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_IMPORTED))
        self._process = context.Process(target=_live, args=(self._main, self._log, self._env))
        self._process.start()


def _live(main: Callable[[], None], log: Path, env: Mapping[str, str]) -> None:
    os.setsid()
    with log.open("ab") as lines:
        os.dup2(lines.fileno(), sys.stdout.fileno())
        os.dup2(lines.fileno(), sys.stderr.fileno())
    os.environ.update(env)
    main()


def _executes(process: psutil.Process) -> bool:
    """A zombie has ended, and waits for a parent that may be slow to ask."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
