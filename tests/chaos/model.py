"""The booking service against a plain model of a car park, example after example."""

import random
from collections import Counter
from pathlib import Path
from time import monotonic

from tests import servers
from tests.integration.bookings.model.exploring import STEPS, explore
from tests.integration.bookings.model.office import opened_office

EXAMPLES_AT_ONCE = 10


def explore_for(database_url: str, folder: Path, seed: str, seconds: float) -> Counter[str]:
    """Explores for so long; returns how many examples, steps and calls that were. Not for an event loop.

    Raises what contradicts the model, with the fewest steps that lead to it.
    """
    source, done, until_s = random.Random(seed), Counter[str](), monotonic() + seconds
    with servers.start_redis(folder) as redis_url, opened_office(database_url, redis_url) as office:
        while not done or monotonic() < until_s:
            explored = explore(office, EXAMPLES_AT_ONCE, source.randrange(2**32), STEPS)
            done.update(examples=explored.examples, steps=explored.steps, calls=explored.calls)
    return done
