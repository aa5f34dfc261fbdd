"""The same race over deliberately broken variants: it must fail, or a clean race would prove nothing."""

import random
from pathlib import Path

import pytest

from tests.chaos.broken import PREMIUM_SLOTS, SLOTS, VARIANTS, Variant, race_until_caught
from tests.chaos.deployment import Shape
from tests.chaos.history import History
from tests.chaos.sabotage import drop_the_index
from tests.chaos.site import Kind, Site
from tests.chaos.town import opened_town


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
async def test_the_race_catches_what_is_broken(
    site: Site, kind: Kind, tmp_path: Path, variant: Variant
) -> None:
    seed, history = f"{random.randrange(2**32)}", History()
    print(f"seed {seed}")
    async with site.base(kind, tmp_path) as base:
        if variant.without_index:
            await drop_the_index(base.url)
        shape = Shape(webs=variant.webs(kind), serve=variant.serve)
        async with opened_town(base, tmp_path, shape, SLOTS, PREMIUM_SLOTS) as town:
            found = await race_until_caught(town, history, variant, seed)
    print(f"{history.tally()}, found: {dict(found.kinds)}")
    assert found.caught
