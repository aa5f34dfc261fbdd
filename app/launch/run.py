"""`lotline run`: everything that one machine needs, from an empty folder to a page in the browser."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.launch import embedded_redis, procfile, readiness
from app.launch.banner import banner
from app.launch.claim import CannotStart, check_port, claim_data_dir
from app.launch.guard import Guard
from app.launch.output import Output
from app.launch.prepare import Prepared
from app.launch.supervisor import Program, Supervisor
from app.settings import Settings, embedded_redis_socket

_READY_WITHIN_S = 60.0
_DEATHS_BEFORE_READY = 3
_POLL_S = 0.05
_REDIS = "redis"
_WEB = "web"


@dataclass(frozen=True)
class Plan:
    """What to start. ``prepare`` prints a Prepared; ``simulate`` is run for the demo lot only."""

    settings: Settings
    entries: Sequence[procfile.Entry]
    cwd: Path
    prepare: tuple[str, ...] = (sys.executable, "-m", "app.launch.prepare")
    simulate: tuple[str, ...] | None = None


def run(plan: Plan) -> int:
    """Starts everything, waits for Ctrl-C or SIGTERM, ends everything. Returns the exit code."""
    output = Output(sys.stdout)
    settings = plan.settings
    try:
        lock = claim_data_dir(settings.data_dir)
        try:
            check_port(settings.host, settings.port)
            os.umask(0o077)
            return _guarded(plan, output)
        finally:
            os.close(lock)
    except (CannotStart, embedded_redis.RedisDidNotStart) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1


def _guarded(plan: Plan, output: Output) -> int:
    guard = Guard()
    try:
        return asyncio.run(_Run(plan, guard, output).until_stopped())
    finally:
        guard.close()


class _Run:
    def __init__(self, plan: Plan, guard: Guard, output: Output) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._output = output
        self._started_at_s = time.monotonic()
        self._asked_to_stop = asyncio.Event()
        self._supervisor = Supervisor(guard, output, plan.cwd, _environment(plan.settings))

    async def until_stopped(self) -> int:
        """The whole life of a run."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop_asked)
        coming_up = asyncio.create_task(self._come_up())
        asked = asyncio.create_task(self._asked_to_stop.wait())
        try:
            await asyncio.wait({coming_up, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not self._asked_to_stop.is_set() and coming_up.exception() is None:
                await asked
        finally:
            self._output.line("run", "stopping")
            await self._supervisor.stop()
            asked.cancel()
        if self._asked_to_stop.is_set():
            with contextlib.suppress(CannotStart, embedded_redis.RedisDidNotStart):
                await coming_up
            self._output.line("run", "stopped")
            return 0
        await coming_up
        return 1

    @property
    def _has_web(self) -> bool:
        return any(entry.name == _WEB for entry in self._plan.entries)

    def _stop_asked(self) -> None:
        if self._asked_to_stop.is_set():
            self._supervisor.hurry()
        self._asked_to_stop.set()

    async def _come_up(self) -> None:
        if self._settings.redis_is_embedded:
            await self._start_redis()
        prepared = await self._prepare()
        simulates = prepared.demo and self._plan.simulate is not None
        tour = (("LOTLINE_TOUR", prepared.lot),) if simulates and prepared.lot is not None else ()
        for entry in self._plan.entries:
            self._supervisor.start(Program(entry.name, ("sh", "-c", entry.command), env=tour))
        await self._until_web_ready()
        if simulates and self._plan.simulate is not None:
            self._supervisor.start(Program("simulate", self._plan.simulate))
        took_s = time.monotonic() - self._started_at_s
        self._output.line("run", f"ready after {took_s:.1f} s")
        base_url = readiness.url(self._settings.host, self._settings.port)
        away = await self._parts_away()
        self._output.block(banner(base_url, prepared, self._settings.data_dir, simulates, away))

    async def _parts_away(self) -> frozenset[str]:
        # An embedded Redis has answered already.
        if self._settings.redis_is_embedded or not self._has_web:
            return frozenset()
        return await readiness.parts_away(self._settings.host, self._settings.port)

    async def _start_redis(self) -> None:
        data_dir = self._settings.data_dir
        embedded_redis.prepare(data_dir)
        self._output.line("run", "starting the embedded Redis")
        self._supervisor.start(Program(_REDIS, tuple(embedded_redis.command(data_dir)), stage=0))
        socket = embedded_redis_socket(data_dir)

        async def ready() -> bool:
            return embedded_redis.is_ready(socket)

        await self._until(_REDIS, ready, f"Its log is {embedded_redis.log_file(data_dir)}.")

    async def _prepare(self) -> Prepared:
        self._output.line("run", "preparing the database")
        code, answer = await self._supervisor.run_once(Program("prepare", self._plan.prepare))
        if code != 0:
            raise CannotStart("The database could not be prepared; what went wrong stands above.")
        return Prepared.from_json(answer)

    async def _until_web_ready(self) -> None:
        if not self._has_web:
            return
        settings = self._settings
        self._output.line("run", f"waiting for {readiness.url(settings.host, settings.port)}/readyz")
        await self._until(
            _WEB, lambda: readiness.is_ready(settings.host, settings.port), "What went wrong stands above."
        )

    async def _until(self, name: str, ready: Callable[[], Awaitable[bool]], hint: str) -> None:
        """Waits until ``ready``; raises CannotStart when that cannot be expected any more."""
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not await ready():
            if self._supervisor.is_stopping:
                raise CannotStart("Stopped before it was ready.")
            if self._supervisor.deaths[name] >= _DEATHS_BEFORE_READY:
                raise CannotStart(
                    f"The {name} process ended {_DEATHS_BEFORE_READY} times at its start. {hint}"
                )
            if time.monotonic() > deadline_s:
                raise CannotStart(f"The {name} process was not ready after {_READY_WITHIN_S:.0f} s. {hint}")
            await asyncio.sleep(_POLL_S)


def _environment(settings: Settings) -> dict[str, str]:
    """What every child gets: these settings, and this environment's commands before any others."""
    commands = Path(sys.executable).parent
    return {
        **os.environ,
        **settings.as_environment(),
        "PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }
