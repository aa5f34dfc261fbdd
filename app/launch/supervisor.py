"""Starts processes, starts them again when they die, and ends them all in order."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.launch.backoff import Backoff
from app.launch.guard import GRACE_S, Guard, living_groups, signal_group
from app.launch.output import Lines, Output

_READ_BYTES = 65536
_POLL_S = 0.02
_LAST_LINES_S = 1.0
# What a shell answers for a command that it cannot find.
_COULD_NOT_START = 127


@dataclass(frozen=True)
class Program:
    """A process to keep alive. Those of a higher stage use those of a lower one, and are ended first.

    ``env`` goes beside what all of them get.
    """

    name: str
    command: tuple[str, ...]
    stage: int = 1
    env: tuple[tuple[str, str], ...] = ()


class Supervisor:
    """Keeps programs alive, each in a process group of its own: Ctrl-C reaches only the supervisor."""

    def __init__(
        self,
        guard: Guard,
        output: Output,
        cwd: Path,
        env: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deaths: Counter[str] = Counter()
        self._guard = guard
        self._output = output
        self._cwd = cwd
        self._env = dict(env)
        self._clock = clock
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tending: dict[str, asyncio.Task[None]] = {}
        self._groups: dict[int, int] = {}

    def start(self, program: Program) -> None:
        """Starts ``program`` and keeps it alive until ``stop``."""
        self._tending[program.name] = asyncio.create_task(self._tend(program), name=program.name)

    async def run_once(self, program: Program) -> tuple[int, bytes]:
        """Runs ``program`` to its end; returns its exit code and what it wrote to standard output.

        What it writes to standard error goes to the terminal. ``stop`` ends it as well.
        """
        answer = bytearray()
        code = await self._life(program, answer)
        return code, bytes(answer)

    def hurry(self) -> None:
        """Shortens the time that ``stop`` leaves to the programs above stage 0, which keeps the data."""
        self._hurry.set()

    async def stop(self) -> None:
        """Ends every program, the highest stage first: SIGTERM, and SIGKILL after 10 s."""
        self._stopping.set()
        pending = set(self._tending.values())
        while pending or self._groups:
            while self._groups:
                await self._end_stage(max(self._groups.values()))
            if pending:
                _, pending = await asyncio.wait(pending, timeout=_POLL_S)

    @property
    def is_stopping(self) -> bool:
        """True from the call of ``stop`` on."""
        return self._stopping.is_set()

    async def _end_stage(self, stage: int) -> None:
        members = [group for group, of in self._groups.items() if of == stage]
        for group in members:
            signal_group(group, signal.SIGTERM)
        if not await self._gone(members, GRACE_S, may_hurry=stage > 0):
            for group in members:
                signal_group(group, signal.SIGKILL)
            await self._gone(members, GRACE_S, may_hurry=False)
        for group in members:
            self._groups.pop(group, None)

    async def _gone(self, groups: list[int], within_s: float, may_hurry: bool) -> bool:
        deadline_s = self._clock() + within_s
        while self._groups.keys() & groups or living_groups() & set(groups):
            if self._clock() > deadline_s or (may_hurry and self._hurry.is_set()):
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def _tend(self, program: Program) -> None:
        backoff = Backoff(self._clock)
        while not self._stopping.is_set():
            backoff.started()
            code = await self._life(program, None)
            if self._stopping.is_set():
                return
            self.deaths[program.name] += 1
            delay_s = backoff.died()
            self._output.line(program.name, f"{_cause(code)}; starts again in {delay_s:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    async def _life(self, program: Program, answer: bytearray | None) -> int:
        """Runs ``program`` once and returns its exit code when no process of its group is left."""
        reader, writer = os.pipe()
        try:
            process = await self._spawn(program, writer, answer is not None)
        except OSError as error:
            os.close(reader)
            self._output.line(program.name, f"{program.command[0]}: {error.strerror}")
            return _COULD_NOT_START
        reading = asyncio.create_task(_forward(reader, Lines(self._output, program.name)))
        if answer is not None and process.stdout is not None:
            answer += await process.stdout.read()
        code = await process.wait()
        # What the leader left behind would hold its port and its pipe.
        signal_group(process.pid, signal.SIGKILL)
        self._groups.pop(process.pid, None)
        self._guard.forget(process.pid)
        # A daemon that left the group may still hold the pipe: it is not waited for.
        await asyncio.wait({reading}, timeout=_LAST_LINES_S)
        reading.cancel()
        return code

    async def _spawn(self, program: Program, writer: int, keep_answer: bool) -> asyncio.subprocess.Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if keep_answer else writer,
                stderr=writer,
                cwd=self._cwd,
                env=self._env | dict(program.env),
                start_new_session=True,
                preexec_fn=self._guard.introduce(program.stage),
            )
        finally:
            os.close(writer)
        self._groups[process.pid] = program.stage
        if self._stopping.is_set():
            signal_group(process.pid, signal.SIGTERM)
        return process


async def _forward(reader: int, lines: Lines) -> None:
    """Copies what arrives at the pipe ``reader`` to ``lines`` until its other end is closed."""
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader, "rb", buffering=0)
    )
    try:
        while data := await stream.read(_READ_BYTES):
            lines.feed(data)
        lines.feed(b"")
    finally:
        transport.close()


def _cause(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
