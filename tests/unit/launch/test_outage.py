import pytest

from workers import duties
from workers.duties import Outage


class Log:
    """Keeps what was said, whatever the log's own settings are."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, event: str, **more: object) -> None:
        self.said.append(event)

    info = warning


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()
    monkeypatch.setattr(duties, "log", log)
    return log


def test_an_outage_is_said_at_once_then_every_thirty_seconds_and_its_end(log: Log) -> None:
    now_s = 0.0
    outage = Outage(lambda: now_s)
    outage.is_over("relay")
    for _ in range(4 * 65):
        outage.lasts("relay", OSError("gone"))
        now_s += 0.25
    outage.is_over("relay")
    outage.is_over("relay")
    outage.lasts("relay", OSError("gone"))
    assert log.said == [
        *["worker.something_is_away"] * 3,
        "worker.all_is_back",
        "worker.something_is_away",
    ]


def test_all_is_back_when_every_duty_goes_well_again(log: Log) -> None:
    outage = Outage(lambda: 0.0)
    outage.lasts("build", OSError("gone"))
    outage.lasts("relay", OSError("gone"))
    outage.is_over("relay")
    outage.is_over("scrub")
    assert log.said == ["worker.something_is_away"]
    outage.is_over("build")
    assert log.said == ["worker.something_is_away", "worker.all_is_back"]
