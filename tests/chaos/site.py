"""Where deployments are put up: fresh databases of both kinds, and a PostgreSQL that may be killed."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from signal import SIGINT

from app.core.migrate import upgrade_url
from app.settings import Settings
from tests import servers
from tests.chaos.processes import Command, Process

_TEMPLATE = "lotline_template"


class Kind(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"

    @property
    def webs(self) -> int:
        """How many web processes there are over such a database."""
        return 1 if self is Kind.SQLITE else 3


@dataclass(frozen=True)
class Base:
    """An empty database with the newest schema. ``server`` is a process where it is one of its own.

    ``redis_url``: of a Redis that is there already; without it a deployment starts one.
    """

    kind: Kind
    url: str
    server: Process | None = None
    socket: Path | None = None
    redis_url: str | None = None


class Site:
    """Templates are made once, when the first database of a kind is asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._sqlite_template: Path | None = None
        self._postgresql: tuple[servers.PostgreSQLData, Process] | None = None

    @asynccontextmanager
    async def base(self, kind: Kind, folder: Path) -> AsyncIterator[Base]:
        """A database for one deployment, dropped at the end; one of SQLite lies in ``folder``."""
        if kind is Kind.SQLITE:
            template = await self._migrated_file()
            shutil.copy(template, folder / "lotline.db")
            yield Base(kind, _as_settings_have_it(f"sqlite:///{folder / 'lotline.db'}"))
            return
        data, server = await self._server()
        async with servers.new_database(data.url, _TEMPLATE) as url:
            try:
                yield Base(kind, _as_settings_have_it(url), server, data.socket)
            finally:
                if not server.is_running:
                    server.start()
                await server.until_ready()

    async def _migrated_file(self) -> Path:
        if self._sqlite_template is None:
            path = self.folder / "template.db"
            await upgrade_url(f"sqlite+aiosqlite:///{path}")
            self._sqlite_template = path
        return self._sqlite_template

    async def _server(self) -> tuple[servers.PostgreSQLData, Process]:
        if self._postgresql is None:
            log = self.folder / "postgresql.log"
            data = self._stack.enter_context(servers.postgresql_data(log))

            async def serves() -> bool:
                return data.is_ready(server.pid)

            server = Command("postgresql", data.command, log, serves, cwd=data.place)
            self._stack.callback(server.end, SIGINT)
            server.start()
            await server.until_ready()
            await servers.execute(data.url, f"CREATE DATABASE {_TEMPLATE}")
            await upgrade_url(_as_settings_have_it(servers.database_url(data.url, _TEMPLATE)))
            self._postgresql = data, server
        return self._postgresql


@contextmanager
def opened_site(folder: Path) -> Iterator[Site]:
    """A site whose servers end with the block; databases and logs lie in ``folder``."""
    with ExitStack() as stack:
        yield Site(folder, stack)


def _as_settings_have_it(url: str) -> str:
    return Settings.from_environment({"DATABASE_URL": url}).database_url
