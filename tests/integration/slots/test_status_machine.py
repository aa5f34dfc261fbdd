"""The status scripts against a plain model; and scripts with a fault in them, which must be found."""

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.core.redis import Script
from app.slots import status
from tests.integration.slots.status_machine import STRETCH, StatusMachine

THOROUGH = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
# The first fault is enough, and it must be found at every run: no shrinking, no chance.
CONTROL = settings(THOROUGH, derandomize=True, database=None, phases=[Phase.generate], max_examples=60)


@dataclass(frozen=True)
class Fault:
    """One way to write a script wrongly: ``right`` in it replaced by ``wrong``."""

    script: str
    right: str
    wrong: str


class FaultyScript(Script):
    """A script of the application with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__("app.slots", fault.script)
        assert fault.right in self._source, "the fault is not where it is looked for"
        self._source = self._source.replace(fault.right, fault.wrong)
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def leases_that_only_the_test_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "LEASE_MS", 3_600_000)
    monkeypatch.setattr(status, "BUILDER_MS", 3_600_000)
    monkeypatch.setattr(status, "STRETCH_RANKS", STRETCH)


def test_whatever_happens_in_whatever_order_redis_holds_what_the_model_holds(redis_url: str) -> None:
    run_state_machine_as_test(lambda: StatusMachine(redis_url), settings=THOROUGH)


GUARD = "  if version >= known then\n    if version > known then\n"
NO_GUARD = "  if true then\n    if true then\n"
OLD_SET = "if known_class ~= class then redis.call('SETBIT'"
TAKE_BACK = "if #record == 8 and record:byte(7) == 0 then"
FAULTS = {
    "an older version wins": Fault("apply", GUARD, NO_GUARD),
    "a change leaves its lease": Fault("apply", "redis.call('ZREM', KEYS[3], rank)\n", "\n"),
    "another class leaves the old set": Fault("apply", OLD_SET, "if false then redis.call('SETBIT'"),
    "nothing changed and yet a number": Fault("apply", "if #changes == 0 then", "if false then"),
    "a lease that ended is forgotten": Fault("propose", TAKE_BACK, "if false then"),
    "a lease that ended is kept": Fault("propose", "  redis.call('ZREM', KEYS[3], rank)\n", "\n"),
    "a crossed change is not doubted": Fault("apply", "older = older + 1", "older = 0"),
    "two rebuilds at once": Fault("finish", "meta[3] ~= ARGV[6]", "false"),
    "a rebuild that ended keeps the others away": Fault("finish", "redis.call('DEL', KEYS[2])", ""),
    "nobody is kept away": Fault("begin", "redis.call('PTTL', KEYS[5]) > 0", "false"),
    "what is built is built again": Fault("begin", "ARGV[7] ~= '1' and", "false and"),
    "a load over a live change": Fault("load", "if known ~= string.rep", "if false and string.rep"),
    "a load over the slot in the same byte": Fault("load", "math.ceil(count / 8) * 8", "count"),
    "a load of a rebuild that is over": Fault("load", "if meta[3] ~= ARGV[4]", "if false"),
    "a class without its mark": Fault("load", "redis.call('SADD', KEYS[3], ARGV[i]) == 1", "true"),
    "a lost number begins anew": Fault("begin", "string.match(meta[3] or '', '^%d+$')", "true"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_script_with_a_fault_does_not_pass(
    fault: Fault, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the machine is only worth its time if it bites."""
    monkeypatch.setattr(status, f"_{fault.script}", FaultyScript(fault))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(lambda: StatusMachine(redis_url), settings=CONTROL)
