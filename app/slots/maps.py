"""The maps of the lots that somebody looks at, built once for each version of their layout."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from jinja2 import Environment

from app.core.languages import language
from app.slots.layout import Layout
from app.slots.map import LotMap, MapArea, MapLot, MapSlot

KEPT = 64


class LotMaps:
    """A bounded store of built maps."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._built: OrderedDict[tuple[int, str], LotMap] = OrderedDict()

    async def of(self, layout: Layout) -> LotMap:
        """The map of this layout. Building one takes about 0.2 ms a slot: not in the event loop."""
        kind = layout.lot_id, language()
        known = self._built.get(kind)
        if known is None or known.layout_version != layout.lot.layout_version:
            known = await asyncio.to_thread(LotMap, map_lot(layout), self._environment)
            self._built[kind] = known
        self._built.move_to_end(kind)
        while len(self._built) > KEPT:
            self._built.popitem(last=False)
        return known


def map_lot(layout: Layout) -> MapLot:
    """What the map needs of a layout."""
    lot = layout.lot
    return MapLot(
        code=lot.code,
        name=lot.name,
        outline=_ring(lot.outline),
        gate_x=lot.gate_x,
        gate_y=lot.gate_y,
        gate_heading_deg=lot.gate_heading_deg,
        gate_name=lot.gate_name,
        map_angle_deg=lot.map_angle_deg,
        attribution=lot.attribution,
        layout_version=lot.layout_version,
        areas=tuple(
            MapArea(
                area.code,
                area.name,
                area.premium,
                area.sign_x,
                area.sign_y,
                area.sign_upright,
                area.level,
            )
            for area in layout.areas
        ),
        slots=tuple(
            MapSlot(
                position=slot.position,
                name=slot.name,
                identifier=slot.identifier,
                area_code=slot.area_code,
                outline=_ring(slot.outline),
                premium=slot.premium,
                accessible=slot.accessible,
                charging=slot.charging,
            )
            for slot in layout.slots
        ),
    )


def _ring(points: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...] | None:
    return tuple((x, y) for x, y in points) or None
