"""What a long form of the chaos suite is: what it promises, and how much of it is enough."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tests.chaos.figures import Figures
from tests.chaos.site import Kind
from tests.chaos.trials import Result, Trial

Run = Callable[[Trial], Awaitable[Result]]


@dataclass(frozen=True)
class Form:
    """``name`` is what ``--only`` takes; ``title`` and ``kind`` tell forms of one name apart. It has run long
    enough when the sum ``counted`` has come to ``goal``. ``least_s``: less time is of no use to it;
    ``slice_s``: so long it runs before another one has its turn. ``tells`` puts its figures into words.
    """

    name: str
    title: str
    kind: Kind
    promise: str
    counted: str
    goal: int
    least_s: float
    slice_s: float
    run: Run
    tells: Callable[[Mapping[str, float]], str]
    violations: str = "violations"

    @property
    def key(self) -> str:
        """Names it among all."""
        return f"{self.title}, {self.kind}"

    def words(self, figures: Figures) -> str:
        """Its figures as a sentence; what has not been counted yet is 0."""
        return self.tells(defaultdict(float, {**figures.sums, **figures.most}))

    def progress(self, figures: Figures) -> float:
        """How much of its goal is done; 1 is all."""
        return figures.sums.get(self.counted, 0) / self.goal


def times(count: float) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count:.0f} times"
