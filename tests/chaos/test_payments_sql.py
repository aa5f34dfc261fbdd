"""SQL is away while people pay by card and in cash: what was accepted is posted once, and nothing is lost."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.payments.launchers import JOURNAL_VARIANTS, Variant
from tests.chaos.payments.outage import BROKEN, SHORT, pay_without_sql
from tests.chaos.payments.shop import opened_shop, shape
from tests.chaos.site import Kind, Site

BROKEN_DONE_S = 1


async def test_what_was_accepted_while_sql_was_away_is_posted_once_whoever_was_killed(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed = f"{random.randrange(2**32)}"
    print(f"seed {seed}")
    async with site.base(kind, tmp_path) as base, opened_shop(base, tmp_path, shape(kind)) as shop:
        parted = await pay_without_sql(shop, seed, SHORT[kind])
    print(
        f"{parted.accepted} accepted, {dict(parted.outcomes)}, {dict(parted.kills)}, "
        f"{parted.handed_back} handed back, done after {parted.took_s:.1f} s; {dict(shop.diary.did)}"
    )
    assert [str(violation) for violation in parted.found] == []
    assert parted.accepted > 5
    assert parted.outcomes["posted"] > 2


@pytest.mark.parametrize("variant", JOURNAL_VARIANTS, ids=lambda variant: variant.name)
async def test_a_journal_that_is_wrong_is_caught(site: Site, tmp_path: Path, variant: Variant) -> None:
    seed, kind = f"{random.randrange(2**32)}", Kind.POSTGRESQL
    print(f"seed {seed}")
    broken = replace(shape(kind), serve=variant.serve, finish=variant.finish)
    async with site.base(kind, tmp_path) as base, opened_shop(base, tmp_path, broken) as shop:
        parted = await pay_without_sql(shop, seed, BROKEN, BROKEN_DONE_S)
    found = Counter(violation.kind for violation in parted.found)
    print(f"{parted.accepted} accepted; found: {dict(found)}")
    assert variant.kinds <= {*found}
