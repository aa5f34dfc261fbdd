"""The lots as a driver chooses among them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection

from app.core.clock import steady_s
from app.core.db import Database, SqlAway
from app.core.languages import say
from app.core.parts import part
from app.core.templating import render
from app.driver.views import LotList, LotRow
from app.live.hub import Hub
from app.live.picture import Picture
from app.payments.prices import Prices
from app.payments.tariffs.asked import Price
from app.slots import queries
from app.slots.layout import Layout
from app.slots.memory import Memory
from app.slots.models import Lot
from app.slots.projections import Counts, count

LONGEST_SEARCH = 80
MOST_LOTS = 50


async def lot_list(request: HTTPConnection, search: str, chosen: str = "") -> LotList:
    """Lots by name with their figures; with ``chosen`` marked."""
    search = search[:LONGEST_SEARCH].strip().replace("\x00", "")
    found, any_at_all = await _found(request, search)
    prices = await _prices(request, found)
    pictures = await asyncio.gather(*(part(request, Hub).picture(lot.id or 0) for lot in found))
    rows = [
        row(
            lot,
            None if picture is None else count(picture),
            prices.get(lot.id or 0),
            chosen=lot.code == chosen,
        )
        for lot, picture in zip(found, pictures, strict=True)
    ]
    ages = [age_s for one in pictures if one is not None and (age_s := one.age_s(steady_s())) is not None]
    asked = {name: value for name, value in (("q", search), ("chosen", chosen)) if value}
    return LotList(
        rows=tuple(rows),
        query=search,
        lots_at_all=int(any_at_all),
        refresh_url="/lots" + (f"?{urlencode(asked)}" if asked else ""),
        search_url="/lots" + (f"?{urlencode({'chosen': chosen})}" if chosen else ""),
        age_s=max(ages, default=None),
    )


async def _found(request: HTTPConnection, search: str) -> tuple[list[Lot], bool]:
    """The lots that match, and whether there is any lot at all; while SQL is away, of those in memory."""
    try:
        async with part(request, Database).look() as connection:
            found = await queries.lots(connection, search, MOST_LOTS)
            return found, bool(found) or bool(await queries.lots(connection, limit=1))
    except SqlAway:
        return part(request, Memory).lots(search, MOST_LOTS), True


async def _prices(request: HTTPConnection, lots: Sequence[Lot]) -> dict[int, Price]:
    try:
        return await part(request, Prices).of_lots([lot.id or 0 for lot in lots], datetime.now(UTC))
    except SqlAway:
        return {}


def row(lot: Lot, counts: Counts | None, price: Price | None, *, chosen: bool = False) -> LotRow:
    """One lot in the list; without counts nothing is said of what is free."""
    total = counts.total if counts else 0
    usable = total - counts.closed if counts else 0
    free = counts.free if counts else 0
    state = (
        "unknown" if counts is None else "closed" if lot.closed or not usable else "open" if free else "full"
    )
    return LotRow(
        code=lot.code,
        name=lot.name,
        address=lot.address,
        url=f"/lots/{quote(lot.code)}",
        state=state,  # type: ignore[arg-type]
        free=free,
        total=total,
        used_percent=round(100 * (usable - free) / usable) if usable else 100,
        price_from=price.hour_text if price else "",
        premium_free=counts.premium if counts else 0,
        note="" if total else say("no slots yet") if counts else "",
        chosen=chosen,
    )


class ListProjection:
    """The figures of a lot in the list of lots."""

    name = "list"
    with_states = False

    def content(self, picture: Picture, changed: set[int] | None) -> str:
        layout: Layout = picture.layout
        return render("driver/_lot_figures_push.html", lot=row(layout.lot, count(picture), None))

    def figures(self, picture: Picture) -> dict[str, int]:
        return {}
