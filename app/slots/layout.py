"""A lot as it stands: its areas, classes and slots, read once and kept until it changes."""

import math
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, SqlAway
from app.slots.models import Area, Lot, Size, Slot, SlotClass, SlotState

# How long a process may believe that a layout is still the newest. A stale one can't book wrongly
# (SQL checks the class), it can only propose less well.
BELIEVE_S = 1.0
KEPT_FRAMES = 20_000
KEPT_LAYOUTS = 128
Kept = TypeVar("Kept")
_LOT = Lot.__table__  # type: ignore[attr-defined]
_AREA = Area.__table__  # type: ignore[attr-defined]
_SLOT = Slot.__table__  # type: ignore[attr-defined]
_CLASS = SlotClass.__table__  # type: ignore[attr-defined]
_STATE = SlotState.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Wish:
    """What somebody wants: accessible and charging slots are given only to who asks for them."""

    size: Size = Size.CAR
    premium: bool | None = None
    accessible: bool = False
    charging: bool = False
    area: str | None = None


@dataclass(frozen=True)
class LaidSlot:
    """A slot's unchanging part, as a lot's map and its booking need it."""

    id: int
    identifier: str
    name: str
    position: int
    rank: int
    class_number: int
    area_code: str
    size: Size
    premium: bool
    accessible: bool
    charging: bool
    outline: Sequence[Sequence[float]] = ()
    location: Any = None
    latitude: float | None = None
    longitude: float | None = None
    revision: int = 0

    @cached_property
    def centre(self) -> tuple[float, float]:
        """Where it lies in the lot, in metres; where no outline is known its rank serves as a distance."""
        if not self.outline:
            return (float(self.rank), 0.0)
        xs, ys = zip(*self.outline, strict=True)
        return (sum(xs) / len(xs), sum(ys) / len(ys))

    def distance_m(self, other: "LaidSlot") -> float:
        """Metres between the middles of two slots of one lot."""
        return math.dist(self.centre, other.centre)


@dataclass(frozen=True)
class Frame:
    """A lot without its slots: all that giving one out needs. ``classes`` stand by number."""

    lot: Lot
    areas: tuple[Area, ...]
    classes: dict[int, SlotClass]

    @property
    def lot_id(self) -> int:
        assert self.lot.id is not None
        return self.lot.id

    @cached_property
    def area_codes(self) -> dict[int, str]:
        return {one.id: one.code for one in self.areas if one.id is not None}

    def groups(self, wish: Wish) -> list[list[int]]:
        """Class numbers that fit, in groups that are equally good: standard first, then premium."""
        fitting: dict[bool, list[int]] = {False: [], True: []}
        for number, one in self.classes.items():
            if (
                one.size == wish.size
                and one.accessible == wish.accessible
                and one.charging == wish.charging
                and wish.premium in (None, one.premium)
                and wish.area in (None, self.area_codes[one.area_id])
            ):
                fitting[one.premium].append(number)
        return [group for group in fitting.values() if group]


@dataclass(frozen=True)
class Layout(Frame):
    """One version of a whole lot. ``slots`` stand by position."""

    slots: tuple[LaidSlot, ...] = ()

    @cached_property
    def by_rank(self) -> tuple[LaidSlot, ...]:
        return tuple(sorted(self.slots, key=lambda slot: slot.rank))

    @cached_property
    def by_row(self) -> tuple[LaidSlot, ...]:
        """In the order in which the slots were made."""
        return tuple(sorted(self.slots, key=lambda slot: slot.id))

    @cached_property
    def by_name(self) -> dict[str, LaidSlot]:
        return {slot.name: slot for slot in self.slots}

    @cached_property
    def offers(self) -> frozenset[str]:
        """Which of premium, accessible and charging the lot has at all."""
        kinds = ("premium", "accessible", "charging")
        return frozenset(kind for kind in kinds if any(getattr(slot, kind) for slot in self.slots))

    @cached_property
    def middles(self) -> dict[str, tuple[float, float] | None]:
        """The middle of each area's standard slots, and of the premium ones under ``premium``, in metres.

        Areas that have no standard slot are left out; without outlines a middle is ``None``.
        """
        groups: dict[str, list[LaidSlot]] = {}
        for slot in self.slots:
            groups.setdefault("premium" if slot.premium else slot.area_code, []).append(slot)
        return {name: _middle(slots) for name, slots in groups.items()}

    @cached_property
    def by_identifier(self) -> dict[str, LaidSlot]:
        return {slot.identifier: slot for slot in self.slots}

    @cached_property
    def by_id(self) -> dict[int, LaidSlot]:
        return {slot.id: slot for slot in self.slots}


def _middle(slots: Sequence[LaidSlot]) -> tuple[float, float] | None:
    centres = [slot.centre for slot in slots if slot.outline]
    if not centres:
        return None
    return (sum(x for x, _ in centres) / len(centres), sum(y for _, y in centres) / len(centres))


