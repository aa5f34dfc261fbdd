"""A booking service that is broken in one way must not pass: the machine must bite."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis.errors import Flaky

from tests.integration.bookings.model.broken import BROKEN, Break
from tests.integration.bookings.model.exploring import explore
from tests.integration.bookings.model.office import Office, opened_office

# Each is caught much sooner; a budget that is far too large leaves nothing to chance.
EXAMPLES = 400
SEED = 0


@pytest.fixture
def office(sqlite_template: Path, redis_url: str, tmp_path: Path) -> Iterator[Office]:
    file = Path(shutil.copy(sqlite_template, tmp_path / "lotline.db"))
    with opened_office(f"sqlite+aiosqlite:///{file}", redis_url) as office:
        yield office


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_service_is_caught(broken: Break, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, office)
    with pytest.raises((AssertionError, Flaky)) as caught:
        explore(office, EXAMPLES, SEED, phases=(Phase.generate,))
    print(caught.value)
