"""The booking service is the plain car park, whatever happens in whatever order."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.integration.bookings.model.exploring import explore
from tests.integration.bookings.model.office import Office, opened_office

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "50"))
SEED = os.environ.get("MODEL_SEED")


@pytest.fixture
def office(database_url: str, redis_url: str) -> Iterator[Office]:
    with opened_office(database_url, redis_url) as office:
        yield office


@pytest.mark.timeout(3600)
def test_whatever_is_asked_and_whatever_goes_wrong_the_service_keeps_to_the_model(office: Office) -> None:
    seed = random.randrange(2**32) if SEED is None else int(SEED)
    print(f"seed {seed}")
    print(explore(office, EXAMPLES, seed))
