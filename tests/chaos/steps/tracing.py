"""What the application does when a protocol runs: its steps, and when it speaks to SQL and to Redis."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.steps.boundary import Ways, disturbed_by, listening
from tests.chaos.steps.ground import Office
from tests.chaos.steps.requests import Case, ask, ask_before
from tests.chaos.steps.striking import AtSteps, given_to
from tests.chaos.steps.table import BOOKINGS, Part, Protocol, Step, functions
from tests.chaos.steps.trying import work
from tests.chaos.steps.watched import Edge, is_observed_by, observed_by, watching


@dataclass
class Heard:
    """A part was spoken to: in which steps that had begun and not ended, the last one last."""

    part: Part
    within: tuple[Step, ...]


@dataclass
class Trace(AtSteps):
    """``events``: steps as they begin, and what is heard of the parts."""

    steps: Sequence[Step] = ()
    ways: Ways = field(kw_only=True)
    events: list[Step | Heard] = field(default_factory=list)
    _open: list[Step] = field(default_factory=list)
    _asked: int = 0

    def before(self, function: str, edge: Edge) -> int:
        self._listen_to_redis()
        nth = super().before(function, edge)
        for step in self._are(function, edge, nth):
            self.events.append(step)
            self._open.append(step)
        return nth

    def after(self, function: str, edge: Edge, nth: int) -> None:
        self._listen_to_redis()
        super().after(function, edge, nth)
        for step in self._are(function, edge, nth):
            self._open.remove(step)

    def hear_sql(self) -> None:
        """SQL is told something at this moment, by whomever."""
        if is_observed_by(self):
            self._listen_to_redis()
            self.events.append(Heard(Part.SQL, tuple(self._open)))

    @property
    def begun(self) -> list[Step]:
        """In the order in which they began."""
        return [one for one in self.events if isinstance(one, Step)]

    @property
    def heard(self) -> list[Heard]:
        return [one for one in self.events if isinstance(one, Heard)]

    def next_heard(self, step: Step, part: Part) -> Step | None:
        """The step that was the first to speak to that part since this one began."""
        later = self.events[self.events.index(step) :]
        return next((one.within[-1] for one in later if isinstance(one, Heard) and one.part is part), None)

    def _listen_to_redis(self) -> None:
        if self.ways.redis.asked > self._asked:
            self.events.append(Heard(Part.REDIS, tuple(self._open)))
        self._asked = self.ways.redis.asked

    def _are(self, function: str, edge: Edge, nth: int) -> list[Step]:
        return [step for step in self.steps if (step.function, step.edge, step.nth) == (function, edge, nth)]


async def traced(office: Office, protocol: Protocol, number: int) -> Trace:
    """Runs it once, in the lot with this number if it is one of bookings."""
    acts, given = given_to(protocol, office.ways)
    case, before = Case(protocol, number), None
    if protocol in BOOKINGS:
        office.ways.redis.is_dead = protocol.redis_is_dead
        async with office.desk() as desk:
            before = await ask_before(desk, case)
    async with office.desk() as desk:
        trace = Trace(acts, steps=protocol.steps, ways=office.ways)
        trace._asked = office.ways.redis.asked
        with (
            watching(functions([protocol])),
            listening(trace.hear_sql),
            observed_by(trace),
            disturbed_by(given),
        ):
            if before is None:
                await work(protocol, desk)
            else:
                await ask(desk, case, before)
        return trace
