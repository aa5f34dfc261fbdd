"""Redis is dead before the first payment and stays so: paying never asks it."""

import random
from pathlib import Path

from tests.chaos.payments.shop import opened_shop, shape
from tests.chaos.payments.storm import pay_undisturbed
from tests.chaos.site import Kind, Site

SECONDS = 2


async def test_without_redis_every_request_about_money_is_served(
    site: Site, kind: Kind, tmp_path: Path
) -> None:
    seed = f"{random.randrange(2**32)}"
    print(f"seed {seed}")
    async with site.base(kind, tmp_path) as base, opened_shop(base, tmp_path, shape(kind)) as shop:
        shop.deployment["redis"].kill()
        stormed = await pay_undisturbed(shop, seed, SECONDS)
        assert not shop.deployment["redis"].is_running
    did = shop.diary.did
    print(f"{stormed.paid} paid, done after {stormed.took_s:.1f} s; {dict(did)}")
    assert [str(violation) for violation in stormed.found] == []
    assert shop.diary.failed == 0
    assert stormed.paid > 5
    assert did["receipts"] > 0
    assert did["bookings"] > 5
