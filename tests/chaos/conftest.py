"""What the tests of whole processes start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos.town import Town, town


@pytest.fixture
async def here(tmp_path: Path, database_url: str) -> AsyncIterator[Town]:
    """A town of its own for each test: web process, worker, Redis, one lot, one viewer."""
    async with town(tmp_path, database_url) as made:
        yield made
