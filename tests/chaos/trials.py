"""One run of each long form: puts up a deployment, does it for a while, and counts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import broken, clocks, cluster, expiries, kills, life, race, redis_loss, replies
from tests.chaos.broken import Variant, race_until_caught
from tests.chaos.checker import Violation
from tests.chaos.clocks import run_with_wrong_clocks, wrong_clocks
from tests.chaos.cluster import opened_on_cluster, shake
from tests.chaos.deployment import Shape
from tests.chaos.history import Action, History, Outcome
from tests.chaos.kills import kill_again_and_again
from tests.chaos.model import explore_for
from tests.chaos.redis_loss import Pace, lose_redis
from tests.chaos.region import opened_region
from tests.chaos.replies import lose_replies, town_behind_redis_proxy, town_behind_sql_proxy
from tests.chaos.sabotage import drop_the_index
from tests.chaos.site import Kind, Site
from tests.chaos.steps.report import Score, wrong
from tests.chaos.steps.whole import distinct, try_table
from tests.chaos.town import opened_town

NO_END = 10**9
# Of so many operations so many are to find the lot full.
A_RACE, LEAST_FULL = 3_000, 0.2


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


async def race_for_slots(kind: Kind, trial: Trial) -> Result:
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
    share = sums["all taken"] / max(sums["operations"], 1)
    few = []
    if share < LEAST_FULL and sums["operations"] >= A_RACE:
        few.append(Violation("hardly a race", f"only {share:.0%} found the lot full"))
    return Result([*raced.found, *few], sums, {"settled": raced.settled_s})


async def live_on_cluster(trial: Trial) -> Result:
    shape = Shape(webs=3, serve=life.serve_short_holds, end=life.end_short_holds)
    async with (
        trial.site.base(Kind.POSTGRESQL, trial.folder) as base,
        life.opened_on_cluster(base, trial.folder, shape, life.LARGE) as town,
    ):
        lived = await life.live(town, trial.history, trial.seed, life.LARGE, NO_END, trial.seconds)
    sums = {
        "operations": len(trial.history.operations),
        "all taken": trial.history.count(Action.RESERVE, Outcome.REFUSED, "all-taken"),
        **{name: lived.did[name] for name in life.TOLD},
    }
    return Result(lived.found, sums, {"settled": lived.settled_s})


async def live_broken(variant: life.Variant, trial: Trial) -> Result:
    shape = Shape(webs=2, serve=variant.serve, end=variant.end)
    async with (
        trial.site.base(Kind.POSTGRESQL, trial.folder) as base,
        life.opened_on_cluster(base, trial.folder, shape, life.SMALL) as town,
    ):
        lived = await life.live(town, trial.history, trial.seed, life.SMALL, NO_END, trial.seconds)
    kinds = {violation.kind for violation in lived.found}
    missed = [] if variant.kinds <= kinds else [Violation("not caught", f"{variant.name}: only {kinds}")]
    sums = {"caught": float(not missed), "operations": len(trial.history.operations)}
    return Result(missed, sums)


async def race_broken(kind: Kind, variant: Variant, trial: Trial) -> Result:
    async with trial.site.base(kind, trial.folder) as base:
        if variant.without_index:
            await drop_the_index(base.url)
        shape = Shape(webs=variant.webs(kind), serve=variant.serve)
        async with opened_town(base, trial.folder, shape, broken.SLOTS, broken.PREMIUM_SLOTS) as town:
            found = await race_until_caught(town, trial.history, variant, trial.seed)
    missed = [] if found.caught else [Violation("not caught", f"{variant.name}: only {dict(found.kinds)}")]
    sums = {"caught": float(found.caught), "operations": len(trial.history.operations)}
    return Result(missed, sums)


async def kill_parts(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_town(base, trial.folder, Shape(webs=kind.webs), kills.SLOTS, kills.PREMIUM_SLOTS) as town,
    ):
        killed = await kill_again_and_again(town, trial.history, trial.seed, trial.seconds)
    sums = {f"{name} killed": float(count) for name, count in killed.kills.items()}
    answered = sum(one.answer.outcome is not Outcome.UNKNOWN for one in trial.history.operations)
    sums |= {"kills": killed.kills.total(), "answered": answered}
    return Result(killed.found, sums, {"converged": killed.slowest_s})


async def lose_replies_of_redis(kind: Kind, trial: Trial) -> Result:
    async with town_behind_redis_proxy(trial.site, kind, trial.folder, trial.seed) as (town, proxy):
        answered = await lose_replies(town, proxy, trial.history, trial.seed, NO_END, trial.seconds)
    return _of_replies(trial, answered)


async def lose_replies_of_sql(trial: Trial) -> Result:
    async with town_behind_sql_proxy(trial.site, trial.folder, trial.seed) as (town, proxy):
        answered = await lose_replies(town, proxy, trial.history, trial.seed, NO_END, trial.seconds)
    return _of_replies(trial, answered)


def _of_replies(trial: Trial, answered: replies.Answered) -> Result:
    claims = trial.history.count(Action.RESERVE, Outcome.OK)
    return Result(answered.found, {"claims": claims, "lost": answered.lost})


async def lose_all_of_redis(kind: Kind, lots: int, within_s: float, trial: Trial) -> Result:
    pace = Pace(redis_loss.REQUESTS_PER_S, calm_s=5.0, within_s=within_s, gives_up_after_s=4 * within_s)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_region(
            base,
            trial.folder,
            Shape(webs=kind.webs),
            lots,
            redis_loss.LOT_SLOTS,
            redis_loss.WATCHED,
            redis_loss.BUSY,
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


async def shake_cluster(within_s: float, trial: Trial) -> Result:
    kind = Kind.POSTGRESQL
    pace = Pace(cluster.REQUESTS_PER_S, calm_s=2.0, within_s=within_s, gives_up_after_s=4 * within_s)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_on_cluster(
            base,
            trial.folder,
            Shape(webs=kind.webs),
            cluster.LOTS,
            cluster.LOT_SLOTS,
            cluster.WATCHED,
            cluster.BUSY,
        ) as (region, servers),
    ):
        shaken = await shake(region, servers, trial.history, trial.seed, pace, trial.seconds)
    answers = trial.history.operations
    sums = {
        "faults": shaken.faults.total(),
        "moved slots": shaken.moved,
        "operations": len(answers),
        "failed": sum(one.answer.outcome is Outcome.UNKNOWN for one in answers),
    }
    sums |= {f"{fault} faults": times for fault, times in shaken.faults.items()}
    most = {**shaken.shown_after_s, "heard": shaken.heard_after_s, "taken over": shaken.taken_over_after_s}
    return Result(shaken.found, sums, most)


async def end_at_once(kind: Kind, trial: Trial) -> Result:
    shape = Shape(webs=1, enders=expiries.WORKERS)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_town(base, trial.folder, shape, expiries.LOAD.slots, 0) as town,
    ):
        ended = await expiries.end_what_is_due(town, expiries.LOAD, trial.seed)
    sums = {"rounds": 1, "due": ended.due, "kills": ended.kills, "rebooked": ended.rebooked}
    return Result(ended.found, sums, {"took": ended.took_s})


async def set_clocks_wrong(trial: Trial) -> Result:
    webs = Kind.POSTGRESQL.webs
    shape = Shape(webs=webs, environment=wrong_clocks(webs))
    async with (
        trial.site.base(Kind.POSTGRESQL, trial.folder) as base,
        opened_town(base, trial.folder, shape, clocks.SLOTS, clocks.PREMIUM_SLOTS) as town,
    ):
        timed = await run_with_wrong_clocks(town, trial.history, trial.seed, NO_END, trial.seconds)
    return Result(timed.found, {"amounts": timed.amounts, "operations": len(trial.history.operations)})


async def follow_model(kind: Kind, trial: Trial) -> Result:
    async with trial.site.base(kind, trial.folder) as base:
        # It has an event loop of its own.
        done = await asyncio.to_thread(explore_for, base.url, trial.folder, trial.seed, trial.seconds)
    return Result([], done)


async def try_every_step(kind: Kind, trial: Trial) -> Result:
    tried = await try_table(trial.site, kind, trial.folder, each=True)
    score = Score(tried)
    return Result(
        [Violation("wrong", line) for line in wrong(tried)],
        {"tables": 1, "cells": score.tried, "right": score.right},
        {"apart": distinct(kind)},
    )
