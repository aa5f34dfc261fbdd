"""The styleguide: there for who builds, not for strangers."""

import re

from httpx2 import AsyncClient
from redis.asyncio import Redis

from app.core.templating import environment
from tests.integration.api.conftest import served

PERSON = {"accept": "text/html", "accept-language": "de"}


async def test_it_shows_every_component_and_speaks_english_to_developers(client: AsyncClient) -> None:
    answer = await client.get("/styleguide", headers=PERSON)
    assert (answer.status_code, answer.headers["content-language"]) == (200, "en")
    assert '<html lang="en"' in answer.text
    for state in ("free", "reserved", "occupied", "closed"):
        assert f'data-state="{state}"' in answer.text
    icons = environment().get_template("macros/icons.html").module.shapes  # type: ignore[attr-defined]
    assert set(re.findall(r"<code>([a-z]+)</code></li>", answer.text)) >= set(icons)


async def test_it_is_not_there_in_production(database_url: str, redis_url: str, redis: Redis) -> None:
    async with served(database_url, redis_url, profile="production") as client:
        assert (await client.get("/styleguide", headers=PERSON)).status_code == 404
