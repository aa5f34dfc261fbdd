"""What the tests of whole processes start from."""

from collections.abc import Iterator

import pytest

from tests.chaos.site import Kind, Site, opened_site
from tests.conftest import BOTH_DATABASES


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the whole run, with a PostgreSQL of its own that tests may kill."""
    with opened_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(params=BOTH_DATABASES)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of database in turn."""
    return Kind(request.param)
