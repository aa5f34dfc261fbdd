"""Looking at slots: the answer of ``GET /parking``, and the lots of the front page."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.slots.models import Area, Lot, Size, Slot, SlotState, State

_LOT = Lot.__table__  # type: ignore[attr-defined]
_AREA = Area.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Filter:
    """Which slots; ``None`` does not ask."""

    slot: str | None = None
    status: State | None = None
    lot: str | None = None
    area: str | None = None
    size: Size | None = None
    premium: bool | None = None


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: after a slot, or (going back) before one."""

    slot_id: int
    backwards: bool = False

    def text(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.slot_id, self.backwards]).encode()).decode()

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Raises ValueError where the text is no cursor."""
        try:
            slot_id, backwards = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
            if isinstance(slot_id, bool) or not isinstance(slot_id, int) or not isinstance(backwards, bool):
                raise ValueError
            if not 0 <= slot_id < 2**63:
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise ValueError("is not a cursor of this surface") from None
        return cls(slot_id, backwards)


@dataclass(frozen=True)
class SlotDetails:
    """A slot with its status, as the truth has it."""

    slot_id: int
    identifier: str
    name: str
    lot: str
    area: str
    location: Any
    latitude: float | None
    longitude: float | None
    outline: list[list[float]]
    size: Size
    premium: bool
    accessible: bool
    charging: bool
    state: State
    revision: int


@dataclass(frozen=True)
class Page:
    """Some slots in the order of their making, and whether there are others before and after."""

    slots: list[SlotDetails]
    has_previous: bool
    has_next: bool


_DETAILS = (
    select(
        _SLOT.c.id.label("slot_id"),
        _SLOT.c.identifier,
        _SLOT.c.name,
        _LOT.c.code.label("lot"),
        _AREA.c.code.label("area"),
        _SLOT.c.location,
        _SLOT.c.latitude,
        _SLOT.c.longitude,
        _SLOT.c.outline,
        _SLOT.c.size,
        _SLOT.c.premium,
        _SLOT.c.accessible,
        _SLOT.c.charging,
        _STATE.c.state,
        _SLOT.c.revision,
    )
    .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
    .join(_LOT, _LOT.c.id == _SLOT.c.lot_id)
    .join(_AREA, _AREA.c.id == _SLOT.c.area_id)
)


async def slot_page(
    connection: AsyncConnection, wanted: Filter, start: int, limit: int, cursor: Cursor | None
) -> Page:
    """A page of slots. A cursor costs what the first page costs; ``start`` counts from the beginning."""
    statement = _DETAILS.where(*_conditions(wanted))
    backwards = cursor is not None and cursor.backwards
    if cursor is not None:
        after = _SLOT.c.id < cursor.slot_id if backwards else _SLOT.c.id > cursor.slot_id
        statement = statement.where(after)
    elif start:
        statement = statement.offset(start)
    order = _SLOT.c.id.desc() if backwards else _SLOT.c.id
    rows = (await connection.execute(statement.order_by(order).limit(limit + 1))).mappings().all()
    more = len(rows) > limit
    slots = [_details(row) for row in rows[:limit]]
    if backwards:
        return Page(slots[::-1], has_previous=more, has_next=True)
    return Page(slots, has_previous=start > 0 or cursor is not None, has_next=more)


async def slot_details(connection: AsyncConnection, identifier: str) -> SlotDetails | None:
    row = (
        (await connection.execute(_DETAILS.where(_SLOT.c.identifier == identifier))).mappings().one_or_none()
    )
    return None if row is None else _details(row)


async def lot_exists(connection: AsyncConnection, code: str) -> bool:
    return (await connection.execute(select(_LOT.c.id).where(_LOT.c.code == code))).first() is not None


async def lots(connection: AsyncConnection, search: str = "", limit: int = 50) -> list[Lot]:
    """Lots by name, those that match ``search`` in name, code or address."""
    statement = select(_LOT).order_by(_LOT.c.name, _LOT.c.id).limit(limit)
    if search:
        plain = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = f"%{plain}%"
        statement = statement.where(
            _LOT.c.name.ilike(like, escape="\\")
            | _LOT.c.code.ilike(like, escape="\\")
            | _LOT.c.address.ilike(like, escape="\\")
        )
    return [Lot(**row) for row in (await connection.execute(statement)).mappings()]


async def lot_of_code(connection: AsyncConnection, code: str) -> Lot | None:
    """The lot that is called so."""
    row = (await connection.execute(select(_LOT).where(_LOT.c.code == code))).mappings().one_or_none()
    return None if row is None else Lot(**row)


async def time_zones(connection: AsyncConnection) -> set[str]:
    """The clocks that lots go by."""
    return set((await connection.execute(select(_LOT.c.time_zone).distinct())).scalars())


async def areas_of(connection: AsyncConnection, lot_ids: Sequence[int]) -> list[Area]:
    """The areas of these lots, by their codes."""
    statement = select(_AREA).where(_AREA.c.lot_id.in_(lot_ids)).order_by(_AREA.c.code)
    return [Area(**row) for row in (await connection.execute(statement)).mappings()]


def _conditions(wanted: Filter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.slot is not None:
        conditions.append(_SLOT.c.identifier == wanted.slot)
    if wanted.status is State.RESERVED:
        conditions.append(_STATE.c.state.in_((State.RESERVED, State.HELD)))
    elif wanted.status is not None:
        conditions.append(_STATE.c.state == wanted.status)
    if wanted.lot is not None:
        conditions.append(_LOT.c.code == wanted.lot)
    if wanted.area is not None:
        conditions.append(_AREA.c.code == wanted.area)
    if wanted.size is not None:
        conditions.append(_SLOT.c.size == wanted.size)
    if wanted.premium is not None:
        conditions.append(_SLOT.c.premium.is_(wanted.premium))
    return conditions


def _details(row: Any) -> SlotDetails:
    return SlotDetails(**{**row, "size": Size(row["size"]), "state": State(row["state"])})
