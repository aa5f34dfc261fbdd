"""The long forms of the chaos suite: what each promises, and how much of it is enough."""

from functools import partial

from tests.chaos import broken, cluster, expiries, life, race, redis_loss, replies, trials
from tests.chaos.broken import Variant
from tests.chaos.form import Form, Run, times
from tests.chaos.payments import forms as payment_forms
from tests.chaos.site import Kind
from tests.integration.bookings.model.exploring import STEPS

SQLITE, POSTGRESQL = Kind


def _race_form(kind: Kind) -> Form:
    return Form(
        name="race",
        title=f"{race.CLIENTS} clients, {race.SLOTS} slots",
        kind=kind,
        promise="100,000 operations, at least 20 % honest 404: 0 overlaps, 0 lost, 0 false “full”",
        counted="operations",
        goal=100_000,
        least_s=15,
        slice_s=240,
        run=partial(trials.race_for_slots, kind),
        tells=lambda sums: (
            f"{sums['operations']:,.0f} operations, {sums['all taken'] / max(sums['operations'], 1):.0%} "
            f"of them 404; all agreed after {sums['settled']:.1f} s at most"
        ),
    )


def _broken_form(kind: Kind, variant: Variant) -> Form:
    return Form(
        name="broken",
        title=f"the same, broken: {variant.name}",
        kind=kind,
        promise="must be caught, each time",
        counted="caught",
        goal=20,
        least_s=15,
        slice_s=15,
        run=partial(trials.race_broken, kind, variant),
        tells=lambda sums: (
            f"caught {times(sums['caught'])}, within {sums['operations'] / max(sums['caught'], 1):,.0f} "
            "operations on average"
        ),
        violations="times not",
    )


_LIFE = Form(
    name="life",
    title=f"all of a booking's life on a Redis Cluster of 3 + 3: {life.LARGE.clients} drivers, "
    f"{life.LARGE.browsers} browsers that hold and wait, {life.LARGE.attendants} attendants, "
    f"{life.LARGE.slots} slots",
    kind=POSTGRESQL,
    promise="100,000 operations with expiries, holds, a waiting list, closes, moves: 0 overlaps, 0 lost, "
    "0 false “full”, nothing expired early, no held slot lost",
    counted="operations",
    goal=100_000,
    least_s=30,
    slice_s=240,
    run=trials.live_on_cluster,
    tells=lambda sums: (
        f"{sums['operations']:,.0f} operations of drivers, {sums['all taken']:,.0f} of them 404; "
        f"{sums['ended: no-show']:,.0f} no-shows; {sums['held']:,.0f} slots held, {sums['confirmed']:,.0f} "
        f"confirmed and {sums['did not answer']:,.0f} not answered; "
        f"{sums['left the line']:,.0f} left the line; "
        f"{sums['check_in']:,.0f} check-ins, {sums['close'] + sums['close_when_free']:,.0f} closed, "
        f"{sums['open']:,.0f} opened, {sums['move']:,.0f} moved, the lot closed {times(sums['shut'])}; "
        f"all agreed after {sums['settled']:.1f} s at most"
    ),
)


def _life_broken_form(variant: life.Variant) -> Form:
    return Form(
        name="life-broken",
        title=f"the same, broken: {variant.name}",
        kind=POSTGRESQL,
        promise="must be caught, each time",
        counted="caught",
        goal=10,
        least_s=15,
        slice_s=15,
        run=partial(trials.live_broken, variant),
        tells=lambda sums: f"caught {times(sums['caught'])} in {sums['operations']:,.0f} operations",
        violations="times not",
    )


def _kills_form(kind: Kind) -> Form:
    killed = ("web-1", "web-2", "web-3", "status", "bookings", "redis", "postgresql")
    return Form(
        name="kills",
        title="kill -9 of every part at random moments",
        kind=kind,
        promise="1,000 kills: 0 lost, 0 double, 0 leaked slots; all agree 2 s after every part is ready",
        counted="kills",
        goal=1_000,
        least_s=15,
        slice_s=240,
        run=partial(trials.kill_parts, kind),
        tells=lambda sums: (
            f"{sums['kills']:,.0f} kills ("
            + ", ".join(f"{name} {sums[f'{name} killed']:.0f}" for name in killed if f"{name} killed" in sums)
            + f") during {sums['answered']:,.0f} requests that were answered; all agreed "
            f"after {sums['converged']:.2f} s at most"
        ),
    )


def _replies_form(kind: Kind, lost: str, run: Run) -> Form:
    return Form(
        name="replies",
        title=f"{lost} lost by a proxy",
        kind=kind,
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
        title="FLUSHALL, restart, a rolled-back second of AOF, "
        f"at {redis_loss.REQUESTS_PER_S:.0f} requests/s, {slots:,} slots",
        kind=kind,
        promise=f"0 answers 5xx; viewers equal SQL after {within_s:.0f} s at most",
        counted="faults",
        goal=goal,
        least_s=least_s,
        slice_s=least_s,
        run=partial(trials.lose_all_of_redis, kind, lots, within_s),
        tells=lambda sums: (
            f"{sums['faults']:.0f} faults during {sums['operations']:,.0f} requests, "
            f"{sums['failed']:.0f} of them failed; "
            "at most " + ", ".join(f"{sums[fault]:.1f} s where {fault}" for fault in redis_loss.FAULTS)
        ),
    )


