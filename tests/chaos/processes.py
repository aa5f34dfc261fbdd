"""The processes of one deployment, each of which can be killed, frozen and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.launch import embedded_redis
from app.launch.readiness import is_ready, url
from app.settings import Settings, embedded_redis_url
from tests.chaos.waiting import until_none
from tests.integration.launch.run_process import free_port

_ROOT = Path(__file__).resolve().parents[2]
_READY_WITHIN_S = 60.0
_ENDS_WITHIN_S = 15.0


class Process:
    """One process: its command, and whether it serves."""

    def __init__(
        self, name: str, command: list[str], env: dict[str, str], log: Path, prepare: Callable[[], None]
    ) -> None:
        self.name = name
        self._command = command
        self._env = env
        self._log = log
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote in all its lives."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Starts it; that it serves is for the caller to wait for."""
        assert not self.is_running
        self._prepare()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=_ROOT, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """``kill -9``; returns when it is gone."""
        self._signal(signal.SIGKILL)
        self._wait()

    def freeze(self) -> None:
        """It keeps its sockets and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> int:
        """Ends it as a supervisor does; returns its exit code."""
        self._signal(signal.SIGTERM)
        try:
            return self._wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> int:
        assert self._process is not None
        return self._process.wait(_ENDS_WITHIN_S)


class Deployment:
    """One web process, one worker and the embedded Redis, over one SQL database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings = Settings.from_environment(
            {
                "PORT": str(self.port),
                "DATABASE_URL": database_url,
                "REDIS_URL": embedded_redis_url(folder),
                "LOTLINE_DATA": str(folder),
            }
        )
        env = {**os.environ, **self.settings.as_environment()}

        def process(name: str, *command: str, prepare: Callable[[], None] = lambda: None) -> Process:
            return Process(name, list(command), env, folder / f"{name}.log", prepare)

        self.redis = process(
            "redis", *embedded_redis.command(folder), prepare=lambda: embedded_redis.prepare(folder)
        )
        self.web = process("web", sys.executable, "-m", "app.cli", "serve")
        self.worker = process("worker", sys.executable, "-m", "workers.status")

    @property
    def base_url(self) -> str:
        return url("127.0.0.1", self.port)

    def start_redis(self) -> None:
        """Starts Redis on what it has on disk, and waits until it answers."""
        self.redis.start()
        embedded_redis.wait_until_ready(self.folder, lambda: self.redis.is_running)

    async def start_web(self) -> float:
        """Starts the web process; returns the seconds until it was ready."""
        self.web.start()

        async def not_ready() -> list[str]:
            assert self.web.is_running, self.web.log
            return [] if await is_ready("127.0.0.1", self.port) else ["not ready"]

        return await until_none(not_ready, _READY_WITHIN_S, "the web process is ready")

    async def start_again(self, victim: str) -> float:
        """Starts ``web``, ``worker`` or ``redis``, which was killed; returns the seconds it took."""
        began_s = time.monotonic()
        if victim == "web":
            await self.start_web()
        elif victim == "redis":
            self.start_redis()
        else:
            self.worker.start()
        return time.monotonic() - began_s

    def process(self, name: str) -> Process:
        return {"web": self.web, "worker": self.worker, "redis": self.redis}[name]


@asynccontextmanager
async def deployed(folder: Path, database_url: str) -> AsyncIterator[Deployment]:
    """A deployment whose Redis runs; the rest is started by the caller, and everything is ended."""
    deployment = Deployment(folder, database_url)
    async with AsyncExitStack() as stack:
        for process in (deployment.redis, deployment.worker, deployment.web):
            stack.callback(_kill, process)
        deployment.start_redis()
        yield deployment


def _kill(process: Process) -> None:
    if process.is_running:
        process.kill()
