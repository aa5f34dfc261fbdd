"""The long forms of the chaos suite: what each runs for a while, counts, and promises."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos import broken, clocks, kills, race, redis_loss, replies
from tests.chaos.broken import Variant, race_until_caught
from tests.chaos.checker import Violation
from tests.chaos.clocks import run_with_wrong_clocks, wrong_clocks
from tests.chaos.deployment import Shape
from tests.chaos.figures import Figures
from tests.chaos.history import Action, History, Outcome
from tests.chaos.kills import kill_again_and_again
from tests.chaos.model import explore_for
from tests.chaos.redis_loss import Pace, lose_redis
from tests.chaos.region import opened_region
from tests.chaos.replies import lose_replies, town_behind_redis_proxy, town_behind_sql_proxy
from tests.chaos.sabotage import drop_the_index
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town
from tests.integration.bookings.model.exploring import STEPS

NO_END = 10**9


@dataclass(frozen=True)
class Trial:
    """One run of a form. What its clients asked goes into ``history``, also where the run fails."""

    site: Site
    folder: Path
    seed: str
    seconds: float
    history: History


@dataclass(frozen=True)
class Result:
    """``sums`` are to be added to those of other runs; of ``most`` the greatest counts."""

    found: list[Violation]
    sums: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """``name`` is what ``--only`` takes, ``part`` tells forms of one name apart. It has run long enough when
    the sum ``counted`` has come to ``goal``. ``least_s``: less time is of no use to it; ``slice_s``: so long
    it runs before another one has its turn. ``tells`` puts its figures into words.
    """

    name: str
    part: str
    title: str
    promise: str
    counted: str
    goal: int
    least_s: float
    slice_s: float
    run: Callable[[Trial], Awaitable[Result]]
    tells: Callable[[Mapping[str, float]], str]

    @property
    def key(self) -> str:
        """Names it among all."""
        return f"{self.name} {self.part}"

    def words(self, figures: Figures) -> str:
        """Its figures as a sentence; what has not been counted yet is 0."""
        return self.tells(defaultdict(float, {**figures.sums, **figures.most}))

    def progress(self, figures: Figures) -> float:
        """How much of its goal is done; 1 is all."""
        return figures.sums.get(self.counted, 0) / self.goal


async def _race(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_town(base, trial.folder, Shape(webs=kind.webs), race.SLOTS, race.PREMIUM_SLOTS) as town,
    ):
        raced = await race.race(town, trial.history, trial.seed, NO_END, trial.seconds)
    sums = {
        "operations": len(trial.history.operations),
        "all taken": trial.history.count(Action.RESERVE, Outcome.REFUSED, "all-taken"),
        "reserved": trial.history.count(Action.RESERVE, Outcome.OK),
    }
    return Result(raced.found, sums, {"settled": raced.settled_s})


async def _broken(kind: Kind, variant: Variant, trial: Trial) -> Result:
    async with trial.site.base(kind, trial.folder) as base:
        if variant.without_index:
            await drop_the_index(base.url)
        shape = Shape(webs=variant.webs(kind), serve=variant.serve)
        async with opened_town(base, trial.folder, shape, broken.SLOTS, broken.PREMIUM_SLOTS) as town:
            found = await race_until_caught(town, trial.history, variant, trial.seed)
    missed = [] if found.caught else [Violation("not caught", f"{variant.name}: only {dict(found.kinds)}")]
    sums = {"caught": float(found.caught), "operations": len(trial.history.operations)}
    return Result(missed, sums)


async def _kills(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_town(base, trial.folder, Shape(webs=kind.webs), kills.SLOTS, kills.PREMIUM_SLOTS) as town,
    ):
        killed = await kill_again_and_again(town, trial.history, trial.seed, trial.seconds)
    sums = {f"{name} killed": float(count) for name, count in killed.kills.items()}
    sums |= {"kills": killed.kills.total(), "operations": len(trial.history.operations)}
    return Result(killed.found, sums, {"converged": killed.slowest_s})


async def _redis_replies(kind: Kind, trial: Trial) -> Result:
    async with town_behind_redis_proxy(trial.site, kind, trial.folder, trial.seed) as (town, proxy):
        answered = await lose_replies(town, proxy, trial.history, trial.seed, NO_END, trial.seconds)
    return _of_replies(trial, answered)


async def _sql_replies(trial: Trial) -> Result:
    async with town_behind_sql_proxy(trial.site, trial.folder, trial.seed) as (town, proxy):
        answered = await lose_replies(town, proxy, trial.history, trial.seed, NO_END, trial.seconds)
    return _of_replies(trial, answered)


def _of_replies(trial: Trial, answered: replies.Answered) -> Result:
    claims = trial.history.count(Action.RESERVE, Outcome.OK)
    return Result(answered.found, {"claims": claims, "lost": answered.lost})


async def _redis_loss(kind: Kind, lots: int, within_s: float, trial: Trial) -> Result:
    pace = Pace(redis_loss.REQUESTS_PER_S, calm_s=5.0, within_s=within_s, gives_up_after_s=4 * within_s)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_region(
            base, trial.folder, Shape(webs=kind.webs), lots, redis_loss.LOT_SLOTS, redis_loss.WATCHED
        ) as region,
    ):
        lost = await lose_redis(region, trial.history, trial.seed, pace)
    answers = trial.history.operations
    sums = {
        "faults": len(lost.whole_after_s),
        "operations": len(answers),
        "failed": sum(one.answer.outcome is Outcome.UNKNOWN for one in answers),
    }
    return Result(lost.found, sums, lost.whole_after_s)


async def _clocks(trial: Trial) -> Result:
    webs = Kind.POSTGRESQL.webs
    shape = Shape(webs=webs, environment=wrong_clocks(webs))
    async with (
        trial.site.base(Kind.POSTGRESQL, trial.folder) as base,
        opened_town(base, trial.folder, shape, clocks.SLOTS, clocks.PREMIUM_SLOTS) as town,
    ):
        timed = await run_with_wrong_clocks(town, trial.history, trial.seed, NO_END, trial.seconds)
    return Result(timed.found, {"amounts": timed.amounts, "operations": len(trial.history.operations)})


async def _model(kind: Kind, trial: Trial) -> Result:
    async with trial.site.base(kind, trial.folder) as base:
        # It has an event loop of its own.
        done = await asyncio.to_thread(explore_for, base.url, trial.folder, trial.seed, trial.seconds)
    return Result([], done)


_DATABASES = {Kind.SQLITE: "SQLite", Kind.POSTGRESQL: "PostgreSQL"}
_PLACES = {Kind.SQLITE: "SQLite, one web process", Kind.POSTGRESQL: "PostgreSQL, three web processes"}
_CLIENTS = f"{race.CLIENTS} clients, {race.SLOTS} slots"


def _race_form(kind: Kind) -> Form:
    return Form(
        name="race",
        part=kind,
        title=f"{_CLIENTS}; {_PLACES[kind]}",
        promise="100,000 operations, at least 20 % honest 404: 0 overlaps, 0 lost, 0 false “full”",
        counted="operations",
        goal=100_000,
        least_s=15,
        slice_s=240,
        run=partial(_race, kind),
        tells=lambda sums: (
            f"{sums['operations']:,.0f} operations, {sums['all taken'] / max(sums['operations'], 1):.0%} "
            f"of them 404; all agreed after {sums['settled']:.1f} s at most"
        ),
    )


def _broken_form(kind: Kind, variant: Variant) -> Form:
    return Form(
        name="broken",
        part=f"{kind}, {variant.name}",
        title=f"the same race, {variant.name}; {_DATABASES[kind]}",
        promise="must be caught, each time",
        counted="caught",
        goal=20,
        least_s=15,
        slice_s=15,
        run=partial(_broken, kind, variant),
        tells=lambda sums: (
            f"caught {sums['caught']:.0f} times, after {sums['operations'] / max(sums['caught'], 1):,.0f} "
            "operations on average"
        ),
    )


def _kills_form(kind: Kind) -> Form:
    killed = ("web-1", "web-2", "web-3", "status", "bookings", "redis", "postgresql")
    return Form(
        name="kills",
        part=kind,
        title=f"`kill -9` at random moments, of every part; {_PLACES[kind]}",
        promise="1,000 kills: 0 lost, 0 double, 0 leaked slots; all agree 2 s after every part is ready",
        counted="kills",
        goal=1_000,
        least_s=15,
        slice_s=240,
        run=partial(_kills, kind),
        tells=lambda sums: (
            f"{sums['kills']:,.0f} kills ("
            + ", ".join(f"{name} {sums[f'{name} killed']:.0f}" for name in killed if f"{name} killed" in sums)
            + f") during {sums['operations']:,.0f} operations; all agreed "
            f"after {sums['converged']:.2f} s at most"
        ),
    )


def _replies_form(part: str, title: str, run: Callable[[Trial], Awaitable[Result]]) -> Form:
    return Form(
        name="replies",
        part=part,
        title=title,
        promise="10,000 claims: 0 leaked slots, 0 lost, 0 double; the same key gets the same slot",
        counted="claims",
        goal=10_000,
        least_s=20,
        slice_s=180,
        run=run,
        tells=lambda sums: f"{sums['claims']:,.0f} claims, {sums['lost']:,.0f} replies lost",
    )


def _redis_loss_form(kind: Kind, lots: int, within_s: float, goal: int, least_s: float) -> Form:
    slots = lots * redis_loss.LOT_SLOTS
    return Form(
        name="redis-loss",
        part=f"{kind}, {slots} slots",
        title="FLUSHALL, restart, a rolled-back second of AOF, "
        f"at {redis_loss.REQUESTS_PER_S:.0f} requests/s, {slots:,} slots; {_PLACES[kind]}",
        promise=f"0 answers 5xx; viewers equal SQL after {within_s:.0f} s at most",
        counted="faults",
        goal=goal,
        least_s=least_s,
        slice_s=least_s,
        run=partial(_redis_loss, kind, lots, within_s),
        tells=lambda sums: (
            f"{sums['faults']:.0f} faults during {sums['operations']:,.0f} requests, "
            f"{sums['failed']:.0f} of them failed; "
            "at most " + ", ".join(f"{sums[fault]:.1f} s where {fault}" for fault in redis_loss.FAULTS)
        ),
    )


FORMS = (
    *(_race_form(kind) for kind in Kind),
    *(_broken_form(kind, variant) for variant in broken.VARIANTS for kind in Kind),
    *(_kills_form(kind) for kind in Kind),
    *(
        _replies_form(
            f"redis, {kind}",
            f"5 % of the replies of Redis lost by a proxy; {_PLACES[kind]}",
            partial(_redis_replies, kind),
        )
        for kind in Kind
    ),
    _replies_form("sql", "5 % of PostgreSQL's replies to a COMMIT lost by a proxy", _sql_replies),
    *(_redis_loss_form(kind, lots=20, within_s=5, goal=30, least_s=60) for kind in Kind),
    *(_redis_loss_form(kind, lots=2_000, within_s=60, goal=6, least_s=240) for kind in Kind),
    *(
        Form(
            name="model",
            part=kind,
            title=f"random steps against a plain model of the whole booking service; {_DATABASES[kind]}",
            promise=f"2,500 × {STEPS} steps without a contradiction",
            counted="examples",
            goal=2_500,
            least_s=30,
            slice_s=240,
            run=partial(_model, kind),
            tells=lambda sums: (
                f"{sums['examples']:,.0f} examples, {sums['steps']:,.0f} steps, {sums['calls']:,.0f} calls"
            ),
        )
        for kind in Kind
    ),
    Form(
        name="clocks",
        part=Kind.POSTGRESQL,
        title="clocks of the processes ± 10 minutes; PostgreSQL, three web processes",
        promise="amounts unchanged, nothing expires early",
        counted="amounts",
        goal=5_000,
        least_s=30,
        slice_s=120,
        run=_clocks,
        tells=lambda sums: f"{sums['amounts']:,.0f} amounts, {sums['operations']:,.0f} operations",
    ),
)
