import pytest

from workers import status
from workers.status import Outage


class Log:
    """Keeps what was said, whatever the log's own settings are."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, event: str, **more: object) -> None:
        self.said.append(event)

    info = warning


def test_an_outage_is_said_at_once_then_every_thirty_seconds_and_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log()
    monkeypatch.setattr(status, "log", log)
    now_s = 0.0
    outage = Outage(lambda: now_s)
    outage.is_over()
    for _ in range(4 * 65):
        outage.lasts(OSError("gone"))
        now_s += 0.25
    outage.is_over()
    outage.is_over()
    outage.lasts(OSError("gone"))
    assert log.said == [
        *["status.something_is_away"] * 3,
        "status.all_is_back",
        "status.something_is_away",
    ]
