"""All processes of one deployment: web, workers, the embedded Redis, and PostgreSQL where it is used."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app import cli
from app.launch import embedded_redis
from app.launch.readiness import is_ready, url
from app.settings import Settings, embedded_redis_socket, embedded_redis_url
from tests.chaos.processes import Command, Fork, Process
from tests.chaos.site import Base
from tests.integration.launch.run_process import free_port
from workers import bookings, duties, payments, status

SWEEPS_EVERY_S = 1.0
_HOST = "127.0.0.1"


def serve() -> None:
    """A web process."""
    sys.argv = ["lotline", "serve"]
    cli.main()


def keep_redis_true() -> None:
    """The status worker."""
    asyncio.run(duties.main(status.duties))


def end_what_time_ends() -> None:
    """The bookings worker; it sweeps often, so that whoever waits for it need not wait long."""
    asyncio.run(duties.main(partial(bookings.duties, sweeps_every_s=SWEEPS_EVERY_S)))


def finish_payments() -> None:
    """The payments worker."""
    asyncio.run(duties.main(payments.duties))


@dataclass(frozen=True)
class Shape:
    """How a deployment is put up.

    ``enders`` bookings workers run ``end``, ``finishers`` payments workers run ``finish``.
    ``redis_url`` and ``database_url`` are what its processes use where that is not the server itself;
    ``serve`` is what its web processes run; ``environment`` adds variables to a process by its name, which
    then is a command of its own, as variables that are read at its start ask for.
    """

    webs: int = 1
    enders: int = 1
    end: Callable[[], None] = end_what_time_ends
    finishers: int = 0
    finish: Callable[[], None] = finish_payments
    redis_url: str | None = None
    database_url: str | None = None
    serve: Callable[[], None] = serve
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Deployment:
    """The processes by their names: ``redis`` and ``postgresql`` where they are its own, ``status``,
    ``bookings``, ``payments``, ``web-1`` …
    """

    def __init__(self, folder: Path, base: Base, shape: Shape) -> None:
        self.folder = folder
        self.base = base
        self.ports = {f"web-{number}": free_port() for number in range(1, shape.webs + 1)}
        # What whoever looks at the deployment from outside uses: the servers themselves.
        self.settings = _settings(folder, base.url, base.redis_url or embedded_redis_url(folder))
        self._shape = shape
        # In the order in which they have to come up.
        servers = {} if base.redis_url else {"redis": self._redis()}
        if base.server is not None:
            servers["postgresql"] = base.server
        webs = {name: self._web(name, port) for name, port in self.ports.items()}
        self.enders = _numbered("bookings", shape.enders)
        self.finishers = _numbered("payments", shape.finishers)
        workers = {
            "status": self._worker("status", keep_redis_true),
            **{name: self._worker(name, shape.end) for name in self.enders},
            **{name: self._worker(name, shape.finish) for name in self.finishers},
        }
        self.processes: dict[str, Process] = {**servers, **workers, **webs}

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    @property
    def base_urls(self) -> list[str]:
        """Where the web processes are reached."""
        return [url(_HOST, port) for port in self.ports.values()]

    async def ready(self) -> None:
        """Returns when every part is ready. A web process that found no SQL is started again."""
        for name, process in self.processes.items():
            if not process.is_running:
                process.start()
            if name in ("redis", "postgresql"):
                await process.until_ready()
        for process in self.processes.values():
            await process.until_ready()

    def _redis(self) -> Process:
        async def serves() -> bool:
            return embedded_redis.is_ready(embedded_redis_socket(self.folder))

        def prepare() -> None:
            embedded_redis.prepare(self.folder)

        command, log = embedded_redis.command(self.folder), self.folder / "redis-output.log"
        return Command("redis", command, log, serves, prepare=prepare)

    def _worker(self, name: str, main: Callable[[], None]) -> Process:
        async def serves() -> bool:
            return True

        return self._of_application(name, free_port(), main, serves)

    def _web(self, name: str, port: int) -> Process:
        async def serves() -> bool:
            return await is_ready(_HOST, port)

        return self._of_application(name, port, self._shape.serve, serves)

    def _of_application(
        self,
        name: str,
        port: int,
        main: Callable[[], None],
        serves: Callable[[], Awaitable[bool]],
    ) -> Process:
        shape, log = self._shape, self.folder / f"{name}.log"
        redis_url = shape.redis_url or self.settings.redis_url
        settings = _settings(self.folder, shape.database_url or self.base.url, redis_url, port)
        env = settings.as_environment()
        if more := shape.environment.get(name):
            run = f"from {main.__module__} import {main.__name__} as main; main()"
            return Command(name, [sys.executable, "-c", run], log, serves, {**env, **more})
        return Fork(name, main, log, serves, env)


def _numbered(name: str, count: int) -> list[str]:
    """The first is called by the name alone."""
    return [name if number == 1 else f"{name}-{number}" for number in range(1, count + 1)]


def _settings(folder: Path, database_url: str, redis_url: str, port: int = 8000) -> Settings:
    return Settings.from_environment(
        {
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LOTLINE_DATA": str(folder),
        }
    )


@asynccontextmanager
async def deployed(folder: Path, base: Base, shape: Shape) -> AsyncIterator[Deployment]:
    """A deployment whose Redis runs. The rest is started by the caller, and everything but SQL is ended."""
    deployment = Deployment(folder, base, shape)
    with ExitStack() as stack:
        for name, process in deployment.processes.items():
            if name != "postgresql":
                stack.callback(_kill, process)
        if redis := deployment.processes.get("redis"):
            redis.start()
            await redis.until_ready()
        yield deployment


def _kill(process: Process) -> None:
    if process.is_running:
        process.kill()
