"""A lot as it stands: its areas, classes and slots, read once and kept until it changes."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.slots.models import Area, Lot, Size, Slot, SlotClass, SlotState

# How long a process may believe that a layout is still the newest. A stale one can't book wrongly
# (SQL checks the class), it can only propose less well.
BELIEVE_S = 1.0


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
class Layout:
    """One version of a lot. ``slots`` stand by position, ``classes`` by number."""

    lot: Lot
    areas: tuple[Area, ...]
    classes: dict[int, SlotClass]
    slots: tuple[LaidSlot, ...]
    area_codes: dict[int, str] = field(default_factory=dict)

    @property
    def lot_id(self) -> int:
        assert self.lot.id is not None
        return self.lot.id

    @cached_property
    def by_rank(self) -> tuple[LaidSlot, ...]:
        return tuple(sorted(self.slots, key=lambda slot: slot.rank))

    @cached_property
    def by_name(self) -> dict[str, LaidSlot]:
        return {slot.name: slot for slot in self.slots}

    @cached_property
    def by_id(self) -> dict[int, LaidSlot]:
        return {slot.id: slot for slot in self.slots}

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


class Layouts:
    """The layouts that this process has read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, tuple[float, Layout]] = {}
        self._ids: dict[str, int] = {}

    async def of_code(self, code: str) -> Layout | None:
        """The layout of the lot with this code, or ``None`` where there is no such lot."""
        lot_id = self._ids.get(code)
        if lot_id is None:
            async with self._database.look() as connection:
                lot_id = (
                    await connection.execute(select(Lot.id).where(Lot.code == code))  # type: ignore[call-overload]
                ).scalar_one_or_none()
            if lot_id is None:
                return None
            self._ids[code] = lot_id
        return await self.of(lot_id)

    async def of(self, lot_id: int) -> Layout | None:
        """The layout of a lot, at most ``BELIEVE_S`` old."""
        checked_at, layout = self._known.get(lot_id, (0.0, None))
        if layout is not None and time.monotonic() - checked_at < BELIEVE_S:
            return layout
        now = time.monotonic()
        async with self._database.look() as connection:
            lot = await read_lot(connection, lot_id)
            if lot is None:
                self._known.pop(lot_id, None)
                return None
            if layout is None or layout.lot != lot:
                layout = await read_layout(connection, lot)
        self._known[lot_id] = (now, layout)
        return layout

    def forget(self, lot_id: int) -> None:
        """Read anew at the next use."""
        _, layout = self._known.get(lot_id, (0.0, None))
        if layout is not None:
            self._known[lot_id] = (float("-inf"), layout)


async def read_lot(connection: AsyncConnection, lot_id: int) -> Lot | None:
    row = (
        (await connection.execute(select(Lot.__table__).where(Lot.__table__.c.id == lot_id)))  # type: ignore[attr-defined]
        .mappings()
        .one_or_none()
    )
    return None if row is None else Lot(**row)


async def read_layout(connection: AsyncConnection, lot: Lot) -> Layout:
    """Reads the whole of one lot, within one look."""
    area, slot = Area.__table__, Slot.__table__  # type: ignore[attr-defined]
    state, kind = SlotState.__table__, SlotClass.__table__  # type: ignore[attr-defined]
    areas = (
        await connection.execute(select(area).where(area.c.lot_id == lot.id).order_by(area.c.code))
    ).mappings()
    classes = (
        await connection.execute(select(kind).where(kind.c.lot_id == lot.id).order_by(kind.c.number))
    ).mappings()
    rows = await connection.execute(
        select(
            slot.c.id,
            slot.c.identifier,
            slot.c.name,
            slot.c.position,
            slot.c.rank,
            state.c.class_number,
            area.c.code.label("area_code"),
            slot.c.size,
            slot.c.premium,
            slot.c.accessible,
            slot.c.charging,
            slot.c.outline,
        )
        .join_from(slot, state, state.c.slot_id == slot.c.id)
        .join(area, area.c.id == slot.c.area_id)
        .where(slot.c.lot_id == lot.id)
        .order_by(slot.c.position)
    )
    laid_areas = tuple(Area(**row) for row in areas)
    return Layout(
        lot=lot,
        areas=laid_areas,
        classes={row["number"]: SlotClass(**row) for row in classes},
        slots=tuple(LaidSlot(**{**row, "size": Size(row["size"])}) for row in rows.mappings()),
        area_codes={one.id: one.code for one in laid_areas if one.id is not None},
    )
