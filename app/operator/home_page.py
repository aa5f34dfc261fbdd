"""The operator's start page: every lot with what is free, its tariff, and what needs somebody."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from app.accounts.access import account
from app.core.days import day_of, day_span
from app.core.db import Database
from app.core.languages import say, say_many
from app.core.parts import part
from app.core.words import day_text
from app.live.hub import Hub
from app.live.picture import Picture
from app.operator import lot_views as views
from app.operator import money_views
from app.operator.payments_page import waiting
from app.operator.views import tariff_url
from app.operator.wording import summary
from app.payments import closing, listing
from app.payments.paying import Cashier
from app.payments.queries import Version, versions_in_force
from app.slots import queries
from app.slots.models import Lot
from app.slots.projections import count

MOST_LOTS = 100
LONGEST_SEARCH = 80


async def home_page(request: Request) -> views.HomePage:
    """Lots by name, those that ``?q=`` asks for."""
    query = request.query_params.get("q", "")[:LONGEST_SEARCH].strip().replace("\x00", "")
    cashier = part(request, Cashier)
    async with part(request, Database).look() as connection:
        now = await cashier.database.now(connection)
        found = await queries.lots(connection, query, MOST_LOTS + 1)
        lots = found[:MOST_LOTS]
        at_all = bool(lots) or bool(await queries.lots(connection, limit=1))
        tariffs = await versions_in_force(connection, [lot.id or 0 for lot in lots], now)
        needs = await needs_of(connection, cashier, lots, now)
        to_give = await waiting(connection, cashier)
    pictures = await asyncio.gather(*(part(request, Hub).picture(lot.id or 0) for lot in lots))
    rows = tuple(
        row(lot, picture, tariffs.get((lot.id or 0, None)), needs[lot.id or 0])
        for lot, picture in zip(lots, pictures, strict=True)
    )
    more = say("The first {count} lots are shown: search for others.", count=MOST_LOTS)
    attention: tuple[views.Attention, ...] = ()
    if to_give:
        said = say_many("{count} refund to hand back", "{count} refunds to hand back", len(to_give))
        attention = (views.Attention(said, money_views.PAYMENTS),)
    return views.HomePage(
        account(request).name, rows, query, at_all, more if len(found) > MOST_LOTS else "", attention
    )


def row(
    lot: Lot, picture: Picture | None, tariff: Version | None, needs: Sequence[views.Attention]
) -> views.LotRow:
    """A lot with its figures."""
    figure, of, has_slots = figures(lot, picture)
    attention = list(needs)
    if not has_slots:
        attention.insert(0, views.Attention(say("It has no slots"), views.lot_url(lot.code) + "#add"))
    if tariff is None:
        attention.insert(0, views.Attention(say("It has no tariff"), tariff_url(lot.code)))
    return views.LotRow(
        code=lot.code,
        name=lot.name,
        address=lot.address,
        figure=figure,
        of=of,
        is_closed=lot.closed,
        tariff=tariff_said(tariff),
        attention=tuple(attention),
    )


def tariff_said(tariff: Version | None) -> str:
    """The tariff in a line, empty where there is none."""
    return "" if tariff is None else summary(tariff.tariff.lines, tariff.tariff.currency)


def figures(lot: Lot, picture: Picture | None) -> tuple[str, str, bool]:
    """What is free, of how many, and whether there are slots at all."""
    if picture is None:
        return "–", say("not known just now"), True
    counts = count(picture)
    if lot.closed:
        of = say_many("{count} slot", "{count} slots", counts.total)
        return say("Closed"), of, counts.total > 0
    return str(counts.free), say("free of {total}", total=counts.total), counts.total > 0


async def needs_of(
    connection: AsyncConnection, cashier: Cashier, lots: Sequence[Lot], now: datetime
) -> dict[int, list[views.Attention]]:
    """By a lot's number: refunds that wait for hands, and yesterday where nobody has closed it."""
    needs: dict[int, list[views.Attention]] = defaultdict(list)
    by_hand = [one.name for one in cashier.providers.values() if one.by_attendant]
    waits: dict[int, int] = defaultdict(int)
    for _, payment in await listing.pending_refunds(connection, by_hand):
        waits[payment.lot_id] += 1
    zones: dict[str, list[Lot]] = defaultdict(list)
    for lot in lots:
        zones[lot.time_zone].append(lot)
        if n := waits[lot.id or 0]:
            said = say_many("{count} refund to hand back", "{count} refunds to hand back", n)
            url = money_views.filled(money_views.PAYMENTS, lot=lot.code)
            needs[lot.id or 0].append(views.Attention(said, url))
    for zone, some in zones.items():
        day = day_of(now, zone) - timedelta(days=1)
        begin, end = day_span(day, zone)
        ids = [lot.id or 0 for lot in some]
        open_ = await closing.not_closed(connection, ids, day, begin, end)
        for lot in some:
            if lot.id in open_:
                url = money_views.filled(money_views.CLOSING, lot=lot.code, day=day.isoformat())
                needs[lot.id].append(views.Attention(say("{day} is not closed", day=day_text(day)), url))
    return needs
