"""What one run must have for itself before it starts anything: its data folder and its port."""

import errno
import fcntl
import os
import socket
import time
from pathlib import Path

_LOCK_NAME = "lotline.lock"
_FREE_PORTS_TRIED = 50
# The guard of a killed run gives each of two stages 10 s.
_CLEANING_S = 22.0


class CannotStart(Exception):
    """Nothing was started; the message tells the person at the terminal why, and what to do."""


def claim_data_dir(data_dir: Path) -> int:
    """Makes the folder and locks it for this process. Returns the lock's descriptor: keep it open."""
    lock = _opened_lock(data_dir)
    deadline_s = time.monotonic() + _CLEANING_S
    while not _try_lock(lock):
        owner = _owner(lock)
        if owner is None or _is_alive(owner) or time.monotonic() > deadline_s:
            os.close(lock)
            raise CannotStart(
                f"Lotline already runs on {data_dir}{f' (process {owner})' if owner else ''}. "
                "Stop it first, or give this one a folder and a port of its own: "
                "LOTLINE_DATA=var/second PORT=8001 bin/run"
            )
        # Its owner was killed, and the guard is just ending what the owner had started.
        time.sleep(0.05)
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _opened_lock(data_dir: Path) -> int:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(data_dir / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = "it is no folder" if data_dir.is_file() else error.strerror
        raise CannotStart(
            f"{data_dir} cannot hold the data: {reason}. LOTLINE_DATA names another folder."
        ) from error


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(lock: int) -> int | None:
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def check_port(host: str, port: int) -> None:
    """Raises CannotStart where a server could not listen on ``host`` and ``port``."""
    try:
        _bind(host, port)
    except OSError as error:
        raise CannotStart(_why_not(error, host, port)) from error


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use; try PORT={_free_port_after(host, port)} bin/run"
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}; try PORT={_free_port_after(host, 7999)} bin/run"
    return (
        f"HOST={host} is no address of this machine ({error.strerror or error}); try HOST=127.0.0.1 bin/run"
    )


def _free_port_after(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 1 + _FREE_PORTS_TRIED, 65536)):
        try:
            _bind(host, candidate)
        except OSError:
            continue
        return candidate
    return port + 1


def _bind(host: str, port: int) -> None:
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as probe:
            # As the web server does: a port in TIME_WAIT is not in use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
