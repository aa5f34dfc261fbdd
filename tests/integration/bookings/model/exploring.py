"""Runs of the machine: so many examples from a seed, and what they came to."""

import sys
from dataclasses import dataclass
from time import monotonic

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky, HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.bookings.model.machine import BookingMachine
from tests.integration.bookings.model.office import Office

STEPS = 50
PHASES = (Phase.generate, Phase.shrink)


@dataclass
class Explored:
    """What was run; ``calls`` counts requests that were made of the service."""

    examples: int = 0
    steps: int = 0
    calls: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.examples} examples, {self.steps} steps, {self.calls} calls in {self.seconds:.1f} s:"
            f" {self.steps / max(self.seconds, 1e-9):.0f} steps/s"
        )


class Contradiction(AssertionError):
    """The service did not keep to the model; the message tells all that was asked and answered till then."""


def explore(
    office: Office, examples: int, begin: int, steps: int = STEPS, phases: tuple[Phase, ...] = PHASES
) -> Explored:
    """Runs so many examples of so many steps, drawn from the seed ``begin``.

    Raises what the machine found, after printing the fewest steps that lead to it.
    """
    explored = Explored()
    found: list[tuple[Exception, list[str]]] = []

    class Machine(BookingMachine):
        def __init__(self) -> None:
            super().__init__(office)
            explored.examples += 1

        def teardown(self) -> None:
            explored.steps += self.steps
            explored.calls += self.calls
            error = sys.exception()
            if isinstance(error, Exception) and not isinstance(error, HypothesisException):
                found.append((error, self.story))

    began_s = monotonic()
    run = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(begin)(Machine), settings=run)
    except Flaky:
        # What happens at once need not happen the same way again: the first time counts.
        if not found:
            raise
    finally:
        explored.seconds = monotonic() - began_s
    if found:
        error, story = found[0]
        raise Contradiction("\n".join([f"seed {begin}", *story, repr(error)])) from error
    return explored
