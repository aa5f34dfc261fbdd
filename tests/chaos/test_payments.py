"""Payments while what serves them is killed; and the same over web processes that are deliberately wrong."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.payments.launchers import VARIANTS, Variant
from tests.chaos.payments.shop import opened_shop, shape
from tests.chaos.payments.storm import pay_undisturbed, pay_while_killed
from tests.chaos.site import Kind, Site

SECONDS, LEAST_PAID = 3, 50
BROKEN_SECONDS, BROKEN_DONE_S = 2.5, 1


async def test_after_kill_9_and_forged_webhooks_nobody_is_charged_twice_and_every_book_says_the_same(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed = f"{random.randrange(2**32)}"
    print(f"seed {seed}")
    async with site.base(kind, tmp_path) as base, opened_shop(base, tmp_path, shape(kind)) as shop:
        stormed = await pay_while_killed(shop, seed, SECONDS, least=LEAST_PAID)
    did = shop.diary.did
    print(f"{dict(stormed.kills)}, {stormed.paid} paid, done after {stormed.took_s:.1f} s; {dict(did)}")
    assert [str(violation) for violation in stormed.found] == []
    assert stormed.paid > LEAST_PAID // 2
    assert stormed.refunded > 0
    assert stormed.looks > 3
    assert did["webhooks forged"] > 10
    # Answers were lost with the processes.
    assert did["unanswered"] > 0


@pytest.mark.parametrize(
    ("variant", "kind"),
    [*zip(VARIANTS, (Kind.SQLITE, Kind.POSTGRESQL, Kind.SQLITE), strict=True)],
    ids=lambda one: one.name if isinstance(one, Variant) else f"{one}",
)
async def test_payments_that_are_wrong_are_caught(
    site: Site, kind: Kind, tmp_path: Path, variant: Variant
) -> None:
    seed = f"{random.randrange(2**32)}"
    print(f"seed {seed}")
    broken = replace(shape(kind), serve=variant.serve, finish=variant.finish)
    async with site.base(kind, tmp_path) as base, opened_shop(base, tmp_path, broken) as shop:
        stormed = await pay_undisturbed(shop, seed, BROKEN_SECONDS, BROKEN_DONE_S)
    found = Counter(violation.kind for violation in stormed.found)
    print(f"{stormed.paid} paid; found: {dict(found)}")
    assert variant.kinds <= {*found}
