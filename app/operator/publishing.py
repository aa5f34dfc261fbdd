"""Publishing a tariff: a new version, noted in the audit trail in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import note
from app.payments.queries import Version, newest_version, version_of
from app.payments.service import set_tariff
from app.payments.tariffs.documents import as_text
from app.payments.tariffs.lines import Line
from app.slots.models import Lot

ACT = "tariff.published"


@dataclass(frozen=True)
class Publication:
    """Lines for a lot, or an area of it, from ``starts`` on; ``None``: at once. ``by`` publishes them.

    ``made_from``: the newest version that ``by`` knew, 0 for none; ``None`` does not ask.
    """

    lot: Lot
    area_id: int | None
    lines: Sequence[Line]
    starts: datetime | None
    by: str
    made_from: int | None = None

    @property
    def subject(self) -> str:
        area = f":{self.area_id}" if self.area_id is not None else ""
        return f"tariff:{self.lot.id}{area}"


class AnotherVersion(Exception):
    """Somebody has published since: ``newest``; ``known`` is the version that this was made from."""

    def __init__(self, known: Version | None, newest: Version) -> None:
        super().__init__(f"version {newest.tariff.version} is newer")
        self.known = known
        self.newest = newest


async def publish(connection: AsyncConnection, asked: Publication, now: datetime) -> int:
    """The number of the new version, or of the one that this same publication has made before.

    Bookings keep the version that they were made at. Raises AnotherVersion.
    """
    lot_id = asked.lot.id
    assert lot_id is not None
    newest = await newest_version(connection, lot_id, asked.area_id)
    number = newest.tariff.version if newest else 0
    if newest is not None and asked.made_from is not None and number != asked.made_from:
        if number == asked.made_from + 1 and _is_same(newest, asked):
            return number
        known = await version_of(connection, lot_id, asked.area_id, asked.made_from)
        raise AnotherVersion(known, newest)
    valid_from = asked.starts if asked.starts is not None and asked.starts > now else now
    version = await set_tariff(
        connection,
        lot_id,
        asked.area_id,
        asked.lot.currency,
        asked.lot.time_zone,
        asked.lines,
        valid_from,
        now,
        asked.by,
        after=number,
    )
    await note(
        connection,
        asked.by,
        ACT,
        asked.subject,
        now,
        lot=asked.lot.code,
        version=version,
        starts=valid_from.isoformat(),
        lines=as_text(asked.lines),
    )
    return version


def _is_same(newest: Version, asked: Publication) -> bool:
    """Whether it was made by the same button, pressed a moment before."""
    starts_alike = (
        newest.valid_from == newest.created_at if asked.starts is None else newest.valid_from == asked.starts
    )
    return newest.by == asked.by and starts_alike and newest.tariff.lines == tuple(asked.lines)
