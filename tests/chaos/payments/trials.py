"""One run of each long form of payments."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tests.chaos.checker import Violation
from tests.chaos.payments.launchers import Variant
from tests.chaos.payments.outage import BROKEN, LONG, pay_without_sql
from tests.chaos.payments.shop import opened_shop, shape
from tests.chaos.payments.storm import LONG_MEAN_PAUSE_S, pay_undisturbed, pay_while_killed
from tests.chaos.site import Kind
from tests.chaos.trials import Result, Trial

BROKEN_SECONDS, BROKEN_DONE_S = 5.0, 1.0
TOLD = ("requests", "webhooks", "webhooks replayed", "webhooks forged")


async def kill_under_payments(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, shape(kind)) as shop,
    ):
        stormed = await pay_while_killed(shop, trial.seed, trial.seconds, LONG_MEAN_PAUSE_S)
    sums = {f"{name} killed": float(count) for name, count in stormed.kills.items()}
    sums |= {name: shop.diary.did[name] for name in TOLD}
    sums |= {"paid": stormed.paid, "refunded": stormed.refunded, "kills": stormed.kills.total()}
    return Result(stormed.found, sums, {"done": stormed.took_s})


async def pay_without_redis(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, shape(kind)) as shop,
    ):
        shop.deployment["redis"].kill()
        stormed = await pay_undisturbed(shop, trial.seed, trial.seconds)
    did, failed = shop.diary.did, shop.diary.failed
    sums = {"paid": stormed.paid, "failed": failed} | {name: did[name] for name in ("requests", "receipts")}
    lost = [Violation("failed request", f"{failed} of {did['requests']}")] if failed else []
    return Result([*stormed.found, *lost], sums)


async def lose_sql(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, shape(kind)) as shop,
    ):
        parted = await pay_without_sql(shop, trial.seed, LONG)
    sums = {"outages": 1, "accepted": parted.accepted, "handed back": parted.handed_back}
    sums |= {outcome: float(count) for outcome, count in parted.outcomes.items()}
    sums |= {"kills": parted.kills.total()}
    return Result(parted.found, sums, {"done": parted.took_s})


async def lose_sql_broken(variant: Variant, trial: Trial) -> Result:
    kind = Kind.POSTGRESQL
    broken = replace(shape(kind), serve=variant.serve, finish=variant.finish)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, broken) as shop,
    ):
        parted = await pay_without_sql(shop, trial.seed, BROKEN, BROKEN_DONE_S)
    return _caught(variant, parted.found, parted.accepted)


async def pay_broken(kind: Kind, variant: Variant, trial: Trial) -> Result:
    broken = replace(shape(kind), serve=variant.serve, finish=variant.finish)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, broken) as shop,
    ):
        stormed = await pay_undisturbed(shop, trial.seed, BROKEN_SECONDS, BROKEN_DONE_S)
    return _caught(variant, stormed.found, stormed.paid)


def _caught(variant: Variant, violations: Sequence[Violation], paid: int) -> Result:
    found = Counter(violation.kind for violation in violations)
    is_caught = variant.kinds <= {*found}
    missed = [] if is_caught else [Violation("not caught", f"{variant.name}: only {dict(found)}")]
    return Result(missed, {"caught": float(is_caught), "paid": paid})
