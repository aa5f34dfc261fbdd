"""Structured logs: JSON lines, or coloured ones on a terminal."""

import atexit
import functools
import logging
import queue
import sys
import threading
from typing import TextIO

import structlog

from app.core import metrics

# Lines that may wait while nobody reads them; later ones are dropped, and counted.
LONGEST_QUEUE = 10_000
WRITTEN_WITHIN_S = 1.0


class Outlet:
    """Writes lines to a stream in a thread of its own: whoever logs never waits, and never fails.

    A pipe that nobody reads, or a full disk, would otherwise hold up a process that has bookings to make.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # Its `put` may come in the middle of another one, as from a finalizer that has something to say.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def write(self, text: str) -> int:
        """Takes the text; drops it where too much waits."""
        if self._lines.qsize() >= LONGEST_QUEUE:
            metrics.LOG_LINES_DROPPED.inc()
        else:
            self._lines.put(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits for what is written by and by."""

    def close(self) -> None:
        """Writes what waits, as far as that is quickly done."""
        self._lines.put(None)
        self._writer.join(WRITTEN_WITHIN_S)

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                self._stream.write(text)
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                metrics.LOG_LINES_DROPPED.inc()


class OfLibraries(logging.Formatter):
    """What libraries log, with its traceback; but one line where a pool ends connections that are broken.

    That is no fault: it is what becomes of them when SQL is killed, and it would fill pages.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        if record.exc_info and record.name.startswith("sqlalchemy.pool"):
            error = record.exc_info[1]
            record = logging.makeLogRecord({**record.__dict__, "exc_info": None, "exc_text": None})
            return f"{super().format(record)}: {error!r}"
        return super().format(record)


@functools.cache
def configure() -> None:
    """Sets up the logs of this process, those of libraries included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    on_terminal = sys.stderr.isatty()
    final: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    outlet = Outlet(sys.stderr)
    atexit.register(outlet.close)
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(outlet),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    of_libraries = logging.StreamHandler(outlet)
    of_libraries.setFormatter(OfLibraries("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[of_libraries])
