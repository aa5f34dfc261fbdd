"""A deployment where one pays: lots that cost something at once, in three currencies; payments workers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.bookings.desk import Desk
from app.lifespan import cashier_of, opened_desk
from app.payments.paying import Cashier
from app.payments.providers.sandbox import Sandbox
from app.slots.rebuild import rebuild_all
from tests.chaos.deployment import Deployment, Shape, deployed
from tests.chaos.payments.diary import Diary
from tests.chaos.payments.launchers import finish_in_a_hurry, serve_in_a_hurry
from tests.chaos.site import Base, Kind
from tests.chaos.wire import Wire
from tests.integration.lots import lot_plan, open_lot

CURRENCIES = ("EUR", "JPY", "KWD")
SLOTS, PREMIUM_SLOTS = 60, 20
FINISHERS = 2


def shape(kind: Kind) -> Shape:
    """Web processes as the database allows, and more than one worker for payments."""
    return Shape(webs=kind.webs, serve=serve_in_a_hurry, finishers=FINISHERS, finish=finish_in_a_hurry)


@dataclass(frozen=True)
class Shop:
    """``desk`` and ``cashier`` look at the deployment from outside; ``sandbox`` is the provider itself, whose
    file is ``books``. ``lots``: the codes of the lots.
    """

    deployment: Deployment
    desk: Desk
    cashier: Cashier
    sandbox: Sandbox
    books: Path
    wires: tuple[Wire, ...]
    lots: tuple[str, ...]
    diary: Diary


@asynccontextmanager
async def opened_shop(base: Base, folder: Path, shape: Shape) -> AsyncIterator[Shop]:
    """Everything started and ready."""
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deployed(folder, base, shape))
        desk, _ = await stack.enter_async_context(opened_desk(deployment.settings))
        await rebuild_all(desk.database, desk.status)
        codes = tuple(currency.lower() for currency in CURRENCIES)
        for code, currency in zip(codes, CURRENCIES, strict=True):
            plan = lot_plan(code=code, slots=SLOTS, premium=PREMIUM_SLOTS)
            await open_lot(desk, replace(plan, currency=currency))
        cashier = cashier_of(deployment.settings, desk)
        for provider in cashier.providers.values():
            stack.push_async_callback(provider.aclose)
        sandbox = cashier.providers["sandbox"]
        assert isinstance(sandbox, Sandbox)
        await deployment.ready()
        wires = tuple(Wire(base_url) for base_url in deployment.base_urls)
        for wire in wires:
            stack.callback(wire.close)
        books = deployment.settings.data_dir / "sandbox.db"
        diary = stack.enter_context(Diary(folder / "payers.log"))
        yield Shop(deployment, desk, cashier, sandbox, books, wires, codes, diary)
