"""A small process that ends the children of a supervisor which was itself killed.

The supervisor holds one end of a pipe, the guard the other. However the supervisor dies, the kernel closes
its end; the guard then ends the process groups that are still noted, the last stage first. Each child notes
itself between fork and exec, so there is no moment at which a child is known to nobody.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

GRACE_S = 10.0
_POLL_S = 0.05


class Guard:
    """The supervisor's end. Make it before the first thread and the first child."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            _run(reader)
        os.close(reader)

    def introduce(self, stage: int) -> Callable[[], None]:
        """What a child calls between fork and exec, when it already leads its own process group."""

        def note() -> None:
            os.write(self._writer, f"+{os.getpid()} {stage}\n".encode())

        return note

    def forget(self, group: int) -> None:
        """Notes that no process of ``group`` is left."""
        os.write(self._writer, f"-{group}\n".encode())

    def close(self) -> None:
        """Lets the guard end, and waits for it."""
        os.close(self._writer)
        os.waitpid(self._pid, 0)


def _run(reader: int) -> None:
    """The guard's life; never returns. It keeps the lock of the data folder until everything has ended."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        silence = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(silence, standard)
        _end_all(_groups_at_end(reader))
    finally:
        os._exit(0)


def _groups_at_end(reader: int) -> dict[int, int]:
    """Reads until the supervisor has gone; returns the stage of each process group that is still noted."""
    groups: dict[int, int] = {}
    with os.fdopen(reader, "rb") as notes:
        for note in notes:
            mark, words = note[:1], note[1:].split()
            if mark == b"+":
                groups[int(words[0])] = int(words[1])
            else:
                groups.pop(int(words[0]), None)
    return groups


def _end_all(groups: dict[int, int]) -> None:
    for stage in sorted(set(groups.values()), reverse=True):
        members = [group for group, of in groups.items() if of == stage]
        for group in members:
            signal_group(group, signal.SIGTERM)
        deadline_s = time.monotonic() + GRACE_S
        while living_groups() & set(members) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        for group in members:
            signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: signal.Signals) -> None:
    """Sends ``number`` to every process of ``group``; a group that has gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def living_groups() -> set[int]:
    """The process groups of this machine in which something still runs.

    A zombie does not: an orphan's waits for the machine's first process, which may take its time. That is
    why the kernel is not simply asked whether the group exists.
    """
    groups = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything; then state, parent, group.
            state, _, group, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if state not in ("Z", "X"):
                groups.add(int(group))
    return groups