class Layouts:
    """What this process has read of lots: frames of all that are booked in, layouts of those looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = {}
        self._checked: dict[int, float] = {}
        self._frames: OrderedDict[int, Frame] = OrderedDict()
        self._layouts: OrderedDict[int, Layout] = OrderedDict()

    async def of_code(self, code: str) -> Layout | None:
        """The layout of the lot with this code, or ``None`` where there is no such lot."""
        lot_id = await self.id_of(code)
        return None if lot_id is None else await self.of(lot_id)

    async def id_of(self, code: str) -> int | None:
        """The number of the lot with this code; a lot's code never changes."""
        if code not in self._ids:
            async with self._database.look() as connection:
                found = await connection.execute(select(_LOT.c.id).where(_LOT.c.code == code))
                lot_id: int | None = found.scalar_one_or_none()
            if lot_id is None:
                return None
            self._ids[code] = lot_id
        return self._ids[code]

    async def frame(self, lot_id: int) -> Frame | None:
        """The frame of a lot, at most ``BELIEVE_S`` old."""
        known = self._frames.get(lot_id)
        if known is not None and time.monotonic() - self._checked[lot_id] < BELIEVE_S:
            return known
        now = time.monotonic()
        try:
            async with self._database.look() as connection:
                lot = await read_lot(connection, lot_id)
                if lot is None:
                    return None
                if known is None or known.lot != lot:
                    known = await read_frame(connection, lot)
        except SqlAway:
            # What a map showed a moment ago is better than no map; a booking asks SQL itself.
            if known is None:
                raise
            return known
        self._checked[lot_id] = now
        _keep(self._frames, lot_id, known, KEPT_FRAMES)
        return known

    async def of(self, lot_id: int) -> Layout | None:
        """The layout of a lot, at most ``BELIEVE_S`` old."""
        frame = await self.frame(lot_id)
        if frame is None:
            return None
        known = self._layouts.get(lot_id)
        if known is None or known.lot != frame.lot:
            try:
                async with self._database.look() as connection:
                    known = await read_layout(connection, frame)
            except SqlAway:
                if known is None:
                    raise
        _keep(self._layouts, lot_id, known, KEPT_LAYOUTS)
        return known

    def learn(self, lots: Iterable[Lot]) -> None:
        """Remembers the numbers of these lots by their codes."""
        self._ids.update({lot.code: lot.id for lot in lots if lot.id is not None})

    def forget(self, lot_id: int) -> None:
        """Look whether it has changed at the next use."""
        self._checked[lot_id] = float("-inf")


def _keep(store: OrderedDict[int, Kept], lot_id: int, value: Kept, limit: int) -> None:
    store[lot_id] = value
    store.move_to_end(lot_id)
    while len(store) > limit:
        store.popitem(last=False)


async def read_lot(connection: AsyncConnection, lot_id: int) -> Lot | None:
    """The lot's row as it is now."""
    row = (await connection.execute(select(_LOT).where(_LOT.c.id == lot_id))).mappings().one_or_none()
    return None if row is None else Lot(**row)


async def read_frame(connection: AsyncConnection, lot: Lot) -> Frame:
    """Reads a lot's areas and classes."""
    areas = await connection.execute(select(_AREA).where(_AREA.c.lot_id == lot.id).order_by(_AREA.c.code))
    kinds = await connection.execute(
        select(_CLASS).where(_CLASS.c.lot_id == lot.id).order_by(_CLASS.c.number)
    )
    return Frame(
        lot=lot,
        areas=tuple(Area(**row) for row in areas.mappings()),
        classes={row["number"]: SlotClass(**row) for row in kinds.mappings()},
    )


async def read_layout(connection: AsyncConnection, frame: Frame) -> Layout:
    """Reads a lot's slots."""
    rows = await connection.execute(
        select(
            _SLOT.c.id,
            _SLOT.c.identifier,
            _SLOT.c.name,
            _SLOT.c.position,
            _SLOT.c.rank,
            _STATE.c.class_number,
            _AREA.c.code.label("area_code"),
            _SLOT.c.size,
            _SLOT.c.premium,
            _SLOT.c.accessible,
            _SLOT.c.charging,
            _SLOT.c.outline,
            _SLOT.c.location,
            _SLOT.c.latitude,
            _SLOT.c.longitude,
            _SLOT.c.revision,
        )
        .join_from(_SLOT, _STATE, _STATE.c.slot_id == _SLOT.c.id)
        .join(_AREA, _AREA.c.id == _SLOT.c.area_id)
        .where(_SLOT.c.lot_id == frame.lot_id)
        .order_by(_SLOT.c.position)
    )
    slots = tuple(LaidSlot(**{**row, "size": Size(row["size"])}) for row in rows.mappings())
    return Layout(frame.lot, frame.areas, frame.classes, slots)
