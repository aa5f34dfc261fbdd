"""`lotline rebuild` and `lotline scrub` over a Redis and a database of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import servers
from tests.integration.launch.test_commands import DEMO, lotline, refused
from tests.integration.launch.test_commands import data as data  # the fixture


@pytest.fixture
def running(data: Path) -> Iterator[tuple[Path, "redis.Redis"]]:
    """A data folder whose embedded Redis runs and knows the demo's lots."""
    with servers.start_redis(data) as url:
        assert lotline(data, "import-slots", "--plates", DEMO).returncode == 0
        assert lotline(data, "rebuild").stdout == "The status of 4 lots was rebuilt.\n"
        with redis.Redis.from_url(url) as client:
            yield data, client


def test_a_scrub_that_finds_nothing_says_so(running: tuple[Path, "redis.Redis"]) -> None:
    done = lotline(running[0], "scrub")
    assert (done.returncode, done.stdout) == (0, "The status is true to the database.\n")


def test_a_scrub_names_what_it_found_and_the_next_one_finds_nothing(
    running: tuple[Path, "redis.Redis"],
) -> None:
    data, client = running
    # Two slots that are free are offered no more; another one is of a state that SQL does not know.
    client.setbit("lot:{1}:free:1", client.bitpos("lot:{1}:free:1", 1), 0)
    client.setbit("lot:{1}:free:1", client.bitpos("lot:{1}:free:1", 1), 0)
    client.setrange("lot:{2}:slots", 6, b"\x03")
    said = refused(lotline(data, "scrub")).splitlines()
    assert said[0].endswith("2 places wrong, of the kind free-set; mended.")
    assert any(line.endswith("1 place wrong, of the kind state; mended.") for line in said)
    assert said[-1] == "What the kinds mean: docs/metrics.md"
    assert lotline(data, "scrub").returncode == 0


def test_a_rebuild_waits_for_a_lot_that_somebody_else_builds(running: tuple[Path, "redis.Redis"]) -> None:
    data, client = running
    client.set("lot:{1}:builder", "a worker", px=1_500)
    assert lotline(data, "rebuild").stdout == "The status of 4 lots was rebuilt.\n"
    assert not client.exists("lot:{1}:builder")
    assert lotline(data, "scrub").returncode == 0


def test_a_scrub_of_a_status_that_is_not_built_says_what_to_do(running: tuple[Path, "redis.Redis"]) -> None:
    data, client = running
    client.flushall()
    assert refused(lotline(data, "scrub")) == (
        "The status is not built: start bin/run, or type bin/lotline rebuild.\n"
    )


def test_a_scrub_without_redis_is_a_sentence(data: Path) -> None:
    assert "Redis cannot be reached" in refused(lotline(data, "scrub"))
