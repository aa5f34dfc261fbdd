"""Lotline as it runs on one machine, for a browser: Redis, one web process, the status worker, own data."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen

from app.launch import tasks
from app.launch.prepare import prepare
from app.settings import Settings
from tests.servers import start_redis

READY_WITHIN_S = 60.0
ENDS_WITHIN_S = 10.0
POLL_S = 0.02
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Installation:
    """A web process that can be killed, frozen and started again, over data that stay."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self._more = environment or {}
        self.base = f"http://{settings.host}:{settings.port}"
        self._web: Popen[bytes] | None = None

    def start_web(self) -> None:
        """Starts the web process; returns once ``/readyz`` says that SQL and Redis answer."""
        web = self._web = self.start("app.cli", "serve", environment=self._more)
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if web.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the web process did not get ready:\n{self.log('app.cli')}")
            time.sleep(POLL_S)

    def kill_web(self) -> None:
        """Ends the web process as a crash does."""
        assert self._web is not None
        self._web.kill()
        self._web.wait()

    def freeze_web(self) -> None:
        """Stops the web process where it is: its sockets stay open, and nothing answers."""
        assert self._web is not None
        self._web.send_signal(signal.SIGSTOP)

    def thaw_web(self) -> None:
        assert self._web is not None
        self._web.send_signal(signal.SIGCONT)

    def end_web(self) -> None:
        if self._web is not None and self._web.poll() is None:
            self.thaw_web()
            end(self._web)

    def start(
        self, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> "Popen[bytes]":
        """Runs ``python -m module`` with these settings; its output goes to a file beside the data."""
        with self._log_file(module).open("ab") as log:
            return Popen(
                [sys.executable, "-m", module, *arguments],
                env=self._environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def sign_in_link(self) -> str:
        """A link that signs the operator in once."""
        path = await tasks.sign_in_path(self.settings)
        assert path is not None
        return self.base + path

    async def require_check_in(self, lot: str, within_min: int) -> None:
        """Who has not arrived by then loses the slot."""
        await tasks.require_check_in(self.settings, lot, within_min)

    def states_in_sql(self, lot: str) -> list[str]:
        """The public state of every slot of the lot, by position, as the truth has it."""
        query = """SELECT slot.position, slot_state.state FROM slot_state JOIN slot ON slot.id = slot_id
                   JOIN lot ON lot.id = slot.lot_id WHERE lot.code = ? ORDER BY slot.position"""
        with closing(
            sqlite3.connect(f"file:{self.settings.data_dir / 'lotline.db'}?mode=ro", uri=True)
        ) as db:
            return ["reserved" if state == "held" else state for _, state in db.execute(query, [lot])]

    def faults(self) -> list[str]:
        """What the web process has logged as an error: nothing, in a test that passes."""
        lines = (line for line in self.log("app.cli").splitlines() if line.startswith("{"))
        return [line for line in lines if json.loads(line)["level"] in ("error", "critical")]

    def log(self, module: str) -> str:
        path = self._log_file(module)
        return path.read_text(errors="replace") if path.exists() else ""

    def _log_file(self, module: str) -> Path:
        return self.settings.data_dir / f"{module}.log"

    def _environment(self) -> dict[str, str]:
        return os.environ | self.settings.as_environment()

    def _is_ready(self) -> bool:
        try:
            with LOCAL.open(f"{self.base}/readyz", timeout=5) as answer:
                return bool(json.load(answer)["status"] == "ready")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def prepared_database(folder: Path) -> Path:
    """A database file with the tables, the demo lots and an operator, to be copied."""
    settings = Settings.from_environment({"LOTLINE_DATA": str(folder)})
    tasks.quiet_logs()
    tasks.migrate(settings)
    # Redis is not there yet, and SQL is enough: the status is written when an installation starts.
    asyncio.run(prepare(settings))
    return folder / "lotline.db"


@contextmanager
def start_lotline(
    folder: Path, database: Path, web_environment: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """A whole installation on a free port, over a copy of ``database``."""
    settings = Settings.from_environment({"LOTLINE_DATA": str(folder), "PORT": str(free_port())})
    installation = Installation(settings, web_environment)
    with start_redis(folder):
        shutil.copy(database, folder / "lotline.db")
        asyncio.run(tasks.rebuild(settings, lambda done, total: None))
        worker = installation.start("workers.status")
        try:
            installation.start_web()
            yield installation
        finally:
            installation.end_web()
            end(worker)


def free_port() -> int:
    """A port on loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(process: "Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
