"""Those who take money, as the settings name them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from app.payments.providers.desk import Desk
from app.payments.providers.protocol import Provider
from app.settings import Settings


@asynccontextmanager
async def opened_providers(settings: Settings) -> AsyncIterator[dict[str, Provider]]:
    """Each by its name, until the block ends."""
    del settings
    async with AsyncExitStack() as stack:
        opened: list[Provider] = [Desk()]
        for provider in opened:
            stack.push_async_callback(provider.aclose)
        yield {provider.name: provider for provider in opened}
