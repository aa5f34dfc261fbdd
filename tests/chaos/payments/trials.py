"""One run of each long form of payments."""

from collections import Counter
from dataclasses import replace

from tests.chaos.checker import Violation
from tests.chaos.payments.launchers import Variant
from tests.chaos.payments.shop import opened_shop, shape
from tests.chaos.payments.storm import pay_undisturbed, pay_while_killed
from tests.chaos.site import Kind
from tests.chaos.trials import Result, Trial

BROKEN_SECONDS, BROKEN_DONE_S = 5.0, 1.0
TOLD = ("requests", "webhooks", "webhooks replayed", "webhooks forged")


async def kill_under_payments(kind: Kind, trial: Trial) -> Result:
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, shape(kind)) as shop,
    ):
        stormed = await pay_while_killed(shop, trial.seed, trial.seconds)
    sums = {f"{name} killed": float(count) for name, count in stormed.kills.items()}
    sums |= {name: shop.diary.did[name] for name in TOLD}
    sums |= {"paid": stormed.paid, "refunded": stormed.refunded, "kills": stormed.kills.total()}
    return Result(stormed.found, sums, {"done": stormed.took_s})


async def pay_broken(kind: Kind, variant: Variant, trial: Trial) -> Result:
    broken = replace(shape(kind), serve=variant.serve, finish=variant.finish)
    async with (
        trial.site.base(kind, trial.folder) as base,
        opened_shop(base, trial.folder, broken) as shop,
    ):
        stormed = await pay_undisturbed(shop, trial.seed, BROKEN_SECONDS, BROKEN_DONE_S)
    found = Counter(violation.kind for violation in stormed.found)
    is_caught = variant.kinds <= {*found}
    missed = [] if is_caught else [Violation("not caught", f"{variant.name}: only {dict(found)}")]
    return Result(missed, {"caught": float(is_caught), "paid": stormed.paid})
