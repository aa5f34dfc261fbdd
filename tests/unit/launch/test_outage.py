from structlog.testing import capture_logs

from workers.status import Outage


def test_an_outage_is_said_at_once_then_every_thirty_seconds_and_its_end() -> None:
    now_s = 0.0
    outage = Outage(lambda: now_s)
    with capture_logs() as log:
        outage.is_over()
        for _ in range(4 * 65):
            outage.lasts(OSError("gone"))
            now_s += 0.25
        outage.is_over()
        outage.is_over()
        outage.lasts(OSError("gone"))
    assert [entry["event"] for entry in log] == [
        *["status.something_is_away"] * 3,
        "status.all_is_back",
        "status.something_is_away",
    ]
