"""Every lot with its tariff, and its areas that have their own."""

from starlette.requests import Request

from app.accounts.access import account
from app.core.db import Database
from app.core.languages import say
from app.core.parts import part
from app.operator import views
from app.operator.tariff_page import instant_text, made_at_first, waits_text
from app.operator.wording import summary
from app.payments.queries import Version, versions_in_force, versions_to_come
from app.slots import queries as slots

MOST_LOTS = 200


async def tariffs_page(request: Request) -> views.TariffsPage:
    """Every lot with its tariff, and its areas that have their own."""
    database = part(request, Database)
    async with database.look() as connection:
        now = await database.now(connection)
        lots = await slots.lots(connection, limit=MOST_LOTS)
        ids = [lot.id or 0 for lot in lots]
        holding = await versions_in_force(connection, ids, now)
        coming = await versions_to_come(connection, ids, now)
        areas = await slots.areas_of(connection, ids)
    rows = []
    for lot in lots:
        own = [area for area in areas if area.lot_id == lot.id]
        for area in (None, *own):
            key = (lot.id or 0, area.id if area else None)
            if area is None or key in holding or key in coming:
                code = area.code if area else ""
                url = views.tariff_url(lot.code, code)
                rows.append(_row(url, lot.name, code, holding.get(key), coming.get(key)))
    return views.TariffsPage(account(request).name, tuple(rows))


def _row(url: str, lot: str, area: str, holds: Version | None, coming: Version | None) -> views.TariffRow:
    said = waits_text(coming) if coming else ""
    if holds is None:
        return views.TariffRow(url, lot, area, say("No tariff yet"), None, coming=said)
    tariff = holds.tariff
    return views.TariffRow(
        url=url,
        lot=lot,
        area=area,
        summary=summary(tariff.lines, tariff.currency),
        version=tariff.version,
        since=instant_text(holds.valid_from, tariff.time_zone),
        by=holds.by or made_at_first(),
        coming=said,
    )