def _cluster_form(within_s: float) -> Form:
    return Form(
        name="cluster",
        title="a Redis Cluster of 3 + 3: a primary killed, a planned failover, hash slots moved, "
        f"at {cluster.REQUESTS_PER_S:.0f} requests/s, {cluster.LOTS * cluster.LOT_SLOTS:,} slots",
        kind=POSTGRESQL,
        promise="0 answers 5xx, 0 overlaps, 0 lost, 0 false “full”; viewers equal SQL "
        f"{within_s:.0f} s after the cluster is whole at most",
        counted="faults",
        goal=30,
        least_s=60,
        slice_s=180,
        run=partial(trials.shake_cluster, within_s),
        tells=lambda sums: (
            f"{sums['faults']:.0f} faults ("
            + ", ".join(f"{fault} {sums[f'{fault} faults']:.0f}" for fault in cluster.FAULTS)
            + f": {sums['moved slots']:,.0f} hash slots) during {sums['operations']:,.0f} requests, "
            f"{sums['failed']:.0f} of them failed; a replica took over after {sums['taken over']:.1f} s at "
            "most; viewers true at most "
            + ", ".join(f"{sums[fault]:.1f} s after it was whole, {fault}" for fault in cluster.FAULTS)
            + f"; a change shown then after {sums['heard']:.2f} s at most"
        ),
    )


def _expiries_form(kind: Kind) -> Form:
    return Form(
        name="expiries",
        title=f"{expiries.WORKERS} workers at once over {expiries.LOAD.due:,} due bookings and holds, "
        "killed at random",
        kind=kind,
        promise="each ended exactly once, nothing early, nothing else",
        counted="rounds",
        goal=3,
        least_s=90,
        slice_s=90,
        run=partial(trials.end_at_once, kind),
        tells=lambda sums: (
            f"{sums['due']:,.0f} ended in {sums['rounds']:,.0f} rounds, {sums['kills']:,.0f} kills, "
            f"{sums['rebooked']:,.0f} slots booked again meanwhile; {sums['took']:.0f} s at most"
        ),
    )


def _model_form(kind: Kind) -> Form:
    return Form(
        name="model",
        title="random steps against a plain model of the whole booking service",
        kind=kind,
        promise=f"2,500 × {STEPS} steps without a contradiction",
        counted="examples",
        goal=2_500,
        least_s=30,
        slice_s=240,
        run=partial(trials.follow_model, kind),
        tells=lambda sums: (
            f"{sums['examples']:,.0f} examples, {sums['steps']:,.0f} steps, {sums['calls']:,.0f} calls"
        ),
    )


def _steps_form(kind: Kind) -> Form:
    return Form(
        name="steps",
        title="a crash at every named step × kill, SQL error, Redis timeout, reply lost",
        kind=kind,
        promise="every cell tried, all of them right",
        counted="tables",
        goal=1,
        # It takes what it takes.
        least_s=240,
        slice_s=240,
        run=partial(trials.try_every_step, kind),
        tells=lambda sums: (
            f"{sums['right']:,.0f} of {sums['cells']:,.0f} cells right; they strike {sums['apart']:,.0f} "
            "different calls"
        ),
        violations="wrong",
    )


_CLOCKS = Form(
    name="clocks",
    title="clocks of the processes ± 10 minutes",
    kind=POSTGRESQL,
    promise="amounts unchanged, nothing expires early",
    counted="amounts",
    goal=5_000,
    least_s=30,
    slice_s=120,
    run=trials.set_clocks_wrong,
    tells=lambda sums: f"{sums['amounts']:,.0f} amounts, {sums['operations']:,.0f} operations",
)


_OF_REDIS = f"{replies.REDIS_SHARE:.0%} of the replies of Redis"
_OF_SQL = f"{replies.SQL_SHARE:.0%} of the replies of SQL to a COMMIT"
FORMS = (
    *(_race_form(kind) for kind in Kind),
    *(_broken_form(kind, variant) for variant in broken.VARIANTS for kind in Kind),
    *(_kills_form(kind) for kind in Kind),
    *(_steps_form(kind) for kind in Kind),
    *(_replies_form(kind, _OF_REDIS, partial(trials.lose_replies_of_redis, kind)) for kind in Kind),
    _replies_form(POSTGRESQL, _OF_SQL, trials.lose_replies_of_sql),
    *(_redis_loss_form(kind, lots=20, within_s=5, goal=30, least_s=60) for kind in Kind),
    *(_redis_loss_form(kind, lots=2_000, within_s=60, goal=6, least_s=240) for kind in Kind),
    _cluster_form(within_s=5),
    _LIFE,
    *(_life_broken_form(variant) for variant in life.VARIANTS),
    *(_expiries_form(kind) for kind in Kind),
    *payment_forms.FORMS,
    *(_model_form(kind) for kind in Kind),
    _CLOCKS,
)
