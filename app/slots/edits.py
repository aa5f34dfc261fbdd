"""Editing what is said of a lot and of its areas. Each function works within the caller's transaction.

Who edits says what they have seen (``seen``, the tag of what their form was made from); where somebody else
has changed it since, nothing is written and a Problem (412) says so, as ``If-Match`` does for a slot.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.errors import Problem
from app.core.languages import sentence
from app.slots.models import Area, Lot

_LOT = Lot.__table__  # type: ignore[attr-defined]
_AREA = Area.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class LotDetails:
    """What an operator says of a lot. ``grace_s``: who has not checked in by then loses the slot."""

    name: str
    address: str
    time_zone: str
    currency: str
    gate_name: str
    entities_are_plates: bool
    grace_s: int | None

    @classmethod
    def of(cls, lot: Lot) -> "LotDetails":
        return cls(
            lot.name,
            lot.address,
            lot.time_zone,
            lot.currency,
            lot.gate_name,
            lot.entities_are_plates,
            lot.arrival_grace_s if lot.check_in_required else None,
        )

    @property
    def tag(self) -> str:
        """Another one where anything differs."""
        return _tag(asdict(self))

    def columns(self) -> dict[str, Any]:
        values = asdict(self)
        grace_s = values.pop("grace_s")
        values["check_in_required"] = grace_s is not None
        return values if grace_s is None else values | {"arrival_grace_s": grace_s}


@dataclass(frozen=True)
class AreaDetails:
    """What an operator says of an area. ``premium``: what a slot is that is added without a word of it."""

    name: str
    level: int
    premium: bool

    @classmethod
    def of(cls, area: Area) -> "AreaDetails":
        return cls(area.name, area.level, area.premium)

    @property
    def tag(self) -> str:
        return _tag(asdict(self))


async def create_lot(connection: AsyncConnection, code: str, details: LotDetails) -> Lot | None:
    """A lot without slots; ``None`` where the code is another one's."""
    taken = await connection.execute(select(_LOT.c.id).where(_LOT.c.code == code))
    if taken.first() is not None:
        return None
    values = Lot(code=code, name=details.name).model_dump(exclude={"id"}) | details.columns()
    lot_id = (await connection.execute(insert(_LOT).values(**values).returning(_LOT.c.id))).scalar_one()
    return await _lot(connection, lot_id)


async def edit_lot(connection: AsyncConnection, lot_id: int, details: LotDetails, seen: str) -> LotDetails:
    """Writes the details; returns those that were there before."""
    lot = await _lot(connection, lot_id)
    before = LotDetails.of(lot)
    if before.tag != seen:
        raise _changed()
    if details == before:
        # Every open map and wall of the lot would be loaded again for nothing.
        return before
    values = details.columns() | {"layout_version": lot.layout_version + 1}
    await connection.execute(update(_LOT).where(_LOT.c.id == lot_id).values(**values))
    return before


async def edit_area(
    connection: AsyncConnection, lot_id: int, code: str, details: AreaDetails, seen: str
) -> AreaDetails:
    """Writes an area's details; returns those that were there before. A Problem (404) where there is none."""
    lot = await _lot(connection, lot_id)
    is_it = (_AREA.c.lot_id == lot_id) & (_AREA.c.code == code)
    row = (await connection.execute(select(_AREA).where(is_it))).mappings().one_or_none()
    if row is None:
        raise Problem(
            404,
            "no-such-area",
            sentence("There is no such area"),
            sentence("{lot} has no area {area}.", lot=lot.name, area=code),
        )
    before = AreaDetails.of(Area(**row))
    if before.tag != seen:
        raise _changed()
    if details == before:
        return before
    await connection.execute(update(_AREA).where(is_it).values(**asdict(details)))
    moved = {"layout_version": lot.layout_version + 1}
    await connection.execute(update(_LOT).where(_LOT.c.id == lot_id).values(**moved))
    return before


def _changed() -> Problem:
    return Problem(
        412,
        "changed-meanwhile",
        sentence("Somebody else has changed this meanwhile"),
        sentence("Nothing of yours was saved. See what it says now, and save again what you still want."),
    )


async def _lot(connection: AsyncConnection, lot_id: int) -> Lot:
    """The lot's row, locked."""
    found = await connection.execute(select(_LOT).where(_LOT.c.id == lot_id).with_for_update(key_share=True))
    return Lot(**found.mappings().one())


def _tag(values: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:16]
