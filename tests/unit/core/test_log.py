"""The log never holds up, and never fails, whoever has something to say."""

import logging
import os
import sys
import threading
from io import StringIO

import pytest

from app.core import log as log_module
from app.core import metrics
from app.core.log import OfLibraries, Outlet


class Full(StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def dropped() -> float:
    return metrics.LOG_LINES_DROPPED._value.get()


def test_what_is_logged_is_written_in_order() -> None:
    stream = StringIO()
    outlet = Outlet(stream)
    for number in range(100):
        outlet.write(f"{number}\n")
    outlet.close()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_a_full_disk_costs_the_lines_and_nothing_else() -> None:
    before, outlet = dropped(), Outlet(Full())
    for _ in range(3):
        outlet.write("line\n")
    outlet.close()
    assert dropped() == before + 3


def test_a_pipe_that_nobody_reads_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "LONGEST_QUEUE", 10)
    read, write = os.pipe()
    before = dropped()
    with os.fdopen(write, "w") as stream:
        outlet = Outlet(stream)

        def say() -> None:
            for _ in range(1_000):
                outlet.write("x" * 999 + "\n")

        talker = threading.Thread(target=say)
        talker.start()
        talker.join(10)
        assert not talker.is_alive()
        assert dropped() > before
        # Whoever reads at last lets the writer end.
        reader = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(read, 65_536), b"")])
        reader.start()
        outlet._lines.put(None)
        outlet._writer.join(10)
        assert not outlet._writer.is_alive()
    reader.join(10)
    os.close(read)


def logged(name: str) -> str:
    try:
        raise ConnectionError("the server has gone")
    except ConnectionError:
        error = sys.exc_info()
    record = logging.LogRecord(name, logging.ERROR, "", 0, "Exception terminating %s", ("it",), error)
    return OfLibraries("%(levelname)s %(name)s %(message)s").format(record)


def test_a_connection_that_can_not_be_ended_in_order_is_one_line_of_the_log() -> None:
    said = logged("sqlalchemy.pool.impl.AsyncAdaptedQueuePool")
    assert said == (
        "ERROR sqlalchemy.pool.impl.AsyncAdaptedQueuePool Exception terminating it: "
        "ConnectionError('the server has gone')"
    )


def test_any_other_error_of_a_library_keeps_its_traceback() -> None:
    assert "Traceback" in logged("asyncio")
