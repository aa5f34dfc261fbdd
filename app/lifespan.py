"""What opens at the start of a web process, in order, and closes in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from starlette.applications import Starlette

from app.accounts.access import SigningKey
from app.accounts.incarnation import read_incarnation
from app.accounts.service import installation
from app.accounts.sessions import Sessions
from app.bookings.bills import read_bill
from app.bookings.desk import Desk
from app.core import log
from app.core.clock import Clock
from app.core.db import Database
from app.core.parts import Parts
from app.core.redis import Store, connect
from app.core.signing import Secrets
from app.core.templating import environment
from app.display.premium_price import PremiumPrices
from app.display.presence import Displays
from app.live.hub import Hub
from app.operator.import_runs import Imports
from app.operator.uploads import FOLDER as IMPORTS
from app.payments.journal import FOLDER, Journal
from app.payments.paying import Cashier
from app.payments.prices import Prices
from app.payments.providers import providers_of
from app.settings import Settings
from app.slots.layout import Layouts
from app.slots.maps import LotMaps
from app.slots.memory import Memory
from app.slots.pictures import StatusPictures
from app.slots.status import Status


@asynccontextmanager
async def opened_desk(settings: Settings, clock: Clock | None = None) -> AsyncIterator[tuple[Desk, Redis]]:
    """A desk over the settings' SQL and Redis: what workers and commands need as well."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url, clock)
        stack.push_async_callback(database.close)
        redis = connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        here = await installation(database)
        status = Status(redis, await read_incarnation(database), lambda: read_incarnation(database))
        desk = Desk(database, Layouts(database), status, bytes.fromhex(here.signing_key))
        stack.push_async_callback(desk.ended)
        yield desk, redis


def cashier_of(settings: Settings, desk: Desk) -> Cashier:
    """Who takes money, over the desk's SQL: it asks neither Redis nor the feed."""
    secrets = Secrets((*(one.encode() for one in settings.signing_secrets), desk.signing_key))
    providers = providers_of(settings, desk.signing_key)
    journal = Journal(settings.data_dir / FOLDER)
    return Cashier(desk.database, secrets, providers, read_bill, journal, settings.issuer)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Opens SQL, Redis and the live feed. Redis may be away: booking goes by SQL until it is back."""
    log.configure()
    settings: Settings = app.state.settings
    async with opened_desk(settings, app.state.clock) as (desk, redis):
        source = StatusPictures(desk.database, desk.layouts, desk.status)
        cashier = cashier_of(settings, desk)
        prices = Prices(desk.database)
        async with (
            AsyncExitStack() as providers,
            desk.database.pulse.running(),
            Hub(source, redis).running() as hub,
            Memory(desk.database, desk.layouts, hub).kept() as memory,
            Displays(desk.database).running() as displays,
        ):
            for provider in cashier.providers.values():
                providers.push_async_callback(provider.aclose)
            imports = Imports(desk, settings.data_dir / IMPORTS)
            providers.push_async_callback(imports.aclose)
            app.state.parts = Parts(
                settings,
                desk,
                desk.database,
                desk.layouts,
                desk.status,
                Store(redis),
                hub,
                memory,
                prices,
                PremiumPrices(prices),
                cashier,
                Sessions(desk.database),
                displays,
                SigningKey(desk.signing_key),
                LotMaps(environment()),
                imports,
            )
            yield
